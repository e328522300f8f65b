/* Log-mel levels of one frame of sound, in single precision or in integers.
 *
 *     |--half--|--half--|00000|  -> Hann window -> FFT -> magnitudes -> mel bands
 *     a frame, then zeros up to      -> 10 log10(max(1e-10, band))
 *     the size of the FFT
 *
 * Both ways do the same arithmetic in the same order on every processor, without libm: results are
 * the same bytes on a computer and on a board. In single precision that needs a compiler that does
 * not fuse products with sums: gcc does not with -std=c99, or with -ffp-contract=off.
 */
#ifndef ASC_LOGMEL_H
#define ASC_LOGMEL_H

#include <stdint.h>

#include "asc_facts.h"

#ifdef __cplusplus
extern "C" {
#endif

#if ASC_FRONTEND_FIXED
typedef int32_t asc_level_t; /* in steps of 2^-20 dB */
typedef int32_t asc_part_t;
#else
typedef float asc_level_t; /* in dB */
typedef float asc_part_t;
#endif

/* Complex numbers, real and imaginary part in turn; later magnitudes in place of real parts. */
typedef struct {
    asc_part_t parts[ASC_FFT_SIZE];
} asc_spectrum_t;

/* Levels of the ASC_NUM_MELS bands of one frame of ASC_WINDOW_SAMPLES samples, without the floor
 * under a window's highest level. `spectrum` is memory to work in. */
void asc_logmel_frame(const int16_t *samples, asc_spectrum_t *spectrum, asc_level_t *levels);

/* The floor under the highest level of a window. */
asc_level_t asc_logmel_floor(asc_level_t highest);

/* What the encoder takes for a level of a band: not below `floor`, standardised, clipped, rounded
 * half to even. */
int8_t asc_logmel_quantize(asc_level_t level, asc_level_t floor, uint32_t band);

#ifdef __cplusplus
}
#endif

#endif
