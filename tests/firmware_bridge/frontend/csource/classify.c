/* classify SOUND: scene and probabilities of each result, a line each. */
#include <stdio.h>

#include "asc.h"

static asc_t classifier;
static int16_t samples[ASC_RESULT_SAMPLES];

int main(int num_arguments, char **arguments) {
    FILE *sound = num_arguments == 2 ? fopen(arguments[1], "rb") : NULL;
    size_t count;
    if (sound == NULL) {
        return 2;
    }
    asc_init(&classifier);
    while ((count = fread(samples, sizeof *samples, ASC_RESULT_SAMPLES, sound)) > 0) {
        if (asc_process(&classifier, samples, count) > 0) {
            asc_result_t result;
            asc_result(&classifier, &result);
            printf("%u", (unsigned)result.scene);
            for (uint32_t scene = 0; scene < ASC_NUM_SCENES; scene++) {
                printf(" %d", result.probabilities[scene]);
            }
            printf("\n");
        }
    }
    return fclose(sound);
}
