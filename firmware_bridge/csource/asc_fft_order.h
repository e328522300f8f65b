/* How a frame is laid out for the FFT, the same in single precision and in integers. */
#ifndef ASC_FFT_ORDER_H
#define ASC_FFT_ORDER_H

#include <stdint.h>

#include "asc_facts.h"

/* Two real samples make a complex one, so the FFT has half as many points. */
#define ASC_FFT_POINTS (ASC_FFT_SIZE / 2)

/* The bit-reversed number after `position`; 0 after the last. */
static inline uint32_t asc_next_reversed(uint32_t position) {
    uint32_t bit = ASC_FFT_POINTS / 2;
    while ((position & bit) != 0U) {
        position ^= bit;
        bit >>= 1;
    }
    return position | bit;
}

/* Where the sine for a place in asc_cosine stands there: a quarter turn before, cosine being even.
 */
static inline uint32_t asc_sine_index(uint32_t cosine) {
    const uint32_t quarter = ASC_FFT_SIZE / 4;
    return cosine < quarter ? quarter - cosine : cosine - quarter;
}

#endif
