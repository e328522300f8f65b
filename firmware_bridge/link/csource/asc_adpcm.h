/* IMA ADPCM: 4 bits a sample, by the IMA's Recommended Practices (revision 3.00, 1992).
 *
 * The first of two samples is the low half of a byte, as in WAV files.
 */
#ifndef ASC_ADPCM_H
#define ASC_ADPCM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int16_t predictor; /* the sample that a decoder has last made */
    uint8_t index;     /* into the 89 step sizes */
} asc_adpcm_t;

void asc_adpcm_init(asc_adpcm_t *state);

/* Encodes `count` samples into (count + 1) / 2 bytes; after an odd number half a byte is 0. */
void asc_adpcm_encode(asc_adpcm_t *state, const int16_t *samples, size_t count, uint8_t *bytes);

#ifdef __cplusplus
}
#endif

#endif
