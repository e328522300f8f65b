/* Runs a package that hears on given windows, and counts. In the emulator's folder lie

       features.bin   windows for encoder and head: int8 features, then the head's city and time
       logits.bin     int8 logits of each
       samples.bin    windows of sound: int16 samples
       results.bin    int8 logits of each, by asc_process()
       report.txt     lines "name number"

   Ends with 0 when all was run; whether the answers are right is the reader's to say. */
#include <string.h>

#include "asc.h"
#include "asc_facts.h"
#include "asc_model.h"
#include "asc_selftest.h"
#include "measuring.h"
#include "port.h"

enum {
    CELL_BYTES = ASC_CELL_FRAMES * ASC_NUM_MELS,
    SECOND_SAMPLES = ASC_CELL_FRAMES * ASC_HOP_SAMPLES, /* what a cell covers */
    STEPS_BYTES = ASC_NUM_CELLS * ASC_STEP_BYTES_PER_CELL
};

static union {
    int8_t encoder[ASC_ENCODER_ARENA_BYTES];
    int8_t head[ASC_HEAD_ARENA_BYTES];
    int8_t selftest[ASC_SELFTEST_MEMORY_BYTES];
    int64_t alignment;
} arena;
static asc_t listener;
static int8_t steps[STEPS_BYTES];
static int16_t second[SECOND_SAMPLES];

/* The features are in the arena. */
static void run_cell(uint32_t cell, uint64_t *ticks) {
    const uint64_t before = asc_port_ticks();
    asc_encoder_run(arena.encoder);
    *ticks += asc_port_ticks() - before;
    memcpy(steps + cell * (uint32_t)ASC_STEP_BYTES_PER_CELL,
           arena.encoder + ASC_ENCODER_OUTPUT_OFFSET, ASC_STEP_BYTES_PER_CELL);
}

static void run_head(asc_windows_t *windows, uint64_t *ticks) {
    memcpy(arena.head + ASC_HEAD_STEPS_OFFSET, steps, sizeof steps);
#if ASC_USES_CONTEXT
    asc_windows_rest(windows, arena.head + ASC_HEAD_CITY_OFFSET, ASC_NUM_CITIES + 1);
    asc_windows_rest(windows, arena.head + ASC_HEAD_TIME_OFFSET, ASC_TIME_FEATURES);
#else
    (void)windows;
#endif
    const uint64_t before = asc_port_ticks();
    asc_head_run(arena.head);
    *ticks += asc_port_ticks() - before;
}

static void measure_features(void) {
    asc_windows_t windows = asc_windows_open("features.bin");
    const int32_t out = asc_measuring_output("logits.bin");
    int8_t *features = arena.encoder + ASC_ENCODER_INPUT_OFFSET;
    uint64_t encoder_ticks = 0, head_ticks = 0, count = 0;
    while (asc_windows_first(&windows, features, CELL_BYTES)) {
        run_cell(0, &encoder_ticks);
        for (uint32_t cell = 1; cell < ASC_NUM_CELLS; cell++) {
            asc_windows_rest(&windows, features, CELL_BYTES);
            run_cell(cell, &encoder_ticks);
        }
        run_head(&windows, &head_ticks);
        asc_port_write(out, arena.head + ASC_HEAD_OUTPUT_OFFSET, ASC_NUM_SCENES);
        count++;
    }
    asc_measuring_report("encoder_ticks", encoder_ticks);
    asc_measuring_report("head_ticks", head_ticks);
    asc_measuring_report("windows", count);
    asc_port_close(out);
}

/* Ticks of the next second of sound; whether a result came is in `done`. */
static uint64_t hear_second(int *done) {
    const uint64_t before = asc_port_ticks();
    *done = asc_process(&listener, second, SECOND_SAMPLES);
    return asc_port_ticks() - before;
}

/* Seconds before a window's last have no head: what they take beyond the encoder is the front
   end's. */
static void measure_samples(void) {
    asc_windows_t windows = asc_windows_open("samples.bin");
    const int32_t out = asc_measuring_output("results.bin");
    uint64_t early_ticks = 0, last_ticks = 0, count = 0;
    asc_port_paint_stack();
    while (asc_windows_first(&windows, second, sizeof second)) {
        int done = 0;
        asc_result_t result;
        asc_init(&listener);
        for (uint32_t number = 1; number < ASC_NUM_CELLS; number++) {
            early_ticks += hear_second(&done);
            asc_windows_rest(&windows, second, sizeof second);
        }
        last_ticks += hear_second(&done);
        if (!done) {
            asc_port_fail("asc_process() gave no result after a whole window", ASC_NO_RESULT);
        }
        asc_result(&listener, &result);
        asc_port_write(out, result.logits, ASC_NUM_SCENES);
        count++;
    }
    asc_measuring_report("stack", asc_port_stack_used());
    asc_measuring_report("early_ticks", early_ticks);
    asc_measuring_report("last_ticks", last_ticks);
    asc_measuring_report("sound_windows", count);
    asc_port_close(out);
}

int main(void) {
    asc_measuring_start();
    asc_measuring_report("cells", ASC_NUM_CELLS);
    asc_measuring_selftest(&arena);
    measure_features();
    measure_samples();
    return 0;
}
