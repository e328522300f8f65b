#include "asc_logmel.h"

#if !ASC_FRONTEND_FIXED

#include <string.h>

#include "asc_fft_order.h"
#include "asc_frontend_tables.h"

#ifdef __FAST_MATH__
#error "asc_logmel_float.c rounds by adding and subtracting: compile it without -ffast-math"
#endif

#define LOWEST_BAND 1e-10f

typedef struct {
    float real;
    float imaginary;
} complex_t;

/* A complex number turned back by the angle of the cosine. */
static complex_t turned(const float *number, float cosine, float sine) {
    complex_t result;
    result.real = number[0] * cosine + number[1] * sine;
    result.imaginary = number[1] * cosine - number[0] * sine;
    return result;
}

/* Windowed samples, two to a complex number, in bit-reversed order. */
static void load(const int16_t *samples, float *parts) {
    uint32_t position = 0, sample = 0;
    for (; sample < ASC_HOP_SAMPLES; sample += 2) {
        float *number = parts + 2 * position;
        number[0] = (float)samples[sample] * asc_window[sample];
        number[1] = (float)samples[sample + 1] * asc_window[sample + 1];
        position = asc_next_reversed(position);
    }
    for (; sample < ASC_WINDOW_SAMPLES; sample += 2) {
        float *number = parts + 2 * position;
        number[0] = (float)samples[sample] * asc_window[ASC_WINDOW_SAMPLES - sample];
        number[1] = (float)samples[sample + 1] * asc_window[ASC_WINDOW_SAMPLES - sample - 1];
        position = asc_next_reversed(position);
    }
    while (position != 0) {
        parts[2 * position] = 0.0f;
        parts[2 * position + 1] = 0.0f;
        position = asc_next_reversed(position);
    }
}

/* Joins transforms of one point into transforms of two. */
static void first_pass_of_two(float *parts) {
    for (float *number = parts; number < parts + ASC_FFT_SIZE; number += 4) {
        const float real = number[2], imaginary = number[3];
        number[2] = number[0] - real;
        number[3] = number[1] - imaginary;
        number[0] += real;
        number[1] += imaginary;
    }
}

/* One butterfly of four numbers; `second` to `fourth` are turned already. */
static void join_four(float *parts, uint32_t stride, complex_t second, complex_t third,
                      complex_t fourth) {
    float *out0 = parts, *out1 = parts + stride, *out2 = out1 + stride, *out3 = out2 + stride;
    const float even_real = out0[0] + third.real, even_imaginary = out0[1] + third.imaginary;
    const float odd_real = out0[0] - third.real, odd_imaginary = out0[1] - third.imaginary;
    const float sum_real = second.real + fourth.real;
    const float sum_imaginary = second.imaginary + fourth.imaginary;
    const float difference_real = second.real - fourth.real;
    const float difference_imaginary = second.imaginary - fourth.imaginary;
    out0[0] = even_real + sum_real;
    out0[1] = even_imaginary + sum_imaginary;
    out1[0] = odd_real + difference_imaginary;
    out1[1] = odd_imaginary - difference_real;
    out2[0] = even_real - sum_real;
    out2[1] = even_imaginary - sum_imaginary;
    out3[0] = odd_real - difference_imaginary;
    out3[1] = odd_imaginary + difference_real;
}

/* Joins four transforms of one point into one of four: nothing to turn. */
static void first_pass_of_four(float *parts) {
    for (float *group = parts; group < parts + ASC_FFT_SIZE; group += 8) {
        /* Bit-reversed order has the odd ones of four in the third place. */
        const complex_t third = {group[2], group[3]};
        const complex_t second = {group[4], group[5]};
        const complex_t fourth = {group[6], group[7]};
        join_four(group, 2, second, third, fourth);
    }
}

/* Joins four transforms of `points` points into one of 4 * points. */
static void pass_of_four(float *parts, uint32_t points) {
    const uint32_t stride = 2 * points, turn = ASC_FFT_SIZE / (4 * points);
    for (uint32_t point = 0; point < points; point++) {
        const uint32_t at1 = point * turn, at2 = 2 * at1, at3 = 3 * at1;
        const float cosine1 = asc_cosine[at1], sine1 = asc_cosine[asc_sine_index(at1)];
        const float cosine2 = asc_cosine[at2], sine2 = asc_cosine[asc_sine_index(at2)];
        const float cosine3 = asc_cosine[at3];
        const float sine3 = asc_cosine[asc_sine_index(at3)];
        for (float *group = parts + 2 * point; group < parts + ASC_FFT_SIZE; group += 4 * stride) {
            const complex_t third = turned(group + stride, cosine2, sine2);
            const complex_t second = turned(group + 2 * stride, cosine1, sine1);
            const complex_t fourth = turned(group + 3 * stride, cosine3, sine3);
            join_four(group, stride, second, third, fourth);
        }
    }
}

static void transform(float *parts) {
    uint32_t points;
    if (ASC_FFT_IS_POWER_OF_FOUR) {
        first_pass_of_four(parts);
        points = 4;
    } else {
        first_pass_of_two(parts);
        points = 2;
    }
    for (; points < ASC_FFT_POINTS; points *= 4) {
        pass_of_four(parts, points);
    }
}

