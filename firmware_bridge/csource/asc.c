#include "asc.h"

#include <string.h>

#include "asc_frontend_tables.h"

/* Facts that both generators wrote down must be the same. */
#define ASC_CHECK(name, condition) typedef char asc_check_##name[(condition) ? 1 : -1]
ASC_CHECK(features_fit, ASC_ENCODER_INPUT_OFFSET + ASC_CELL_FEATURES <= ASC_ENCODER_ARENA_BYTES);
ASC_CHECK(cell_fits,
          ASC_ENCODER_OUTPUT_OFFSET + ASC_STEP_BYTES_PER_CELL <= ASC_ENCODER_ARENA_BYTES);
ASC_CHECK(steps_fit,
          ASC_HEAD_STEPS_OFFSET + ASC_NUM_CELLS * ASC_STEP_BYTES_PER_CELL <= ASC_HEAD_ARENA_BYTES);
ASC_CHECK(logits_fit, ASC_HEAD_OUTPUT_OFFSET + ASC_NUM_SCENES <= ASC_HEAD_ARENA_BYTES);

static void forget(asc_t *self) {
    asc_frontend_reset(&self->frontend);
    self->next_cell = 0;
    self->num_cells = 0;
}

void asc_init(asc_t *self) {
    memset(self, 0, sizeof *self);
    forget(self);
    (void)asc_set_context(self, ASC_UNKNOWN, ASC_UNKNOWN, 0, 1);
}

void asc_reset(asc_t *self) {
    forget(self);
    self->sound_was_lost = 1;
}

#if ASC_USES_CONTEXT
static void set_time(asc_t *self, uint32_t minute_of_day, uint32_t weekday, uint32_t month) {
    memcpy(self->time_code, asc_hour_code[minute_of_day / 60], 2);
    memcpy(self->time_code + 2, asc_month_code[month - 1], 2);
    memcpy(self->time_code + 4, asc_weekday_code[weekday], 2);
    memcpy(self->time_code + 6, asc_minute_code[minute_of_day % 60], 2);
}
#endif

static int is_time(int minute_of_day, int weekday, int month) {
    if (minute_of_day == ASC_UNKNOWN) {
        return 1;
    }
    return minute_of_day >= 0 && minute_of_day < 24 * 60 && weekday >= 0 && weekday < 7 &&
           month >= 1 && month <= 12;
}

int asc_set_context(asc_t *self, int city, int minute_of_day, int weekday, int month) {
    const int is_city = city == ASC_UNKNOWN || (city >= 0 && city < ASC_NUM_CITIES);
    if (!is_city || !is_time(minute_of_day, weekday, month)) {
        return -1;
    }
#if ASC_USES_CONTEXT
    self->city_row = city == ASC_UNKNOWN ? ASC_CITY_ROW_UNKNOWN : asc_city_row[city];
    if (minute_of_day == ASC_UNKNOWN) {
        memset(self->time_code, ASC_TIME_CODE_UNKNOWN, sizeof self->time_code);
    } else {
        set_time(self, (uint32_t)minute_of_day, (uint32_t)weekday, (uint32_t)month);
    }
#else
    (void)self; /* this model takes no context */
#endif
    return 0;
}

/* A cell is full: its features through the encoder, its steps into the ring. */
static void encode_cell(asc_t *self) {
    int8_t *arena = self->work.encoder;
    int8_t *steps = self->steps[self->next_cell];
    asc_frontend_features(&self->frontend, &self->work.frontend, arena);
    memmove(arena + ASC_ENCODER_INPUT_OFFSET, arena, ASC_CELL_FEATURES);
    asc_encoder_run(arena);
    memcpy(steps, arena + ASC_ENCODER_OUTPUT_OFFSET, ASC_STEP_BYTES_PER_CELL);
#if ASC_STEPS_ARE_MAPPED
    for (uint32_t step = 0; step < ASC_STEP_BYTES_PER_CELL; step++) {
        steps[step] = asc_step_map[steps[step] + 128];
    }
#endif
    self->next_cell = self->next_cell + 1 == ASC_NUM_CELLS ? 0 : self->next_cell + 1;
    self->num_cells += self->num_cells < ASC_NUM_CELLS ? 1U : 0U;
}

/* Steps in the order in which they were heard, and the context, to where the head takes them. */
static void put_inputs_of_head(const asc_t *self, int8_t *arena) {
    int8_t *steps = arena + ASC_HEAD_STEPS_OFFSET;
    const size_t num_oldest = ASC_NUM_CELLS - self->next_cell;
    memcpy(steps, self->steps[self->next_cell], num_oldest * ASC_STEP_BYTES_PER_CELL);
    memcpy(steps + num_oldest * ASC_STEP_BYTES_PER_CELL, self->steps[0],
           self->next_cell * sizeof self->steps[0]);
#if ASC_USES_CONTEXT
    memset(arena + ASC_HEAD_CITY_OFFSET, ASC_CITY_CODE_OFF, ASC_NUM_CITIES + 1);
    arena[ASC_HEAD_CITY_OFFSET + self->city_row] = ASC_CITY_CODE_ON;
    memcpy(arena + ASC_HEAD_TIME_OFFSET, self->time_code, ASC_TIME_FEATURES);
#endif
}

static void run_head(asc_t *self) {
    int8_t *arena = self->work.head;
    put_inputs_of_head(self, arena);
    asc_head_run(arena);
    memcpy(self->logits, arena + ASC_HEAD_OUTPUT_OFFSET, ASC_NUM_SCENES);
    self->num_results++;
    self->after_gap = self->sound_was_lost;
    self->sound_was_lost = 0;
}

int asc_process(asc_t *self, const int16_t *samples, size_t count) {
    int num_results = 0;
    while (count > 0) {
        const size_t num_taken =
            asc_frontend_take(&self->frontend, &self->work.frontend, samples, count);
        samples += num_taken;
        count -= num_taken;
        if (asc_frontend_is_full(&self->frontend)) {
            encode_cell(self);
            if (self->num_cells == ASC_NUM_CELLS) {
                run_head(self);
                num_results++;
            }
        }
    }
    return num_results;
}

static uint8_t likeliest(const int8_t *logits) {
    uint8_t best = 0;
    for (uint8_t scene = 1; scene < ASC_NUM_SCENES; scene++) {
        if (logits[scene] > logits[best]) {
            best = scene;
        }
    }
    return best;
}

void asc_result(const asc_t *self, asc_result_t *result) {
    const uint8_t best = likeliest(self->logits);
    uint64_t sum = 0;
    for (uint32_t scene = 0; scene < ASC_NUM_SCENES; scene++) {
        sum += asc_exponential[self->logits[best] - self->logits[scene]];
    }
    for (uint32_t scene = 0; scene < ASC_NUM_SCENES; scene++) {
        const uint64_t share = asc_exponential[self->logits[best] - self->logits[scene]];
        result->probabilities[scene] = (int16_t)((share * ASC_PROBABILITY_ONE + sum / 2) / sum);
        result->logits[scene] = self->logits[scene];
    }
    result->number = self->num_results;
    result->scene = best;
    result->after_gap = self->after_gap;
}
