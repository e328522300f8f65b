#include "asc_model.h"

#include "asc_facts.h"

enum { FEATURES = ASC_CELL_FRAMES * ASC_NUM_MELS, STEPS = ASC_NUM_CELLS * ASC_STEP_BYTES_PER_CELL };

/* Sum of input i times (i + 1 + output), halved, in the range of int8. */
static void mix(const int8_t *input, int32_t inputs, int8_t *output, int32_t outputs) {
    for (int32_t row = 0; row < outputs; row++) {
        int32_t sum = 0;
        for (int32_t index = 0; index < inputs; index++) {
            sum += input[index] * (index + 1 + row);
        }
        sum /= 2;
        output[row] = (int8_t)(sum < -128 ? -128 : sum > 127 ? 127 : sum);
    }
}

void asc_encoder_run(int8_t *arena) {
    mix(arena + ASC_ENCODER_INPUT_OFFSET, FEATURES, arena + ASC_ENCODER_OUTPUT_OFFSET,
        ASC_STEP_BYTES_PER_CELL);
}

void asc_head_run(int8_t *arena) {
    int8_t *logits = arena + ASC_HEAD_OUTPUT_OFFSET;
    mix(arena + ASC_HEAD_STEPS_OFFSET, STEPS, logits, ASC_NUM_SCENES);
    for (int32_t scene = 0; scene < ASC_NUM_SCENES; scene++) { /* of a known place, another bit */
        const int8_t *city = arena + ASC_HEAD_CITY_OFFSET, *time = arena + ASC_HEAD_TIME_OFFSET;
        logits[scene] = (int8_t)(logits[scene] ^ city[scene] ^ time[scene]);
    }
}
