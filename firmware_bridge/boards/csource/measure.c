/* Runs a package on given windows, and counts. What it reads and writes lies in the folder of the emulator:

       features.bin   windows for encoder and head: int8 features, then what the head takes of city and time
       logits.bin     int8 logits of each
       samples.bin    windows of sound: int16 samples
       results.bin    int8 logits of each, by asc_process()
       report.txt     lines "name number"

   Without a file of windows, one window of noise stands for it, the same on every machine. Ends with 0 when all was run; whether results are right is the reader's to say. */
#include <string.h>

#include "asc.h"
#include "asc_facts.h"
#include "asc_model.h"
#include "asc_selftest.h"
#include "port.h"

enum {
    LOOP_ROUNDS = 1000000,
    NOISE_SEED = 20231,
    CELL_BYTES = ASC_CELL_FRAMES * ASC_NUM_MELS,
    SECOND_SAMPLES = ASC_CELL_FRAMES * ASC_HOP_SAMPLES, /* what a cell covers */
    STEPS_BYTES = ASC_NUM_CELLS * ASC_STEP_BYTES_PER_CELL,
    CANNOT_OPEN = 2,
    CUT_SHORT = 3,
    NO_RESULT = 4,
    SELFTEST_FAILED = 5
};

typedef union {
    int8_t encoder[ASC_ENCODER_ARENA_BYTES];
    int8_t head[ASC_HEAD_ARENA_BYTES];
    int8_t selftest[ASC_SELFTEST_MEMORY_BYTES];
    int64_t aligned;
} arena_t;

static arena_t arena;
static asc_t listener;
static int8_t steps[STEPS_BYTES];
static int16_t second[SECOND_SAMPLES];
static int32_t report_file;

static void report(const char *name, uint64_t value) {
    char digits[24];
    uint32_t start = sizeof digits;
    digits[--start] = '\n';
    do {
        digits[--start] = (char)('0' + (char)(value % 10u));
        value /= 10u;
    } while (value > 0);
    digits[--start] = ' ';
    asc_port_write(report_file, name, (uint32_t)strlen(name));
    asc_port_write(report_file, digits + start, (uint32_t)sizeof digits - start);
}

/* Windows to run: a file, or noise once. */
typedef struct {
    int32_t file;
    int32_t noise_left;
    uint32_t noise;
} source_t;

static source_t open_source(const char *path) {
    source_t source = {asc_port_open(path, 0), 0, NOISE_SEED};
    source.noise_left = source.file < 0;
    return source;
}

/* The high bytes of a linear congruential sequence (Numerical Recipes, 2nd edition, 7.1). */
static void make_noise(source_t *source, uint8_t *bytes, uint32_t size) {
    for (uint32_t index = 0; index < size; index++) {
        source->noise = source->noise * 1664525u + 1013904223u;
        bytes[index] = (uint8_t)(source->noise >> 24);
    }
}

static void read_rest(source_t *source, void *data, uint32_t size) {
    if (source->file < 0) {
        make_noise(source, data, size);
    } else if (asc_port_read(source->file, data, size) != size) {
        asc_port_fail("the file of windows ends within a window", CUT_SHORT);
    }
}

/* The first bytes of a window; 0 when there is none. */
static int read_first(source_t *source, void *data, uint32_t size) {
    if (source->file < 0) {
        if (source->noise_left-- <= 0) {
            return 0;
        }
        make_noise(source, data, size);
        return 1;
    }
    const uint32_t count = asc_port_read(source->file, data, size);
    if (count != 0 && count != size) {
        asc_port_fail("the file of windows ends within a window", CUT_SHORT);
    }
    return count == size;
}

static int32_t open_output(const char *path) {
    const int32_t file = asc_port_open(path, 1);
    if (file < 0) {
        asc_port_fail(path, CANNOT_OPEN);
    }
    return file;
}

static void measure_clock(void) {
    const uint64_t before = asc_port_ticks();
    asc_port_known_loop(LOOP_ROUNDS);
    report("loop_ticks", asc_port_ticks() - before);
    report("loop_instructions", 2u * (uint64_t)LOOP_ROUNDS);
}

