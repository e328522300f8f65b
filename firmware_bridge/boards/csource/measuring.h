/* What programs that measure share: numbers to report.txt, windows from files, the self-test. */
#ifndef ASC_MEASURING_H
#define ASC_MEASURING_H

#include <stdint.h>

enum { ASC_CANNOT_OPEN = 2, ASC_CUT_SHORT = 3, ASC_NO_RESULT = 4, ASC_SELFTEST_FAILED = 5 };

/* Starts clock and report; measures a loop of known length. */
void asc_measuring_start(void);
/* A line "name value" of report.txt. */
void asc_measuring_report(const char *name, uint64_t value);
/* Runs it in `memory`; ends the program at the first wrong vector, and says which. */
void asc_measuring_selftest(void *memory);

/* Windows to run: a file or, where there is none, one window of noise, the same on every machine.
 */
typedef struct {
    int32_t file;
    int32_t noise_left;
    uint32_t noise;
} asc_windows_t;

asc_windows_t asc_windows_open(const char *path);
/* The first bytes of a window; 0 when there is none. */
int asc_windows_first(asc_windows_t *windows, void *data, uint32_t size);
void asc_windows_rest(asc_windows_t *windows, void *data, uint32_t size);

/* A file for answers; ends the program when it cannot be made. */
int32_t asc_measuring_output(const char *path);

#endif
