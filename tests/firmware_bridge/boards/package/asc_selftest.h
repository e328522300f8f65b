#ifndef ASC_SELFTEST_H
#define ASC_SELFTEST_H

#include <stdint.h>

#define ASC_SELFTEST_VECTORS 2
#define ASC_SELFTEST_MEMORY_BYTES 20

typedef struct {
    const char *network;
    int32_t vector;
    int32_t output_byte;
    int8_t expected;
    int8_t found;
} asc_selftest_fault_t;

int asc_selftest_fault(void *memory, asc_selftest_fault_t *fault);

#endif
