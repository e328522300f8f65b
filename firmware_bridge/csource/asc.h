/* Which scene is it? Sound in, a result for each second of it, once a window has been heard.
 *
 *     static asc_t classifier;                       all memory that is needed
 *     asc_init(&classifier);
 *     for (;;) {
 *         if (asc_process(&classifier, samples, count) > 0) {
 *             asc_result_t result;
 *             asc_result(&classifier, &result);      result.scene, asc_scene_names[result.scene]
 *         }
 *     }
 *
 * Samples are mono, ASC_SAMPLE_RATE_HZ of them a second. Most calls store samples and compute a
 * frame every ASC_HOP_SAMPLES; one call a second runs the networks, and takes longest.
 *
 * Nothing here is shared between two asc_t: each may run in a thread of its own.
 */
#ifndef ASC_H
#define ASC_H

#include <stddef.h>
#include <stdint.h>

#include "asc_facts.h"
#include "asc_frontend.h"
#include "asc_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For city and minute_of_day of asc_set_context. */
#define ASC_UNKNOWN (-1)

/* What stands for a probability of 1. */
#define ASC_PROBABILITY_ONE 32767
#define ASC_MEMORY_BYTES (sizeof(asc_t))
/* Sound between two results. */
#define ASC_RESULT_SAMPLES (ASC_CELL_FRAMES * ASC_HOP_SAMPLES)

/* Memory of the module; its members are not for use. */
typedef struct asc {
    /* One after the other: a cell's levels until it is full, the encoder, the head. */
    union {
        uint32_t alignment;
        asc_frontend_work_t frontend;
        int8_t encoder[ASC_ENCODER_ARENA_BYTES];
        int8_t head[ASC_HEAD_ARENA_BYTES];
    } work;
    int8_t steps[ASC_NUM_CELLS][ASC_STEP_BYTES_PER_CELL]; /* a ring */
    asc_frontend_t frontend;
    uint32_t next_cell; /* where the ring goes on */
    uint32_t num_cells; /* in the ring */
    uint32_t num_results;
    int8_t logits[ASC_NUM_SCENES];
    uint8_t sound_was_lost; /* and no result has said so yet */
    uint8_t after_gap;
    uint8_t city_row;
    int8_t time_code[ASC_TIME_FEATURES];
} asc_t;

typedef struct {
    uint32_t number;                       /* 1 for the first result after asc_init */
    int16_t probabilities[ASC_NUM_SCENES]; /* over ASC_PROBABILITY_ONE, calibrated */
    int8_t logits[ASC_NUM_SCENES];         /* (number - ASC_LOGITS_ZERO_POINT) * ASC_LOGITS_SCALE */
    uint8_t scene;                         /* the likeliest; of equal ones the first */
    uint8_t after_gap;                     /* 1 for the first result after lost sound */
} asc_result_t;

/* Must come first. City and time are unknown. */
void asc_init(asc_t *self);

/* Takes in samples; returns how many results they completed, of which the last is kept: never more
 * than 1 for up to ASC_RESULT_SAMPLES samples. */
int asc_process(asc_t *self, const int16_t *samples, size_t count);

/* The last result; nothing before asc_process has returned 1. */
void asc_result(const asc_t *self, asc_result_t *result);

/* Where and when the next results are.
 *     city           index of asc_city_names, or ASC_UNKNOWN
 *     minute_of_day  0 to 1439 in local time, or ASC_UNKNOWN: then weekday and month do not count
 *     weekday        0 (Monday) to 6
 *     month          1 (January) to 12
 * Returns 0; or -1, and changes nothing, for other values. A city that the model was not trained
 * with counts as unknown. */
int asc_set_context(asc_t *self, int city, int minute_of_day, int weekday, int month);

/* Sound was lost: forgets what was heard. The next result comes after a whole window, and says so.
 * City and time stay. */
void asc_reset(asc_t *self);

#ifdef __cplusplus
}
#endif

#endif
