#include "asc_logmel.h"

#if ASC_FRONTEND_FIXED

#include "asc_fft_order.h"
#include "asc_frontend_tables.h"

/* What is shifted right below keeps its sign, as with every compiler for these processors. */
typedef char asc_shifts_keep_the_sign[(-1 >> 1) == -1 ? 1 : -1];

/* A pass may make numbers of 29 bits, without their sign, into ones of 31. */
#define BITS_BEFORE_PASS 29
/* A product of a sample and the window has 46 bits; so few are kept that 29 are left of a loud one.
 */
#define LOUDEST_SHIFT 17
/* A frame that holds no number of so many bits once it is windowed is windowed again, more finely.
 */
#define BITS_OF_WINDOWED 24
/* Bits of such a product for a sample of full scale. */
#define FULL_SCALE_BITS 46
#define LOWEST_LEVEL (-100 * (INT32_C(1) << 20))
/* 10 log10(2), in steps of 2^-27. */
#define DECIBELS_OF_TWO INT64_C(404035621)

typedef struct {
    int32_t real;
    int32_t imaginary;
} complex_t;

/* Zeros before the highest one of a number that is not 0. */
static uint32_t leading_zeros(uint32_t value) {
#if defined(__GNUC__)
    return (uint32_t)__builtin_clz(value);
#else
    uint32_t zeros = 0;
    for (uint32_t width = 16; width != 0; width /= 2) {
        if (value >> (32 - width) == 0) {
            zeros += width;
            value <<= width;
        }
    }
    return zeros;
#endif
}

static uint32_t leading_zeros_of_64(uint64_t value) {
    const uint32_t high = (uint32_t)(value >> 32);
    return high != 0 ? leading_zeros(high) : 32 + leading_zeros((uint32_t)value);
}

/* Bits without the sign; or-ed over many numbers, those that the largest needs. */
static uint32_t magnitude_bits(int32_t value) {
    return (uint32_t)(value ^ (value >> 31));
}

static int32_t num_bits(uint32_t bits) {
    return bits == 0 ? 0 : 32 - (int32_t)leading_zeros(bits);
}

/* value * 2^-shift, rounded; no number here is so high that the sum could overflow. */
static int32_t scaled_down(int32_t value, int32_t shift) {
    return (value + ((INT32_C(1) << shift) >> 1)) >> shift;
}

static int32_t loudest_sample(const int16_t *samples) {
    int32_t bits = 0;
    for (uint32_t sample = 0; sample < ASC_WINDOW_SAMPLES; sample++) {
        bits |= samples[sample] ^ (samples[sample] >> 15);
    }
    return num_bits((uint32_t)bits);
}

/* A product of a sample and the window, without its last `shift` bits. */
static int32_t windowed(int16_t sample, int32_t factor, int32_t shift) {
    const int64_t product = (int64_t)sample * factor;
    return (int32_t)((product + ((INT64_C(1) << shift) >> 1)) >> shift);
}

static uint32_t store(int32_t *parts, int32_t real, int32_t imaginary) {
    parts[0] = real;
    parts[1] = imaginary;
    return magnitude_bits(real) | magnitude_bits(imaginary);
}

/* Windowed samples, two to a complex number, in bit-reversed order; returns how many bits the
 * largest has. */
static int32_t load(const int16_t *samples, int32_t *parts, int32_t shift) {
    uint32_t position = 0, sample = 0, bits = 0;
    for (; sample < ASC_HOP_SAMPLES; sample += 2) {
        const int32_t real = windowed(samples[sample], asc_window[sample], shift);
        const int32_t imaginary = windowed(samples[sample + 1], asc_window[sample + 1], shift);
        bits |= store(parts + 2 * position, real, imaginary);
        position = asc_next_reversed(position);
    }
    for (; sample < ASC_WINDOW_SAMPLES; sample += 2) {
        const int32_t *factor = asc_window + (ASC_WINDOW_SAMPLES - sample - 1);
        const int32_t real = windowed(samples[sample], factor[1], shift);
        const int32_t imaginary = windowed(samples[sample + 1], factor[0], shift);
        bits |= store(parts + 2 * position, real, imaginary);
        position = asc_next_reversed(position);
    }
    while (position != 0) {
        (void)store(parts + 2 * position, 0, 0);
        position = asc_next_reversed(position);
    }
    return num_bits(bits);
}

