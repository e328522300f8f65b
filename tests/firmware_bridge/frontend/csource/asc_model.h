/* A model whose networks are functions that a test gives; places in its arenas are odd on purpose.
 */
#ifndef ASC_MODEL_H
#define ASC_MODEL_H

#include <stdint.h>

#define ASC_ENCODER_ARENA_BYTES 9000
#define ASC_ENCODER_INPUT_OFFSET 1004
#define ASC_ENCODER_OUTPUT_OFFSET 6000
#define ASC_HEAD_ARENA_BYTES 24000
#define ASC_HEAD_STEPS_OFFSET 64
#define ASC_HEAD_CITY_OFFSET 21000
#define ASC_HEAD_TIME_OFFSET 21024
#define ASC_HEAD_OUTPUT_OFFSET 23980

void asc_encoder_run(int8_t *arena);
void asc_head_run(int8_t *arena);

#endif
