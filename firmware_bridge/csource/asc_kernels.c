#include "asc_kernels.h"

#include <string.h>

#if defined(ASC_KERNELS_DSP)
#include <arm_acle.h>
#if !defined(__ARM_FEATURE_DSP)
#error "ASC_KERNELS_DSP needs a core with DSP instructions, such as Cortex-M4, -M7, -M33 or -M55"
#endif
#endif

/* Negative numbers are shifted to the right below, which C leaves to the compiler. */
ASC_CHECK(right_shift_keeps_the_sign, (-3 >> 1) == -2 && ((int64_t)-3 >> 1) == -2);
ASC_CHECK(int_has_32_bits, sizeof(int) == 4);

static inline int8_t clamped(int32_t value, int32_t lowest, int32_t highest) {
    if (value < lowest) {
        return (int8_t)lowest;
    }
    return (int8_t)(value > highest ? highest : value);
}

/* value * multiplier / 2^31 * 2^shift: rounded half up, then half away from zero.
 * multiplier is not negative, so the product of two most negative numbers cannot occur.
 */
static inline int32_t scaled_twice(int32_t value, int32_t multiplier, int32_t shift) {
    int64_t product = (int64_t)value * multiplier;
    int32_t high;
    int32_t mask;
    if (shift > 0) {
        product *= (int64_t)1 << shift;
        shift = 0;
    }
    high = (int32_t)((product + (1 << 30)) >> 31);
    mask = (int32_t)((1U << -shift) - 1U);
    return (high >> -shift) + ((high & mask) > (mask >> 1) + (high < 0));
}

static inline int32_t scaled_by_line(const asc_line_t *line, int32_t sum) {
    int32_t within = sum > line->limit ? line->limit : sum;
    within = within < -line->limit ? -line->limit : within;
    return (int32_t)((within * line->slope + (within < 0 ? line->below : line->above)) >>
                     line->shift);
}

static int8_t finished(const asc_scaling_t *scaling, int32_t channel, int32_t sum) {
    const int32_t at = scaling->per_channel != 0 ? channel : 0;
    int32_t value;
    if (scaling->lines != NULL) {
        value = scaled_by_line(&scaling->lines[at], sum);
    } else {
        value = scaled_twice(sum, scaling->multipliers[at], scaling->shifts[at]);
    }
    return clamped(value + scaling->zero, scaling->lowest, scaling->highest);
}

#if defined(ASC_KERNELS_DSP)

/* Four bytes as two pairs of 16 bits: (0, 2) and (1, 3). The order does not matter to a sum of
 * products, as long as both factors have it.
 */
typedef struct {
    int16x2_t even;
    int16x2_t odd;
} asc_four_t;

static inline asc_four_t four(const int8_t *from) {
    uint32_t word;
    asc_four_t result;
    memcpy(&word, from, sizeof word); /* they need not be aligned */
    result.even = __sxtb16((int8x4_t)word);
    result.odd = __sxtb16((int8x4_t)((word >> 8) | (word << 24)));
    return result;
}

static inline int32_t with_products(asc_four_t a, asc_four_t b, int32_t sum) {
    return __smlad(a.odd, b.odd, __smlad(a.even, b.even, sum));
}

#endif

/* Two input rows by two channels: every byte that is loaded takes part in two products. */
typedef struct {
    int32_t s00;
    int32_t s01;
    int32_t s10;
    int32_t s11;
} asc_sums_t;

static inline void add_products(asc_sums_t *sums, int32_t a0, int32_t a1, int32_t b0, int32_t b1) {
    sums->s00 += a0 * b0;
    sums->s01 += a0 * b1;
    sums->s10 += a1 * b0;
    sums->s11 += a1 * b1;
}

static inline asc_sums_t sums_of_two_by_two(int32_t depth, const int8_t *x0, const int8_t *x1,
                                            const int8_t *w0, const int8_t *w1) {
    asc_sums_t sums = {0, 0, 0, 0};
    const int8_t *const end = x0 + depth;
    const int8_t *const last_four = x0 + depth / 4 * 4;
    while (x0 < last_four) {
#if defined(ASC_KERNELS_DSP)
        const asc_four_t a0 = four(x0);
        const asc_four_t a1 = four(x1);
        const asc_four_t b0 = four(w0);
        const asc_four_t b1 = four(w1);
        sums.s00 = with_products(a0, b0, sums.s00);
        sums.s01 = with_products(a0, b1, sums.s01);
        sums.s10 = with_products(a1, b0, sums.s10);
        sums.s11 = with_products(a1, b1, sums.s11);
#else
        add_products(&sums, x0[0], x1[0], w0[0], w1[0]);
        add_products(&sums, x0[1], x1[1], w0[1], w1[1]);
        add_products(&sums, x0[2], x1[2], w0[2], w1[2]);
        add_products(&sums, x0[3], x1[3], w0[3], w1[3]);
#endif
        x0 += 4;
        x1 += 4;
        w0 += 4;
        w1 += 4;
    }
    while (x0 < end) {
        add_products(&sums, *x0++, *x1++, *w0++, *w1++);
    }
    return sums;
}

