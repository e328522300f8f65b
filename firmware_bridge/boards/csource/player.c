#include "player.h"

#include "port.h"
#include "uart.h"

#ifndef ASC_PLAYER_SPEED
#define ASC_PLAYER_SPEED 1u /* so many times as fast as the sound was */
#endif

enum { WAKE_US = 10000, RECEIVE_AT_ONCE = 128, CANNOT_OPEN = 2 };

static struct {
    int32_t file;
    uint16_t stream; /* the host's number of what is played */
    int is_playing;
    uint64_t began_us;
    uint64_t num_played;
} player = {-1, 0, 0, 0, 0};

static void write_uart(void *context, const uint8_t *bytes, size_t count) {
    (void)context;
    asc_uart_write(bytes, count);
}

static uint64_t now_us(void *context) {
    (void)context;
    return asc_port_now_us();
}

void asc_player_start(asc_link_t *link, const asc_link_device_t *device,
                      void (*on_context)(void *context, const asc_link_context_t *scene_context)) {
    asc_link_port_t port = {write_uart, NULL, now_us, NULL, NULL};
    port.on_context = on_context;
    asc_port_start_clock(WAKE_US);
    asc_uart_start();
    asc_link_init(link, device, &port);
    asc_link_announce(link);
}

/* The link's own ring is small: it is emptied between. */
static void answer_host(asc_link_t *link) {
    int byte = asc_uart_read();
    do {
        for (uint32_t count = 0; byte >= 0 && count < RECEIVE_AT_ONCE; count++) {
            asc_link_receive(link, (uint8_t)byte);
            byte = asc_uart_read();
        }
        asc_link_poll(link);
    } while (byte >= 0);
}

static void begin(const asc_link_t *link) {
    if (player.file >= 0) {
        asc_port_close(player.file);
    }
    player.file = asc_port_open("recording.bin", 0);
    if (player.file < 0) {
        asc_port_fail("recording.bin cannot be opened", CANNOT_OPEN);
    }
    player.is_playing = 1;
    player.stream = link->stream;
    player.began_us = asc_port_now_us();
    player.num_played = 0;
}

uint32_t asc_player_next(asc_link_t *link, int16_t *samples, int *is_first) {
    answer_host(link);
    *is_first = link->wanted != 0u && (!player.is_playing || player.stream != link->stream);
    if (*is_first) {
        begin(link);
    }
    player.is_playing = link->wanted != 0u;
    const uint64_t heard_us = (asc_port_now_us() - player.began_us) * ASC_PLAYER_SPEED;
    const uint64_t due = heard_us * link->device->sample_rate_hz / 1000000u;
    if (!player.is_playing || due < player.num_played + ASC_PLAYER_SAMPLES) {
        asc_uart_doze();
        return 0;
    }
    const uint32_t count = asc_port_read(player.file, samples, ASC_PLAYER_SAMPLES * 2u) / 2u;
    player.num_played += ASC_PLAYER_SAMPLES;
    return count;
}
