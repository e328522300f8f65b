#include "asc_selftest.h"

#include <string.h>

#include "asc_facts.h"
#include "asc_model.h"

/* Features of a cell, and the steps that come of them: computed by hand. */
static const int8_t features[2][ASC_CELL_FRAMES * ASC_NUM_MELS] = {
    {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
    {-1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, -3},
};
static const int8_t steps[2][ASC_STEP_BYTES_PER_CELL] = {
    {127, 127, 127, 127, 127},
    {-17, -18, -20, -21, -23},
};

int asc_selftest_fault(void *memory, asc_selftest_fault_t *fault) {
    int8_t *arena = memory;
    for (int vector = 0; vector < 2; vector++) {
        memcpy(arena + ASC_ENCODER_INPUT_OFFSET, features[vector], sizeof features[vector]);
        asc_encoder_run(arena);
        for (int byte = 0; byte < ASC_STEP_BYTES_PER_CELL; byte++) {
            const int8_t found = arena[ASC_ENCODER_OUTPUT_OFFSET + byte];
            if (found != steps[vector][byte]) {
                const int8_t expected = steps[vector][byte];
                *fault = (asc_selftest_fault_t){"encoder", vector, byte, expected, found};
                return vector + 1;
            }
        }
    }
    return 0;
}
