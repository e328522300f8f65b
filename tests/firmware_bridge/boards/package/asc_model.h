#ifndef ASC_MODEL_H
#define ASC_MODEL_H

#include <stdint.h>

#define ASC_ENCODER_ARENA_BYTES 20
#define ASC_ENCODER_INPUT_OFFSET 0
#define ASC_ENCODER_OUTPUT_OFFSET 12
#define ASC_HEAD_ARENA_BYTES 28
#define ASC_HEAD_STEPS_OFFSET 0
#define ASC_HEAD_CITY_OFFSET 12
#define ASC_HEAD_TIME_OFFSET 16
#define ASC_HEAD_OUTPUT_OFFSET 24

void asc_encoder_run(int8_t *arena);
void asc_head_run(int8_t *arena);

#endif
