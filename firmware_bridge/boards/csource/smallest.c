/* The least that an application links of a package: what a model costs a part in flash and RAM. */
#include "asc.h"
#include "asc_facts.h"

static asc_t listener;
static int16_t samples[ASC_HOP_SAMPLES];
static volatile int16_t microphone; /* volatile, so that nothing is computed beforehand */

int main(void) {
    asc_result_t result;
    asc_init(&listener);
    for (;;) {
        for (uint32_t index = 0; index < ASC_HOP_SAMPLES; index++) {
            samples[index] = microphone;
        }
        if (asc_process(&listener, samples, ASC_HOP_SAMPLES)) {
            asc_result(&listener, &result);
            microphone = (int16_t)result.scene;
        }
    }
}
