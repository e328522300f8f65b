#include "asc.h"

#include <string.h>

#include "asc_model.h"

enum { CELL = ASC_CELL_FRAMES * ASC_NUM_MELS, CELL_SAMPLES = ASC_CELL_FRAMES * ASC_HOP_SAMPLES };

void asc_init(asc_t *self) {
    memset(self, 0, sizeof *self);
}

static void run_networks(asc_t *self) {
    int8_t encoder[ASC_ENCODER_ARENA_BYTES], head[ASC_HEAD_ARENA_BYTES] = {0};
    for (size_t cell = 0; cell < ASC_NUM_CELLS; cell++) {
        memcpy(encoder + ASC_ENCODER_INPUT_OFFSET, self->features + cell * CELL, CELL);
        asc_encoder_run(encoder);
        memcpy(head + ASC_HEAD_STEPS_OFFSET + cell * ASC_STEP_BYTES_PER_CELL,
               encoder + ASC_ENCODER_OUTPUT_OFFSET, ASC_STEP_BYTES_PER_CELL);
    }
    asc_head_run(head);
    memcpy(self->logits, head + ASC_HEAD_OUTPUT_OFFSET, ASC_NUM_SCENES);
}

/* The high byte of a cell's first samples is all that counts. */
int asc_process(asc_t *self, const int16_t *samples, size_t count) {
    int results = 0;
    for (size_t index = 0; index < count; index++) {
        const uint32_t cell = self->samples / CELL_SAMPLES, place = self->samples % CELL_SAMPLES;
        if (place < CELL) {
            self->features[cell * CELL + place] = (int8_t)(samples[index] / 256);
        }
        self->samples++;
        if (self->samples == ASC_NUM_CELLS * CELL_SAMPLES) {
            self->samples = 0;
            run_networks(self);
            results++;
        }
    }
    return results;
}

void asc_result(const asc_t *self, asc_result_t *result) {
    memcpy(result->logits, self->logits, ASC_NUM_SCENES);
    result->scene = 0;
    for (uint8_t scene = 1; scene < ASC_NUM_SCENES; scene++) {
        if (self->logits[scene] > self->logits[result->scene]) {
            result->scene = scene;
        }
    }
}
