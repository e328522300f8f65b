#include "measuring.h"

#include <string.h>

#include "asc_selftest.h"
#include "port.h"

enum { LOOP_ROUNDS = 1000000, NOISE_SEED = 20231 };

static int32_t report_file;

void asc_measuring_report(const char *name, uint64_t value) {
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

void asc_measuring_start(void) {
    report_file = asc_measuring_output("report.txt");
    asc_port_start_clock(0);
    const uint64_t before = asc_port_ticks();
    asc_port_known_loop(LOOP_ROUNDS);
    asc_measuring_report("loop_ticks", asc_port_ticks() - before);
    asc_measuring_report("loop_instructions", 2u * (uint64_t)LOOP_ROUNDS);
}

void asc_measuring_selftest(void *memory) {
    asc_selftest_fault_t fault;
    const int first_wrong = asc_selftest_fault(memory, &fault);
    asc_measuring_report("selftest_vectors", ASC_SELFTEST_VECTORS);
    asc_measuring_report("selftest", (uint64_t)first_wrong);
    if (first_wrong != 0) {
        asc_measuring_report("wrong_byte", (uint64_t)fault.output_byte);
        asc_measuring_report("expected", (uint8_t)fault.expected);
        asc_measuring_report("found", (uint8_t)fault.found);
        asc_port_fail(fault.network, ASC_SELFTEST_FAILED);
    }
}

/* The high bytes of a linear congruential sequence (Numerical Recipes, 2nd edition, 7.1). */
static void make_noise(asc_windows_t *windows, uint8_t *bytes, uint32_t size) {
    for (uint32_t index = 0; index < size; index++) {
        windows->noise = windows->noise * 1664525u + 1013904223u;
        bytes[index] = (uint8_t)(windows->noise >> 24);
    }
}

asc_windows_t asc_windows_open(const char *path) {
    asc_windows_t windows = {asc_port_open(path, 0), 0, NOISE_SEED};
    windows.noise_left = windows.file < 0;
    return windows;
}

int asc_windows_first(asc_windows_t *windows, void *data, uint32_t size) {
    if (windows->file < 0) {
        if (windows->noise_left-- <= 0) {
            return 0;
        }
        make_noise(windows, data, size);
        return 1;
    }
    const uint32_t count = asc_port_read(windows->file, data, size);
    if (count != 0 && count != size) {
        asc_port_fail("the file of windows ends within a window", ASC_CUT_SHORT);
    }
    return count == size;
}

void asc_windows_rest(asc_windows_t *windows, void *data, uint32_t size) {
    if (windows->file < 0) {
        make_noise(windows, data, size);
    } else if (asc_port_read(windows->file, data, size) != size) {
        asc_port_fail("the file of windows ends within a window", ASC_CUT_SHORT);
    }
}

int32_t asc_measuring_output(const char *path) {
    const int32_t file = asc_port_open(path, 1);
    if (file < 0) {
        asc_port_fail(path, ASC_CANNOT_OPEN);
    }
    return file;
}
