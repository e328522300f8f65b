#include "asc_frontend.h"

#include <string.h>

#if defined(ASC_MICROPHONE_RATE_HZ) && ASC_MICROPHONE_RATE_HZ != ASC_SAMPLE_RATE_HZ
#error "ASC_MICROPHONE_RATE_HZ is not the ASC_SAMPLE_RATE_HZ of asc_facts.h, and nothing here \
resamples: set the microphone's clock to that rate, or send its sound to a computer, which resamples"
#endif

#if ASC_FRONTEND_FIXED
#define NO_LEVEL INT32_MIN
#else
#define NO_LEVEL (-1e30f) /* below every level */
#endif

void asc_frontend_reset(asc_frontend_t *self) {
    memset(self->sound, 0, sizeof self->sound);
    self->num_waiting = ASC_HOP_SAMPLES;
    self->num_frames = 0;
    self->cell = 0;
    for (uint32_t cell = 0; cell < ASC_NUM_CELLS; cell++) {
        self->highest[cell] = NO_LEVEL;
    }
}

int asc_frontend_is_full(const asc_frontend_t *self) {
    return self->num_frames == ASC_CELL_FRAMES;
}

/* A frame has been heard: its levels, and its second half as the first of the next one. */
static void add_frame(asc_frontend_t *self, asc_frontend_work_t *work) {
    asc_level_t *levels = work->levels + self->num_frames * ASC_NUM_MELS;
    asc_level_t highest = self->highest[self->cell];
    asc_logmel_frame(self->sound, &work->spectrum, levels);
    for (uint32_t band = 0; band < ASC_NUM_MELS; band++) {
        highest = levels[band] > highest ? levels[band] : highest;
    }
    self->highest[self->cell] = highest;
    self->num_frames++;
    memcpy(self->sound, self->sound + ASC_HOP_SAMPLES, sizeof self->sound / 2);
    self->num_waiting = ASC_HOP_SAMPLES;
}

size_t asc_frontend_take(asc_frontend_t *self, asc_frontend_work_t *work, const int16_t *samples,
                         size_t count) {
    size_t num_taken = 0;
    while (num_taken < count && !asc_frontend_is_full(self)) {
        const size_t missing = ASC_WINDOW_SAMPLES - self->num_waiting;
        const size_t left = count - num_taken;
        const size_t piece = left < missing ? left : missing;
        memcpy(self->sound + self->num_waiting, samples + num_taken, piece * sizeof *samples);
        self->num_waiting += (uint32_t)piece;
        num_taken += piece;
        if (self->num_waiting == ASC_WINDOW_SAMPLES) {
            add_frame(self, work);
        }
    }
    return num_taken;
}

void asc_frontend_features(asc_frontend_t *self, const asc_frontend_work_t *work,
                           int8_t *features) {
    asc_level_t highest = NO_LEVEL;
    for (uint32_t cell = 0; cell < ASC_NUM_CELLS; cell++) {
        highest = self->highest[cell] > highest ? self->highest[cell] : highest;
    }
    const asc_level_t floor = asc_logmel_floor(highest);
    const asc_level_t *level = work->levels;
    for (uint32_t frame = 0; frame < ASC_CELL_FRAMES; frame++) {
        for (uint32_t band = 0; band < ASC_NUM_MELS; band++) {
            *features++ = asc_logmel_quantize(*level++, floor, band);
        }
    }
    self->num_frames = 0;
    self->cell = self->cell + 1 == ASC_NUM_CELLS ? 0 : self->cell + 1;
    self->highest[self->cell] = NO_LEVEL;
}
