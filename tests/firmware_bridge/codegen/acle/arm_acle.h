/* The two DSP instructions of the kernels in plain C, so that their DSP code runs under a
 * computer's sanitizers. What they do: Arm C Language Extensions, "32-bit SIMD operations". */
#ifndef ARM_ACLE_H
#define ARM_ACLE_H

#include <stdint.h>

typedef int32_t int8x4_t;
typedef int32_t int16x2_t;

static inline int32_t half_of(int16x2_t pair, int which) {
    return (int16_t)(uint16_t)((uint32_t)pair >> (16 * which));
}

/* Bytes 0 and 2, each widened to 16 bits with its sign. */
static inline int16x2_t __sxtb16(int8x4_t bytes) {
    const int32_t low = (int8_t)((uint32_t)bytes & 0xffU);
    const int32_t high = (int8_t)((uint32_t)bytes >> 16 & 0xffU);
    return (int16x2_t)(((uint32_t)low & 0xffffU) | (uint32_t)high << 16);
}

static inline int32_t __smlad(int16x2_t a, int16x2_t b, int32_t sum) {
    return sum + half_of(a, 0) * half_of(b, 0) + half_of(a, 1) * half_of(b, 1);
}

#endif
