#ifndef ASC_H
#define ASC_H

#include <stddef.h>
#include <stdint.h>

#include "asc_facts.h"

typedef struct asc {
    uint32_t samples;
    int8_t features[ASC_NUM_CELLS * ASC_CELL_FRAMES * ASC_NUM_MELS];
    int8_t logits[ASC_NUM_SCENES];
} asc_t;

typedef struct {
    int8_t logits[ASC_NUM_SCENES];
    uint8_t scene;
} asc_result_t;

void asc_init(asc_t *self);
int asc_process(asc_t *self, const int16_t *samples, size_t count);
void asc_result(const asc_t *self, asc_result_t *result);

#endif