/* C99 has no root without libm. Newton's steps from a guess that the bits of a float give (good to
 * 3.5 %) come to within 1.2e-7 of it, in about as many cycles as VSQRT takes on a Cortex-M4. */
static float square_root(float value) {
    uint32_t bits;
    float inverse;
    memcpy(&bits, &value, sizeof bits);
    bits = UINT32_C(0x5f375a86) - (bits >> 1);
    memcpy(&inverse, &bits, sizeof inverse);
    const float half = 0.5f * value;
    inverse = inverse * (1.5f - half * inverse * inverse);
    inverse = inverse * (1.5f - half * inverse * inverse);
    const float root = value * inverse;
    return root + 0.5f * inverse * (value - root * root);
}

/* The spectrum of real samples from that of complex ones, as magnitudes in place of real parts.
 * Neither the first nor the last bin has a weight in any band. */
static void magnitudes(float *parts) {
    for (uint32_t bin = 1; bin < ASC_FFT_POINTS / 2; bin++) {
        float *low = parts + 2 * bin, *high = parts + 2 * (ASC_FFT_POINTS - bin);
        const float cosine = asc_cosine[bin], sine = asc_cosine[asc_sine_index(bin)];
        const float even_real = low[0] + high[0], even_imaginary = low[1] - high[1];
        const float odd_real = low[1] + high[1], odd_imaginary = high[0] - low[0];
        const float turned_real = odd_real * cosine + odd_imaginary * sine;
        const float turned_imaginary = odd_imaginary * cosine - odd_real * sine;
        const float low_real = even_real + turned_real;
        const float low_imaginary = even_imaginary + turned_imaginary;
        const float high_real = even_real - turned_real;
        const float high_imaginary = even_imaginary - turned_imaginary;
        low[0] = square_root(low_real * low_real + low_imaginary * low_imaginary);
        high[0] = square_root(high_real * high_real + high_imaginary * high_imaginary);
    }
    float *middle = parts + ASC_FFT_POINTS;
    middle[0] = 2.0f * square_root(middle[0] * middle[0] + middle[1] * middle[1]);
}

/* 10 log10(value) of a positive, normal number, to 1e-8 dB before rounding: with
 * value = 2^e (1 + s) / (1 - s) and |s| < 0.172, ln is e ln 2 + 2 (s + s^3 / 3 + ... s^9 / 9). */
static float decibels(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int32_t exponent = (int32_t)(bits >> 23) - 127;
    bits = (bits & UINT32_C(0x007fffff)) | UINT32_C(0x3f800000);
    memcpy(&value, &bits, sizeof value);
    if (value > 1.41421354f) {
        value *= 0.5f;
        exponent++;
    }
    const float s = (value - 1.0f) / (value + 1.0f), square = s * s;
    float series = 1.0f / 9.0f;
    series = series * square + 1.0f / 7.0f;
    series = series * square + 1.0f / 5.0f;
    series = series * square + 1.0f / 3.0f;
    series = series * square * s + s;
    return (float)exponent * 3.01029996f + series * 8.68588964f;
}

/* Two sums side by side, so that none waits for the other. */
static float weighted_sum(const float *parts, const asc_band_t *band) {
    const float *magnitude = parts + 2 * (uint32_t)band->first_bin;
    const float *weight = asc_mel_weights + band->first_weight;
    const float *const end = weight + band->num_bins;
    float sum = 0.0f, other_sum = 0.0f;
    for (; end - weight >= 4; weight += 4, magnitude += 8) {
        sum += magnitude[0] * weight[0];
        other_sum += magnitude[2] * weight[1];
        sum += magnitude[4] * weight[2];
        other_sum += magnitude[6] * weight[3];
    }
    for (; weight < end; weight++, magnitude += 2) {
        sum += *magnitude * *weight;
    }
    return sum + other_sum;
}

void asc_logmel_frame(const int16_t *samples, asc_spectrum_t *spectrum, asc_level_t *levels) {
    load(samples, spectrum->parts);
    transform(spectrum->parts);
    magnitudes(spectrum->parts);
    for (uint32_t band = 0; band < ASC_NUM_MELS; band++) {
        const float sum = weighted_sum(spectrum->parts, &asc_bands[band]);
        levels[band] = decibels(sum > LOWEST_BAND ? sum : LOWEST_BAND);
    }
}

asc_level_t asc_logmel_floor(asc_level_t highest) {
    return highest - ASC_TOP_DB;
}

int8_t asc_logmel_quantize(asc_level_t level, asc_level_t floor, uint32_t band) {
    /* 1.5 * 2^23: what is added to it is rounded to a whole number, half to even. */
    const float whole = 12582912.0f;
    float value = level > floor ? level : floor;
    value = value * asc_standardize_slope[band];
    value = value + asc_standardize_offset[band];
    value = value > ASC_STANDARDIZED_LOW ? value : ASC_STANDARDIZED_LOW;
    value = value < ASC_STANDARDIZED_HIGH ? value : ASC_STANDARDIZED_HIGH;
    value = value / ASC_FEATURES_SCALE;
    value = (value + whole) - whole;
    value = value + (float)ASC_FEATURES_ZERO_POINT;
    value = value > -128.0f ? value : -128.0f;
    value = value < 127.0f ? value : 127.0f;
    return (int8_t)value;
}

#endif
