#include "asc_adpcm.h"

static const int16_t step_sizes[89] = {
    7,     8,     9,     10,    11,    12,    13,    14,    16,    17,    19,   21,    23,
    25,    28,    31,    34,    37,    41,    45,    50,    55,    60,    66,   73,    80,
    88,    97,    107,   118,   130,   143,   157,   173,   190,   209,   230,  253,   279,
    307,   337,   371,   408,   449,   494,   544,   598,   658,   724,   796,  876,   963,
    1060,  1166,  1282,  1411,  1552,  1707,  1878,  2066,  2272,  2499,  2749, 3024,  3327,
    3660,  4026,  4428,  4871,  5358,  5894,  6484,  7132,  7845,  8630,  9493, 10442, 11487,
    12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767};

static const int8_t index_steps[8] = {-1, -1, -1, -1, 2, 4, 6, 8};

static int32_t clip(int32_t value, int32_t low, int32_t high) {
    return value < low ? low : value > high ? high : value;
}

void asc_adpcm_init(asc_adpcm_t *state) {
    state->predictor = 0;
    state->index = 0;
}

/* The code of a sample; `state` becomes what the decoder's will be. */
static uint8_t encode_sample(asc_adpcm_t *state, int16_t sample) {
    int32_t step = step_sizes[state->index];
    int32_t rest = (int32_t)sample - state->predictor;
    int32_t change = step >> 3;
    int32_t sign = rest < 0 ? 8 : 0;
    int32_t code = 0;
    int32_t bit;

    rest = rest < 0 ? -rest : rest;
    for (bit = 4; bit != 0; bit >>= 1) { /* steps of 1, 1/2 and 1/4 */
        if (rest >= step) {
            code |= bit;
            rest -= step;
            change += step;
        }
        step >>= 1;
    }
    change = sign ? -change : change;
    state->predictor = (int16_t)clip(state->predictor + change, INT16_MIN, INT16_MAX);
    state->index = (uint8_t)clip(state->index + index_steps[code], 0, 88);
    return (uint8_t)(code | sign);
}

void asc_adpcm_encode(asc_adpcm_t *state, const int16_t *samples, size_t count, uint8_t *bytes) {
    size_t i;

    for (i = 0; i < count; i++) {
        uint8_t code = encode_sample(state, samples[i]);

        if (i % 2 == 0) {
            bytes[i / 2] = code;
        } else {
            bytes[i / 2] = (uint8_t)(bytes[i / 2] | (code << 4));
        }
    }
}