static inline int32_t sum_of_products(int32_t depth, const int8_t *x, const int8_t *w) {
    int32_t sum = 0;
    int32_t left = depth;
    for (; left >= 4; left -= 4) {
#if defined(ASC_KERNELS_DSP)
        sum = with_products(four(x), four(w), sum);
#else
        sum += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
#endif
        x += 4;
        w += 4;
    }
    for (; left > 0; --left) {
        sum += *x++ * *w++;
    }
    return sum;
}

static void one_row(const asc_dense_t *layer, const int8_t *x, int8_t *y) {
    const int8_t *w = layer->weights;
    int32_t channel;
    for (channel = 0; channel < layer->out_channels; ++channel) {
        const int32_t sum = sum_of_products(layer->depth, x, w) + layer->bias[channel];
        y[channel] = finished(&layer->scaling, channel, sum);
        w += layer->depth;
    }
}

static void two_rows(const asc_dense_t *layer, const int8_t *x0, const int8_t *x1, int8_t *y0,
                     int8_t *y1) {
    const asc_scaling_t *scaling = &layer->scaling;
    const int32_t *bias = layer->bias;
    const int8_t *w = layer->weights;
    int32_t channel = 0;
    for (; channel + 2 <= layer->out_channels; channel += 2) {
        const asc_sums_t sums = sums_of_two_by_two(layer->depth, x0, x1, w, w + layer->depth);
        y0[channel] = finished(scaling, channel, sums.s00 + bias[channel]);
        y0[channel + 1] = finished(scaling, channel + 1, sums.s01 + bias[channel + 1]);
        y1[channel] = finished(scaling, channel, sums.s10 + bias[channel]);
        y1[channel + 1] = finished(scaling, channel + 1, sums.s11 + bias[channel + 1]);
        w += 2 * layer->depth;
    }
    if (channel < layer->out_channels) {
        const int32_t sum0 = sum_of_products(layer->depth, x0, w) + bias[channel];
        const int32_t sum1 = sum_of_products(layer->depth, x1, w) + bias[channel];
        y0[channel] = finished(scaling, channel, sum0);
        y1[channel] = finished(scaling, channel, sum1);
    }
}

void asc_dense(const asc_dense_t *layer, const int8_t *input, int8_t *output) {
    int32_t row = 0;
    for (; row + 2 <= layer->rows; row += 2) {
        two_rows(layer, input, input + layer->depth, output, output + layer->out_channels);
        input += 2 * layer->depth;
        output += 2 * layer->out_channels;
    }
    if (row < layer->rows) {
        one_row(layer, input, output);
    }
}

static inline int32_t larger(int32_t a, int32_t b) {
    return a > b ? a : b;
}

static inline int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

/* Small C libraries copy byte by byte; four at a time is what every core can. */
static inline int8_t *copied(const int8_t *from, int32_t count, int8_t *to) {
    for (; count >= 4; count -= 4) {
        memcpy(to, from, 4);
        from += 4;
        to += 4;
    }
    for (; count > 0; --count) {
        *to++ = *from++;
    }
    return to;
}

static inline int8_t *filled(int8_t value, int32_t count, int8_t *to) {
    for (; count > 0; --count) {
        *to++ = value;
    }
    return to;
}

/* What the window covers at one place, as (window_height, window_width, channels). */
static void gather(const asc_window_t *window, const int8_t *input, int32_t out_y, int32_t out_x,
                   int8_t *patch) {
    const int32_t top = out_y * window->stride_height - window->pad_top;
    const int32_t first = out_x * window->stride_width - window->pad_left;
    const int32_t begin = larger(first, 0);
    const int32_t end = smaller(first + window->window_width, window->in_width);
    const int32_t row_bytes = window->window_width * window->channels;
    const int32_t before = (begin - first) * window->channels;
    const int32_t inside = end > begin ? (end - begin) * window->channels : 0;
    int32_t y;
    for (y = top; y < top + window->window_height; ++y) {
        if (y < 0 || y >= window->in_height || inside == 0) {
            patch = filled(window->outside, row_bytes, patch);
        } else {
            const int8_t *row = input + (y * window->in_width + begin) * window->channels;
            patch = filled(window->outside, before, patch);
            patch = copied(row, inside, patch);
            patch = filled(window->outside, row_bytes - before - inside, patch);
        }
    }
}

