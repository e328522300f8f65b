/* What asc_frontend_tables.c holds; it is generated from the model. */
#ifndef ASC_FRONTEND_TABLES_H
#define ASC_FRONTEND_TABLES_H

#include <stdint.h>

#include "asc_facts.h"

/* A mel band: the bins that it reads, and the place of their weights in asc_mel_weights. */
typedef struct {
    uint16_t first_bin;
    uint16_t num_bins;
    uint16_t first_weight;
} asc_band_t;

extern const asc_band_t asc_bands[ASC_NUM_MELS];

#if ASC_FRONTEND_FIXED
/* The rising half of the window with its top, in steps of 2^-31. */
extern const int32_t asc_window[ASC_HOP_SAMPLES + 1];
/* Cosine of index / ASC_FFT_SIZE turns, in steps of 2^-31. */
extern const int32_t asc_cosine[3 * ASC_FFT_SIZE / 4];
/* Weights over the highest of their band, in steps of 2^-26. */
extern const uint32_t asc_mel_weights[ASC_NUM_MEL_WEIGHTS];
/* What a band's level is above that of its weighted sum, in steps of 2^-20 dB. */
extern const int32_t asc_band_offset[ASC_NUM_MELS];
/* 2^8 times the root of index * 2^23, from index 128 on. */
extern const uint32_t asc_root[385];
/* 10 log10(1 + index / 256), in steps of 2^-20 dB. */
extern const int32_t asc_decibels[257];
/* Encoder input = (level * slope + offset) * 2^-ASC_QUANTIZE_SHIFT. */
extern const int32_t asc_quantize_slope[ASC_NUM_MELS];
extern const int64_t asc_quantize_offset[ASC_NUM_MELS];
#else
/* The rising half of the window with its top, over 65536: samples become parts of full scale, and
 * the halves that separating two spectra takes are taken here. */
extern const float asc_window[ASC_HOP_SAMPLES + 1];
/* Cosine of index / ASC_FFT_SIZE turns. */
extern const float asc_cosine[3 * ASC_FFT_SIZE / 4];
extern const float asc_mel_weights[ASC_NUM_MEL_WEIGHTS];
/* Standardised = level * slope + offset. */
extern const float asc_standardize_slope[ASC_NUM_MELS];
extern const float asc_standardize_offset[ASC_NUM_MELS];
#endif

/* e^(-index * scale of logits / temperature), in steps of 2^-24. */
extern const uint32_t asc_exponential[256];

#if ASC_USES_CONTEXT
/* Row of each city in the city input: its own, or that of "unknown" if nothing was trained there.
 */
extern const uint8_t asc_city_row[ASC_NUM_CITIES];
/* Sine and cosine as the head takes them. */
extern const int8_t asc_hour_code[24][2];
extern const int8_t asc_month_code[12][2];  /* January first */
extern const int8_t asc_weekday_code[7][2]; /* Monday first */
extern const int8_t asc_minute_code[60][2];
#endif

#if ASC_STEPS_ARE_MAPPED
/* The head's number for a step of the encoder, by the encoder's + 128. */
extern const int8_t asc_step_map[256];
#endif

#endif
