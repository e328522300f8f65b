/* The board is the ear of a computer: it sends a recording as if it heard it. */
#include "asc_link.h"
#include "player.h"

static const asc_link_device_t device = {
    ASC_LINK_CAN_PCM,
    ASC_EAR_SAMPLE_RATE_HZ,
    NULL,
    "emulated ear",
};
static asc_link_t link;
static int16_t samples[ASC_PLAYER_SAMPLES];

int main(void) {
    asc_player_start(&link, &device, NULL);
    for (;;) {
        int is_first;
        const uint32_t count = asc_player_next(&link, samples, &is_first);
        if (count > 0) {
            (void)asc_link_send_pcm(&link, samples, count);
        }
    }
}
