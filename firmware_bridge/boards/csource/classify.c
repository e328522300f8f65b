/* The board classifies a recording as if it heard it, and reports what it took it for. */
#include "asc.h"
#include "asc_facts.h"
#include "asc_link.h"
#include "player.h"

static const uint8_t model_sha256[32] = ASC_MODEL_SHA256_BYTES;
static const asc_link_device_t device = {
    ASC_LINK_CAN_ESTIMATES | ASC_LINK_CAN_LOG | ASC_LINK_CAN_CONTEXT,
    ASC_SAMPLE_RATE_HZ,
    model_sha256,
    "emulated classifier",
};
static asc_link_t link;
static asc_t classifier;
static asc_link_context_t place;
static int16_t samples[ASC_PLAYER_SAMPLES];

/* Results know the place from the next one on. */
static void use_place(void) {
    const int city = place.city == ASC_LINK_UNKNOWN_CITY ? ASC_UNKNOWN : place.city;
    const int minute = place.month == 0 ? ASC_UNKNOWN : place.hour * 60 + place.minute;
    if (asc_set_context(&classifier, city, minute, place.weekday, place.month) != 0) {
        (void)asc_link_send_log(&link, 2, "a city or time that this model does not know: not used");
    }
}

static void on_context(void *context, const asc_link_context_t *scene_context) {
    (void)context;
    place = *scene_context;
    use_place();
}

static void report(void) {
    asc_result_t result;
    asc_result(&classifier, &result);
    const uint8_t flags = ASC_LINK_PROBABILITIES | (result.after_gap ? ASC_LINK_AFTER_GAP : 0);
    (void)asc_link_send_estimate(&link, link.port.now_us(link.port.context), flags,
                                 result.probabilities, ASC_NUM_SCENES);
}

int main(void) {
    place.city = ASC_LINK_UNKNOWN_CITY;
    asc_init(&classifier);
    asc_player_start(&link, &device, on_context);
    for (;;) {
        int is_first;
        const uint32_t count = asc_player_next(&link, samples, &is_first);
        if (is_first) {
            asc_init(&classifier);
            use_place();
            (void)asc_link_send_log(&link, 1, "a recording begins");
        }
        if (count > 0 && asc_process(&classifier, samples, count) > 0) {
            report();
        }
    }
}