/* Loads as finely as 29 bits allow; returns the power of two that stands for full scale. */
static int32_t load_scaled(const int16_t *samples, int32_t *parts) {
    int32_t shift = LOUDEST_SHIFT - (15 - loudest_sample(samples));
    const int32_t bits = load(samples, parts, shift);
    if (bits >= BITS_OF_WINDOWED) {
        return FULL_SCALE_BITS - shift;
    }
    /* All that is heard lies where the window is next to nothing. What was cut off the products
     * comes back first; then zeros, so that halving in the passes costs nothing. */
    const int32_t spare = BITS_BEFORE_PASS - 1 - bits;
    const int32_t zeros = spare > shift ? spare - shift : 0;
    shift = spare > shift ? 0 : shift - spare;
    (void)load(samples, parts, shift);
    for (uint32_t part = 0; part < ASC_FFT_SIZE; part++) {
        parts[part] *= INT32_C(1) << zeros;
    }
    return FULL_SCALE_BITS - shift + zeros;
}

static complex_t number_at(const int32_t *parts, int32_t shift) {
    const complex_t number = {scaled_down(parts[0], shift), scaled_down(parts[1], shift)};
    return number;
}

/* Half of a number, turned back by the angle of the cosine. */
static complex_t half_turned(complex_t number, int32_t cosine, int32_t sine) {
    const int64_t rounding = INT64_C(1) << 31;
    const int64_t real = (int64_t)number.real * cosine + (int64_t)number.imaginary * sine;
    const int64_t imaginary = (int64_t)number.imaginary * cosine - (int64_t)number.real * sine;
    complex_t result;
    result.real = (int32_t)((real + rounding) >> 32);
    result.imaginary = (int32_t)((imaginary + rounding) >> 32);
    return result;
}

/* Joins transforms of one point into transforms of two. */
static uint32_t first_pass_of_two(int32_t *parts) {
    uint32_t bits = 0;
    for (int32_t *number = parts; number < parts + ASC_FFT_SIZE; number += 4) {
        const int32_t real = number[2], imaginary = number[3];
        number[2] = number[0] - real;
        number[3] = number[1] - imaginary;
        number[0] += real;
        number[1] += imaginary;
        bits |= magnitude_bits(number[0]) | magnitude_bits(number[1]);
        bits |= magnitude_bits(number[2]) | magnitude_bits(number[3]);
    }
    return bits;
}

/* One butterfly of four numbers, `second` to `fourth` turned already. */
static uint32_t join_four(int32_t *parts, uint32_t stride, complex_t first, complex_t second,
                          complex_t third, complex_t fourth) {
    const complex_t even = {first.real + third.real, first.imaginary + third.imaginary};
    const complex_t odd = {first.real - third.real, first.imaginary - third.imaginary};
    const complex_t sum = {second.real + fourth.real, second.imaginary + fourth.imaginary};
    const complex_t difference = {second.real - fourth.real, second.imaginary - fourth.imaginary};
    uint32_t bits = store(parts, even.real + sum.real, even.imaginary + sum.imaginary);
    parts += stride;
    bits |= store(parts, odd.real + difference.imaginary, odd.imaginary - difference.real);
    parts += stride;
    bits |= store(parts, even.real - sum.real, even.imaginary - sum.imaginary);
    parts += stride;
    bits |= store(parts, odd.real - difference.imaginary, odd.imaginary + difference.real);
    return bits;
}

/* Joins four transforms of one point into one of four: nothing to turn. */
static uint32_t first_pass_of_four(int32_t *parts) {
    uint32_t bits = 0;
    for (int32_t *group = parts; group < parts + ASC_FFT_SIZE; group += 8) {
        /* Bit-reversed order has the odd ones of four in the third place. */
        bits |= join_four(group, 2, number_at(group, 0), number_at(group + 4, 0),
                          number_at(group + 2, 0), number_at(group + 6, 0));
    }
    return bits;
}

