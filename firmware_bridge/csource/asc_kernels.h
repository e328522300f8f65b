/* Integer kernels of int8 networks. No memory of their own, no floating point, no libm.
 *
 * Tensors lie row by row, channels last (height, width, channels). An int8 value q stands for
 * (q - zero) * scale. With ASC_KERNELS_DSP defined, sums use the DSP instructions of Armv7E-M and
 * Armv8-M (arm_acle.h); every result is the same.
 */
#ifndef ASC_KERNELS_H
#define ASC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fails to compile where `condition` is false, at file scope. */
#define ASC_CHECK(name, condition) typedef char asc_check_##name[(condition) ? 1 : -1]

/* A sum is scaled by (sum * slope + offset) >> shift, which equals what the network was checked
 * against for every sum: `below` is the offset of negative sums, `above` that of the others.
 */
typedef struct {
    int64_t slope;
    int64_t below;
    int64_t above;
    int32_t limit; /* sums beyond +-limit give the outermost value anyway */
    int32_t shift;
} asc_line_t;

/* Sums to int8: by a 31-bit multiplier, rounded twice, or by lines where there are some. */
typedef struct {
    const int32_t *multipliers;
    const int8_t *shifts;    /* > 0: to the left, before multiplying */
    const asc_line_t *lines; /* NULL: use multipliers */
    int32_t per_channel;     /* 1: one for each channel, 0: one for all */
    int32_t zero;
    int32_t lowest;
    int32_t highest;
} asc_scaling_t;

/* Weights lie as (out_channels, depth); the input's zero is part of the bias. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    int32_t rows; /* fully connected layers and 1x1 convolutions: input rows of `depth` bytes */
    int32_t depth;
    int32_t out_channels;
    asc_scaling_t scaling;
} asc_dense_t;

/* A window that moves over an image; what lies outside the image has the value `outside`. */
typedef struct {
    int32_t in_height;
    int32_t in_width;
    int32_t channels;
    int32_t out_height;
    int32_t out_width;
    int32_t window_height;
    int32_t window_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t pad_top;
    int32_t pad_left;
    int8_t outside;
} asc_window_t;

/* Sum and difference: both inputs on a common, finer scale, rounded twice. */
typedef struct {
    int32_t count;
    int32_t period_a; /* the input is repeated after so many values */
    int32_t period_b;
    int32_t zero_a;
    int32_t multiplier_a;
    int32_t shift_a;
    int32_t zero_b;
    int32_t multiplier_b;
    int32_t shift_b;
    int32_t multiplier;
    int32_t shift;
    int32_t zero;
    int32_t lowest;
    int32_t highest;
} asc_pair_t;

/* Bytes of `scratch` that a convolution of these sizes needs. */
#define ASC_CONVOLUTION_SCRATCH(height, width, channels) (2 * (height) * (width) * (channels))
#define ASC_DEPTHWISE_SCRATCH(height, width, channels) ((height) * (width) * (channels))

void asc_dense(const asc_dense_t *layer, const int8_t *input, int8_t *output);
void asc_convolution(const asc_window_t *window, const asc_dense_t *layer, const int8_t *input,
                     int8_t *scratch, int8_t *output);
/* One filter for each channel; weights lie as (window_height, window_width, channels). */
void asc_depthwise(const asc_window_t *window, const asc_dense_t *layer, const int8_t *input,
                   int8_t *scratch, int8_t *output);
void asc_average_pool(const asc_window_t *window, int32_t lowest, int32_t highest,
                      const int8_t *input, int8_t *output);
void asc_max_pool(const asc_window_t *window, int32_t lowest, int32_t highest, const int8_t *input,
                  int8_t *output);
/* (outer, reduced, inner) -> (outer, inner): the mean of a sum is `lowest`, and one more for each
 * of the `count` sums in `rises`, which never fall, that it reaches.
 */
void asc_mean(const int32_t *rises, int32_t count, int32_t lowest, int32_t outer, int32_t reduced,
              int32_t inner, const int8_t *input, int8_t *output);
void asc_add(const asc_pair_t *pair, const int8_t *a, const int8_t *b, int8_t *output);
void asc_subtract(const asc_pair_t *pair, const int8_t *a, const int8_t *b, int8_t *output);
/* Uses the pair's zeros, `multiplier` and `shift`. */
void asc_multiply(const asc_pair_t *pair, const int8_t *a, const int8_t *b, int8_t *output);
/* table[128 + q] for each q */
void asc_look_up(const int8_t *table, int32_t count, const int8_t *input, int8_t *output);
void asc_copy_rows(int32_t rows, int32_t row_bytes, int32_t in_stride, int32_t out_stride,
                   const int8_t *input, int8_t *output);
void asc_fill(int32_t count, int8_t value, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
