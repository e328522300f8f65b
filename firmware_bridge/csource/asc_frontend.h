/* Sound, in pieces of any size, into what the encoder takes: a cell of ASC_CELL_FRAMES frames.
 *
 *     samples  |--hop--|--hop--|--hop--|--hop--|
 *     frame 0  [zeros..|.......]
 *     frame 1          [.......|.......]           then a frame every hop
 *
 * How sound was cut into pieces never changes a bit. A device that sends features to a computer
 * needs only this; asc.h does all that is needed to classify by itself.
 */
#ifndef ASC_FRONTEND_H
#define ASC_FRONTEND_H

#include <stddef.h>
#include <stdint.h>

#include "asc_logmel.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ASC_CELL_FEATURES (ASC_CELL_FRAMES * ASC_NUM_MELS)

/* What lasts from frame to frame. */
typedef struct {
    int16_t sound[ASC_WINDOW_SAMPLES];  /* the next frame, as far as it has been heard */
    uint32_t num_waiting;               /* samples of it */
    uint32_t num_frames;                /* of the cell that is being filled */
    uint32_t cell;                      /* where in `highest` it stands */
    asc_level_t highest[ASC_NUM_CELLS]; /* highest level of each cell of a window */
} asc_frontend_t;

/* What lasts while a cell is being filled; free for other use between a call of
 * asc_frontend_features and the next of asc_frontend_take. */
typedef struct {
    asc_level_t levels[ASC_CELL_FEATURES];
    asc_spectrum_t spectrum;
} asc_frontend_work_t;

/* Forgets all sound, as before the first and after lost sound. */
void asc_frontend_reset(asc_frontend_t *self);

/* Takes in samples until a cell is full; returns how many it took. */
size_t asc_frontend_take(asc_frontend_t *self, asc_frontend_work_t *work, const int16_t *samples,
                         size_t count);

int asc_frontend_is_full(const asc_frontend_t *self);

/* Writes the ASC_CELL_FEATURES features of a full cell, frame by frame, and begins the next one.
 * The floor follows the highest level of the window so far. `features` may lie at the beginning of
 * `work`: each number is read before its place is written to. */
void asc_frontend_features(asc_frontend_t *self, const asc_frontend_work_t *work, int8_t *features);

#ifdef __cplusplus
}
#endif

#endif