/* Joins four transforms of `points` points into one of 4 * points, halved, after scaling down. */
static uint32_t pass_of_four(int32_t *parts, uint32_t points, int32_t shift) {
    const uint32_t stride = 2 * points, turn = ASC_FFT_SIZE / (4 * points);
    uint32_t bits = 0;
    for (uint32_t point = 0; point < points; point++) {
        const uint32_t at1 = point * turn, at2 = 2 * at1, at3 = 3 * at1;
        const int32_t cosine1 = asc_cosine[at1], sine1 = asc_cosine[asc_sine_index(at1)];
        const int32_t cosine2 = asc_cosine[at2], sine2 = asc_cosine[asc_sine_index(at2)];
        const int32_t cosine3 = asc_cosine[at3], sine3 = asc_cosine[asc_sine_index(at3)];
        int32_t *const end = parts + ASC_FFT_SIZE;
        for (int32_t *group = parts + 2 * point; group < end; group += 4 * stride) {
            const complex_t first = number_at(group, shift + 1);
            const complex_t third = half_turned(number_at(group + stride, shift), cosine2, sine2);
            const complex_t second =
                half_turned(number_at(group + 2 * stride, shift), cosine1, sine1);
            const complex_t fourth =
                half_turned(number_at(group + 3 * stride, shift), cosine3, sine3);
            bits |= join_four(group, stride, first, second, third, fourth);
        }
    }
    return bits;
}

static int32_t excess_bits(uint32_t bits) {
    const int32_t excess = num_bits(bits) - BITS_BEFORE_PASS;
    return excess > 0 ? excess : 0;
}

/* The FFT in place; returns by how many powers of two its result is scaled down in all. `excess`
 * takes by how many it must still be before sums of two numbers. */
static int32_t transform(int32_t *parts, int32_t *excess) {
    uint32_t points, bits;
    int32_t total = 0;
    if (ASC_FFT_IS_POWER_OF_FOUR) {
        bits = first_pass_of_four(parts);
        points = 4;
    } else {
        bits = first_pass_of_two(parts);
        points = 2;
    }
    for (; points < ASC_FFT_POINTS; points *= 4) {
        const int32_t shift = excess_bits(bits);
        bits = pass_of_four(parts, points, shift);
        total += shift + 1;
    }
    *excess = excess_bits(bits);
    return total + *excess;
}

/* The root of the sum of two squares, to 2e-6 of it or to half a step. */
static int32_t magnitude(int32_t real, int32_t imaginary) {
    const uint64_t power =
        (uint64_t)((int64_t)real * real) + (uint64_t)((int64_t)imaginary * imaginary);
    if (power == 0) {
        return 0;
    }
    const uint32_t zeros = leading_zeros_of_64(power) & ~UINT32_C(1);
    const uint32_t top = (uint32_t)((power << zeros) >> 32);
    const uint32_t *entry = asc_root + ((top >> 23) - 128);
    const uint32_t fraction = (top >> 7) & 0xffff;
    const uint32_t root = entry[0] + (((entry[1] - entry[0]) * fraction + 0x8000) >> 16);
    /* `root` is 2^8 times that of `top`, and that 2^(zeros / 2 - 16) times that of `power`. */
    const int32_t shift = (int32_t)(zeros / 2) - 8;
    return (int32_t)(shift <= 0 ? root << -shift : (root + ((UINT32_C(1) << shift) >> 1)) >> shift);
}

/* even + odd turned back by the angle of the cosine, halved */
static int32_t joined(int32_t even, int64_t odd) {
    return (int32_t)(((int64_t)even * (INT64_C(1) << 31) + odd + (INT64_C(1) << 31)) >> 32);
}

/* The spectrum of real samples from that of complex ones, as magnitudes in place of real parts.
 * Neither the first nor the last bin has a weight in any band. */
