/* A device whose serial line is standard input and output: streams a recording, or estimates.
 *
 *     device pcm|adpcm|estimates RATE FILE [BYTES]
 *
 * FILE holds samples of 16 bits, little-endian. It sends at most BYTES a frame time, all without.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "asc_link.h"

#define FRAME_SAMPLES 441u

typedef struct {
    size_t room;
    int city;
    int minute_of_day;
} port_context_t;

static void write_out(void *context, const uint8_t *bytes, size_t count) {
    port_context_t *port = context;

    port->room = count < port->room ? port->room - count : 0;
    while (count > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, count);

        if (written <= 0) {
            exit(4); /* the host is gone */
        }
        bytes += written;
        count -= (size_t)written;
    }
}

static size_t room(void *context) {
    return ((port_context_t *)context)->room;
}

static uint64_t now_us(void *context) {
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void on_context(void *context, const asc_link_context_t *scene_context) {
    port_context_t *port = context;

    port->city = scene_context->city;
    port->minute_of_day =
        scene_context->month == 0 ? -1 : scene_context->hour * 60 + scene_context->minute;
}

/* Waits for bytes of the host, for 1 ms at most. */
static void listen_to_host(asc_link_t *link) {
    struct pollfd waiting = {STDIN_FILENO, POLLIN, 0};
    uint8_t bytes[64];
    ssize_t count, i;

    if (poll(&waiting, 1, 1) > 0) {
        count = read(STDIN_FILENO, bytes, sizeof bytes);
        if (count <= 0) {
            exit(4);
        }
        for (i = 0; i < count; i++) {
            asc_link_receive(link, bytes[i]);
        }
    }
    asc_link_poll(link);
}

static size_t read_samples(FILE *file, int16_t *samples) {
    uint8_t bytes[2 * FRAME_SAMPLES];
    size_t count = fread(bytes, 2, FRAME_SAMPLES, file);
    size_t i;

    for (i = 0; i < count; i++) {
        samples[i] = (int16_t)asc_get16(bytes + 2 * i);
    }
    return count;
}

int main(int argc, char **argv) {
    static const uint8_t sha256[32] = {1, 2, 3};
    static asc_link_t link;
    port_context_t context = {0, ASC_LINK_UNKNOWN_CITY, -1};
    asc_link_device_t device = {0, 0, sha256, "test device"};
    asc_link_port_t port = {write_out, room, now_us, on_context, &context};
    asc_adpcm_t adpcm;
    int16_t samples[FRAME_SAMPLES];
    size_t budget = argc > 4 ? (size_t)atol(argv[4]) : 1000000u;
    unsigned number = 0;
    size_t count;
    FILE *file;

    if (argc < 4 || (file = fopen(argv[3], "rb")) == NULL) {
        return 2;
    }
    device.capabilities = strcmp(argv[1], "pcm") == 0 ? ASC_LINK_CAN_PCM
                          : strcmp(argv[1], "adpcm") == 0
                              ? ASC_LINK_CAN_ADPCM
                              : ASC_LINK_CAN_ESTIMATES | ASC_LINK_CAN_LOG | ASC_LINK_CAN_CONTEXT;
    device.sample_rate_hz = (uint32_t)atol(argv[2]);
    context.room = 1000000u;
    asc_link_init(&link, &device, &port);
    asc_adpcm_init(&adpcm);
    asc_link_announce(&link);
    for (;;) {
        listen_to_host(&link);
        context.room = budget;
        if (asc_link_wants(&link, ASC_LINK_CAN_PCM) && (count = read_samples(file, samples)) > 0) {
            asc_link_send_pcm(&link, samples, count);
        }
        if (asc_link_wants(&link, ASC_LINK_CAN_ADPCM) &&
            (count = read_samples(file, samples)) > 0) {
            asc_link_send_adpcm(&link, &adpcm, samples, count);
        }
        if (asc_link_wants(&link, ASC_LINK_CAN_ESTIMATES) && number < 5) {
            int16_t logits[3] = {-512, 256, (int16_t)(number * 256u)};
            char text[64];

            if (number == 0) {
                sprintf(text, "city %d, minute %d", context.city, context.minute_of_day);
                asc_link_send_log(&link, 2, text);
            }
            asc_link_send_estimate(&link, now_us(NULL), number == 3 ? ASC_LINK_AFTER_GAP : 0,
                                   logits, 3);
            number++;
        }
    }
}