void asc_convolution(const asc_window_t *window, const asc_dense_t *layer, const int8_t *input,
                     int8_t *scratch, int8_t *output) {
    const int32_t pixels = window->out_height * window->out_width;
    int32_t waiting = 0;
    int32_t y;
    int32_t x;
    for (y = 0; y < window->out_height; ++y) {
        for (x = 0; x < window->out_width; ++x) {
            gather(window, input, y, x, scratch + waiting * layer->depth);
            ++waiting;
            if (waiting == 2) {
                two_rows(layer, scratch, scratch + layer->depth, output,
                         output + layer->out_channels);
                output += 2 * layer->out_channels;
                waiting = 0;
            }
        }
    }
    if (pixels % 2 != 0) {
        one_row(layer, scratch, output);
    }
}

/* Channels from `channel` on at one place, four of them: each address serves all four. */
static inline void four_filters(const asc_dense_t *layer, int32_t channel, int32_t channels,
                                const int8_t *patch, int8_t *output) {
    const int8_t *value = patch + channel;
    const int8_t *weight = layer->weights + channel;
    const int32_t *bias = layer->bias + channel;
    int32_t s0 = bias[0];
    int32_t s1 = bias[1];
    int32_t s2 = bias[2];
    int32_t s3 = bias[3];
    int32_t tap;
    for (tap = 0; tap < layer->depth; ++tap) {
        s0 += value[0] * weight[0];
        s1 += value[1] * weight[1];
        s2 += value[2] * weight[2];
        s3 += value[3] * weight[3];
        value += channels;
        weight += channels;
    }
    output[channel] = finished(&layer->scaling, channel, s0);
    output[channel + 1] = finished(&layer->scaling, channel + 1, s1);
    output[channel + 2] = finished(&layer->scaling, channel + 2, s2);
    output[channel + 3] = finished(&layer->scaling, channel + 3, s3);
}

static inline void one_filter(const asc_dense_t *layer, int32_t channel, int32_t channels,
                              const int8_t *patch, int8_t *output) {
    int32_t sum = layer->bias[channel];
    int32_t tap;
    for (tap = 0; tap < layer->depth; ++tap) {
        const int32_t at = tap * channels + channel;
        sum += patch[at] * layer->weights[at];
    }
    output[channel] = finished(&layer->scaling, channel, sum);
}

void asc_depthwise(const asc_window_t *window, const asc_dense_t *layer, const int8_t *input,
                   int8_t *scratch, int8_t *output) {
    const int32_t channels = window->channels;
    int32_t y;
    int32_t x;
    int32_t channel;
    for (y = 0; y < window->out_height; ++y) {
        for (x = 0; x < window->out_width; ++x) {
            gather(window, input, y, x, scratch);
            for (channel = 0; channel + 4 <= channels; channel += 4) {
                four_filters(layer, channel, channels, scratch, output);
            }
            for (; channel < channels; ++channel) {
                one_filter(layer, channel, channels, scratch, output);
            }
            output += channels;
        }
    }
}

/* The part of a window that lies in the image, and where its first value is. */
typedef struct {
    int32_t height;
    int32_t width;
    int32_t first;
} asc_covered_t;

static asc_covered_t covered(const asc_window_t *window, int32_t out_y, int32_t out_x) {
    const int32_t top = out_y * window->stride_height - window->pad_top;
    const int32_t left = out_x * window->stride_width - window->pad_left;
    const int32_t y = larger(top, 0);
    const int32_t x = larger(left, 0);
    asc_covered_t result;
    result.height = smaller(top + window->window_height, window->in_height) - y;
    result.width = smaller(left + window->window_width, window->in_width) - x;
    result.first = (y * window->in_width + x) * window->channels;
    return result;
}

void asc_average_pool(const asc_window_t *window, int32_t lowest, int32_t highest,
                      const int8_t *input, int8_t *output) {
    const int32_t line = window->in_width * window->channels;
    int32_t at;
    int32_t channel;
    int32_t y;
    int32_t x;
    for (at = 0; at < window->out_height * window->out_width; ++at) {
        const asc_covered_t area = covered(window, at / window->out_width, at % window->out_width);
        const int32_t count = area.height * area.width;
        for (channel = 0; channel < window->channels; ++channel) {
            const int8_t *value = input + area.first + channel;
            int32_t sum = 0;
            for (y = 0; y < area.height; ++y) {
                for (x = 0; x < area.width; ++x) {
                    sum += value[x * window->channels];
                }
                value += line;
            }
            sum = sum > 0 ? sum + count / 2 : sum - count / 2;
            *output++ = clamped(sum / count, lowest, highest);
        }
    }
}