static void magnitudes(int32_t *parts, int32_t shift) {
    for (uint32_t bin = 1; bin < ASC_FFT_POINTS / 2; bin++) {
        int32_t *at_low = parts + 2 * bin, *at_high = parts + 2 * (ASC_FFT_POINTS - bin);
        const complex_t low = number_at(at_low, shift), high = number_at(at_high, shift);
        const int32_t cosine = asc_cosine[bin], sine = asc_cosine[asc_sine_index(bin)];
        const complex_t even = {low.real + high.real, low.imaginary - high.imaginary};
        const complex_t odd = {low.imaginary + high.imaginary, high.real - low.real};
        const int64_t real = (int64_t)odd.real * cosine + (int64_t)odd.imaginary * sine;
        const int64_t imaginary = (int64_t)odd.imaginary * cosine - (int64_t)odd.real * sine;
        *at_low = magnitude(joined(even.real, real), joined(even.imaginary, imaginary));
        *at_high = magnitude(joined(even.real, -real), joined(even.imaginary, -imaginary));
    }
    int32_t *at_middle = parts + ASC_FFT_POINTS;
    const complex_t middle = number_at(at_middle, shift);
    *at_middle = magnitude(middle.real, middle.imaginary);
}

/* 10 log10(sum) in steps of 2^-20 dB, to 1e-5 dB, of a sum that is not 0 */
static int32_t decibels(uint64_t sum) {
    const uint32_t zeros = leading_zeros_of_64(sum);
    const uint32_t top = (uint32_t)((sum << zeros) >> 32);
    const int32_t *entry = asc_decibels + ((top >> 23) & 0xff);
    const uint32_t step = (uint32_t)(entry[1] - entry[0]), fraction = (top >> 7) & 0xffff;
    return entry[0] + (int32_t)((step * fraction + 0x8000) >> 16);
}

static int32_t decibels_of_power(int32_t exponent) {
    return (int32_t)((exponent * DECIBELS_OF_TWO + 64) >> 7);
}

static uint64_t weighted_sum(const int32_t *parts, const asc_band_t *band) {
    const int32_t *at = parts + 2 * (uint32_t)band->first_bin;
    const uint32_t *weight = asc_mel_weights + band->first_weight;
    const uint32_t *end = weight + band->num_bins;
    uint64_t sum = 0;
    for (; weight < end; weight++, at += 2) {
        sum += (uint64_t)(uint32_t)*at * *weight;
    }
    return sum;
}

void asc_logmel_frame(const int16_t *samples, asc_spectrum_t *spectrum, asc_level_t *levels) {
    int32_t excess;
    int32_t exponent = load_scaled(samples, spectrum->parts);
    exponent -= transform(spectrum->parts, &excess);
    magnitudes(spectrum->parts, excess);
    for (uint32_t band = 0; band < ASC_NUM_MELS; band++) {
        const uint64_t sum = weighted_sum(spectrum->parts, &asc_bands[band]);
        levels[band] = LOWEST_LEVEL;
        if (sum != 0) {
            const int32_t power = 63 - (int32_t)leading_zeros_of_64(sum) - exponent;
            const int32_t level = decibels(sum) + decibels_of_power(power) + asc_band_offset[band];
            levels[band] = level > LOWEST_LEVEL ? level : LOWEST_LEVEL;
        }
    }
}

asc_level_t asc_logmel_floor(asc_level_t highest) {
    return highest - ASC_TOP_DB_FIXED;
}

/* value * 2^-ASC_QUANTIZE_SHIFT, rounded half to even */
static int64_t rounded(int64_t value) {
    const int64_t half = INT64_C(1) << (ASC_QUANTIZE_SHIFT - 1);
    const int64_t whole = (value + half) >> ASC_QUANTIZE_SHIFT;
    const int is_tie = (value & (2 * half - 1)) == half;
    return is_tie && (whole & 1) != 0 ? whole - 1 : whole;
}

int8_t asc_logmel_quantize(asc_level_t level, asc_level_t floor, uint32_t band) {
    const int64_t above_floor = level > floor ? level : floor;
    const int64_t number =
        rounded(above_floor * asc_quantize_slope[band] + asc_quantize_offset[band]);
    if (number < ASC_FEATURES_LOWEST) {
        return ASC_FEATURES_LOWEST;
    }
    return (int8_t)(number > ASC_FEATURES_HIGHEST ? ASC_FEATURES_HIGHEST : number);
}

#endif