static void measure_selftest(void) {
    asc_selftest_fault_t fault;
    const int first_wrong = asc_selftest_fault(&arena, &fault);
    report("selftest_vectors", ASC_SELFTEST_VECTORS);
    report("selftest", (uint64_t)first_wrong);
    if (first_wrong != 0) {
        report("wrong_byte", (uint64_t)fault.output_byte);
        report("expected", (uint8_t)fault.expected);
        report("found", (uint8_t)fault.found);
        asc_port_fail(fault.network, SELFTEST_FAILED);
    }
}

/* The features are in the arena. */
static void run_cell(uint32_t cell, uint64_t *ticks) {
    const uint64_t before = asc_port_ticks();
    asc_encoder_run(arena.encoder);
    *ticks += asc_port_ticks() - before;
    memcpy(steps + cell * (uint32_t)ASC_STEP_BYTES_PER_CELL, arena.encoder + ASC_ENCODER_OUTPUT_OFFSET,
           ASC_STEP_BYTES_PER_CELL);
}

static void run_head(source_t *source, uint64_t *ticks) {
    memcpy(arena.head + ASC_HEAD_STEPS_OFFSET, steps, sizeof steps);
#if ASC_USES_CONTEXT
    read_rest(source, arena.head + ASC_HEAD_CITY_OFFSET, ASC_NUM_CITIES + 1);
    read_rest(source, arena.head + ASC_HEAD_TIME_OFFSET, ASC_TIME_FEATURES);
#else
    (void)source;
#endif
    const uint64_t before = asc_port_ticks();
    asc_head_run(arena.head);
    *ticks += asc_port_ticks() - before;
}

static void measure_features(void) {
    source_t source = open_source("features.bin");
    const int32_t out = open_output("logits.bin");
    int8_t *features = arena.encoder + ASC_ENCODER_INPUT_OFFSET;
    uint64_t encoder_ticks = 0, head_ticks = 0, windows = 0;
    asc_port_paint_stack();
    while (read_first(&source, features, CELL_BYTES)) {
        run_cell(0, &encoder_ticks);
        for (uint32_t cell = 1; cell < ASC_NUM_CELLS; cell++) {
            read_rest(&source, features, CELL_BYTES);
            run_cell(cell, &encoder_ticks);
        }
        run_head(&source, &head_ticks);
        asc_port_write(out, arena.head + ASC_HEAD_OUTPUT_OFFSET, ASC_NUM_SCENES);
        windows++;
    }
    report("model_stack", asc_port_stack_used());
    report("encoder_ticks", encoder_ticks);
    report("head_ticks", head_ticks);
    report("windows", windows);
    asc_port_close(out);
}

/* Ticks of the next second of sound; whether a result came is in `done`. */
static uint64_t hear_second(int *done) {
    const uint64_t before = asc_port_ticks();
    *done = asc_process(&listener, second, SECOND_SAMPLES);
    return asc_port_ticks() - before;
}

/* Seconds before the last of a window have no head: what they take beyond the encoder is the front end's. */
static void measure_samples(void) {
    source_t source = open_source("samples.bin");
    const int32_t out = open_output("results.bin");
    uint64_t early_ticks = 0, last_ticks = 0, windows = 0;
    asc_port_paint_stack();
    while (read_first(&source, second, sizeof second)) {
        int done = 0;
        asc_result_t result;
        asc_init(&listener);
        for (uint32_t number = 1; number < ASC_NUM_CELLS; number++) {
            early_ticks += hear_second(&done);
            read_rest(&source, second, sizeof second);
        }
        last_ticks += hear_second(&done);
        if (!done) {
            asc_port_fail("asc_process() gave no result after a whole window", NO_RESULT);
        }
        asc_result(&listener, &result);
        asc_port_write(out, result.logits, ASC_NUM_SCENES);
        windows++;
    }
    report("process_stack", asc_port_stack_used());
    report("early_ticks", early_ticks);
    report("last_ticks", last_ticks);
    report("sound_windows", windows);
    asc_port_close(out);
}

int main(void) {
    report_file = open_output("report.txt");
    asc_port_start_clock(0);
    report("cells", ASC_NUM_CELLS);
    report("memory_bytes", sizeof listener);
    measure_clock();
    measure_selftest();
    measure_features();
    measure_samples();
    asc_port_close(report_file);
    return 0;
}