void asc_max_pool(const asc_window_t *window, int32_t lowest, int32_t highest, const int8_t *input,
                  int8_t *output) {
    const int32_t line = window->in_width * window->channels;
    int32_t at;
    int32_t channel;
    int32_t y;
    int32_t x;
    for (at = 0; at < window->out_height * window->out_width; ++at) {
        const asc_covered_t area = covered(window, at / window->out_width, at % window->out_width);
        for (channel = 0; channel < window->channels; ++channel) {
            const int8_t *value = input + area.first + channel;
            int32_t highest_seen = -128;
            for (y = 0; y < area.height; ++y) {
                for (x = 0; x < area.width; ++x) {
                    highest_seen = larger(highest_seen, value[x * window->channels]);
                }
                value += line;
            }
            *output++ = clamped(highest_seen, lowest, highest);
        }
    }
}

/* How many of the `count` sums are not above `sum`. */
static int32_t reached(const int32_t *rises, int32_t count, int32_t sum) {
    int32_t first = 0;
    while (count > 0) {
        const int32_t half = count / 2;
        if (rises[first + half] <= sum) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

void asc_mean(const int32_t *rises, int32_t count, int32_t lowest, int32_t outer, int32_t reduced,
              int32_t inner, const int8_t *input, int8_t *output) {
    int32_t block;
    int32_t at;
    int32_t part;
    for (block = 0; block < outer; ++block) {
        for (at = 0; at < inner; ++at) {
            const int8_t *value = input + at;
            int32_t sum = 0;
            for (part = 0; part < reduced; ++part) {
                sum += *value;
                value += inner;
            }
            *output++ = (int8_t)(lowest + reached(rises, count, sum));
        }
        input += reduced * inner;
    }
}

/* One input of a pair, repeated as often as it takes. */
static inline int32_t next(int32_t at, int32_t period) {
    return at + 1 == period ? 0 : at + 1;
}

#define ASC_FINER 20 /* bits by which the common scale of a sum is finer */

static inline int32_t finer(int32_t value, int32_t multiplier, int32_t shift) {
    return scaled_twice(value * (1 << ASC_FINER), multiplier, shift);
}

static inline void sum_or_difference(const asc_pair_t *pair, int32_t sign, const int8_t *a,
                                     const int8_t *b, int8_t *output) {
    int32_t at_a = 0;
    int32_t at_b = 0;
    int32_t i;
    for (i = 0; i < pair->count; ++i) {
        const int32_t left = finer(a[at_a] - pair->zero_a, pair->multiplier_a, pair->shift_a);
        const int32_t right = finer(b[at_b] - pair->zero_b, pair->multiplier_b, pair->shift_b);
        const int32_t sum = scaled_twice(left + sign * right, pair->multiplier, pair->shift);
        output[i] = clamped(sum + pair->zero, pair->lowest, pair->highest);
        at_a = next(at_a, pair->period_a);
        at_b = next(at_b, pair->period_b);
    }
}

void asc_add(const asc_pair_t *pair, const int8_t *a, const int8_t *b, int8_t *output) {
    sum_or_difference(pair, 1, a, b, output);
}

void asc_subtract(const asc_pair_t *pair, const int8_t *a, const int8_t *b, int8_t *output) {
    sum_or_difference(pair, -1, a, b, output);
}

void asc_multiply(const asc_pair_t *pair, const int8_t *a, const int8_t *b, int8_t *output) {
    int32_t at_a = 0;
    int32_t at_b = 0;
    int32_t i;
    for (i = 0; i < pair->count; ++i) {
        const int32_t product = (a[at_a] - pair->zero_a) * (b[at_b] - pair->zero_b);
        const int32_t value = scaled_twice(product, pair->multiplier, pair->shift);
        output[i] = clamped(value + pair->zero, pair->lowest, pair->highest);
        at_a = next(at_a, pair->period_a);
        at_b = next(at_b, pair->period_b);
    }
}

void asc_look_up(const int8_t *table, int32_t count, const int8_t *input, int8_t *output) {
    int32_t i;
    for (i = 0; i < count; ++i) {
        output[i] = table[128 + input[i]];
    }
}

void asc_copy_rows(int32_t rows, int32_t row_bytes, int32_t in_stride, int32_t out_stride,
                   const int8_t *input, int8_t *output) {
    int32_t row;
    for (row = 0; row < rows; ++row) {
        memcpy(output, input, (size_t)row_bytes);
        input += in_stride;
        output += out_stride;
    }
}

void asc_fill(int32_t count, int8_t value, int8_t *output) {
    memset(output, value, (size_t)count);
}
