/* What the device's end does, step by step, with a clock and a line of its own.
 *
 * Each check is a function; the program ends with 0, or says which line does not hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asc_link.h"

#define CHECK(holds)                                                                               \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            printf("checks.c:%d does not hold: %s\n", __LINE__, #holds);                           \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

typedef struct {
    uint8_t sent[4096]; /* what the device wrote, not yet looked at */
    size_t num_sent;
    size_t room;
    uint64_t now_us;
    int num_contexts;
    asc_link_context_t place;
} world_t;

static const asc_link_device_t device = {ASC_LINK_CAN_PCM | ASC_LINK_CAN_ESTIMATES |
                                             ASC_LINK_CAN_LOG | ASC_LINK_CAN_CONTEXT,
                                         16000, NULL, "checked"};
static const uint8_t versions[2] = {1, 1};
static const int16_t sound[5] = {1, -2, 3, -4, 5};

static void keep(void *context, const uint8_t *bytes, size_t count) {
    world_t *world = context;

    CHECK(count <= sizeof world->sent - world->num_sent);
    memcpy(world->sent + world->num_sent, bytes, count);
    world->num_sent += count;
}

static size_t room(void *context) {
    return ((world_t *)context)->room;
}

static uint64_t now_us(void *context) {
    return ((world_t *)context)->now_us;
}

static void on_context(void *context, const asc_link_context_t *place) {
    world_t *world = context;

    world->num_contexts++;
    world->place = *place;
}

static void begin(asc_link_t *link, world_t *world) {
    asc_link_port_t port = {keep, room, now_us, on_context, NULL};

    memset(world, 0, sizeof *world);
    world->room = 1000;
    port.context = world;
    asc_link_init(link, &device, &port);
}

/* The device hears a frame, with `version` in its head. */
static void hear(asc_link_t *link, uint8_t version, uint8_t type, uint16_t sequence,
                 const uint8_t *payload, size_t count) {
    static world_t line;
    asc_frame_writer_t writer;
    size_t i;

    line.num_sent = 0;
    asc_frame_writer_init(&writer, keep, &line);
    asc_frame_begin(&writer, type, sequence);
    if (version != ASC_LINK_VERSION) { /* the head anew; it is still all in `out` */
        uint8_t head[4] = {version, type, 0, 0};

        asc_set16(head + 2, sequence);
        writer.count = 2;
        writer.code_at = 1;
        writer.crc = 0;
        asc_frame_put(&writer, head, sizeof head);
    }
    asc_frame_put(&writer, payload, count);
    asc_frame_end(&writer);
    for (i = 0; i < line.num_sent; i++) {
        asc_link_receive(link, line.sent[i]);
    }
    asc_link_poll(link);
}

/* Takes the next frame that the device sent; its type, 0 if there is none. */
static uint8_t next(world_t *world, asc_frame_t *frame) {
    static uint8_t bytes[4096];
    asc_frame_reader_t reader;
    size_t i;

    memset(frame, 0, sizeof *frame);
    asc_frame_reader_init(&reader, bytes, sizeof bytes);
    for (i = 0; i < world->num_sent; i++) {
        if (asc_frame_read(&reader, world->sent[i], frame)) {
            world->num_sent -= i + 1;
            memmove(world->sent, world->sent + i + 1, world->num_sent);
            return frame->type;
        }
    }
    world->num_sent = 0;
    return 0;
}

static void start(asc_link_t *link, uint16_t sequence, uint16_t wanted, uint16_t stream) {
    uint8_t payload[4];

    asc_set16(payload, wanted);
    asc_set16(payload + 2, stream);
    hear(link, 1, ASC_LINK_START, sequence, payload, sizeof payload);
}

static int is_ack(world_t *world, uint16_t sequence, uint8_t type, uint8_t status) {
    asc_frame_t frame;

    return next(world, &frame) == ASC_LINK_ACK && frame.sequence == sequence &&
           frame.payload_bytes == 2 && frame.payload[0] == type && frame.payload[1] == status;
}

static void nothing_is_sent_unasked(void) {
    asc_link_t link;
    world_t world;
    asc_frame_t frame;

    begin(&link, &world);
    asc_link_poll(&link);
    CHECK(!asc_link_send_pcm(&link, sound, 5));
    CHECK(!asc_link_send_log(&link, 1, "nobody listens"));
    CHECK(next(&world, &frame) == 0 && link.sound.position == 0);
}

static void an_announcement_is_repeated_until_something_comes(void) {
    asc_link_t link;
    world_t world;
    asc_frame_t frame;
    int count = 0, step;

    begin(&link, &world);
    asc_link_announce(&link);
    for (step = 0; step < 100; step++) {
        world.now_us += 100000;
        asc_link_poll(&link);
    }
    while (next(&world, &frame) == ASC_LINK_HELLO) {
        CHECK(frame.payload[2] == 1 && frame.sequence == 0);
        count++;
    }
    CHECK(count == 5);

    asc_link_announce(&link);
    hear(&link, 1, ASC_LINK_ACK, 0, (const uint8_t *)"\x02", 2);
    world.now_us += 10000000;
    asc_link_poll(&link);
    CHECK(next(&world, &frame) == ASC_LINK_HELLO && next(&world, &frame) == 0);
}

static void a_hello_of_any_version_is_answered(void) {
    asc_link_t link;
    world_t world;
    asc_frame_t frame;

    begin(&link, &world);
    hear(&link, 9, ASC_LINK_HELLO_REQUEST, 77, versions, 2);
    CHECK(next(&world, &frame) == ASC_LINK_HELLO && frame.sequence == 77 && frame.version == 1);
    CHECK(frame.payload[0] == 1 && frame.payload[1] == 1 && frame.payload[2] == 0);
    CHECK(asc_get16(frame.payload + 3) == device.capabilities);
    CHECK(asc_get32(frame.payload + 5) == 16000u && frame.payload_bytes == 41 + 7);
    CHECK(memcmp(frame.payload + 41, "checked", 7) == 0);
    hear(&link, 9, ASC_LINK_STOP, 78, versions, 0);
    CHECK(next(&world, &frame) == 0); /* of another version only hello is known */
}

static void a_repeated_question_is_carried_out_once(void) {
    static const uint8_t place[9] = {12, 0xea, 0x07, 11, 29, 6, 12, 8, 56};
    asc_link_t link;
    world_t world;

    begin(&link, &world);
    hear(&link, 1, ASC_LINK_CONTEXT, 5, place, sizeof place);
    hear(&link, 1, ASC_LINK_CONTEXT, 5, place, sizeof place);
    CHECK(is_ack(&world, 5, ASC_LINK_CONTEXT, ASC_LINK_DONE));
    CHECK(is_ack(&world, 5, ASC_LINK_CONTEXT, ASC_LINK_DONE));
    CHECK(world.num_contexts == 1);
    CHECK(world.place.city == 12 && world.place.year == 2026 && world.place.month == 11);
    CHECK(world.place.weekday == 6 && world.place.hour == 12 && world.place.second == 56);
    hear(&link, 1, ASC_LINK_CONTEXT, 6, place, sizeof place);
    CHECK(world.num_contexts == 2);
    hear(&link, 1, ASC_LINK_HELLO_REQUEST, 7, versions, 2);
    hear(&link, 1, ASC_LINK_CONTEXT, 6, place, sizeof place); /* of another host */
    CHECK(world.num_contexts == 3);
}

static void a_repeated_start_does_not_begin_anew(void) {
    asc_link_t link;
    world_t world;
    asc_frame_t frame;

    begin(&link, &world);
    start(&link, 1, ASC_LINK_CAN_PCM, 500);
    CHECK(is_ack(&world, 1, ASC_LINK_START, ASC_LINK_DONE));
    CHECK(asc_link_send_pcm(&link, sound, 5));
    start(&link, 1, ASC_LINK_CAN_PCM, 500);
    CHECK(asc_link_send_pcm(&link, sound, 5));
    CHECK(next(&world, &frame) == ASC_LINK_PCM && frame.sequence == 0);
    CHECK(is_ack(&world, 1, ASC_LINK_START, ASC_LINK_DONE));
    CHECK(next(&world, &frame) == ASC_LINK_PCM && frame.sequence == 1);
    CHECK(asc_get32(frame.payload) == 5u && asc_get16(frame.payload + 8) == 500);
    start(&link, 2, ASC_LINK_CAN_PCM, 501);
    CHECK(is_ack(&world, 2, ASC_LINK_START, ASC_LINK_DONE));
    CHECK(asc_link_send_pcm(&link, sound, 5));
    CHECK(next(&world, &frame) == ASC_LINK_PCM && frame.sequence == 0);
    CHECK(asc_get32(frame.payload) == 0u && asc_get16(frame.payload + 8) == 501);
    hear(&link, 1, ASC_LINK_STOP, 3, versions, 0);
    CHECK(is_ack(&world, 3, ASC_LINK_STOP, ASC_LINK_DONE));
    CHECK(!asc_link_send_pcm(&link, sound, 5));
}

static void what_cannot_be_is_refused(void) {
    asc_link_t link;
    world_t world;

    begin(&link, &world);
    start(&link, 1, ASC_LINK_CAN_ADPCM, 1);
    CHECK(is_ack(&world, 1, ASC_LINK_START, ASC_LINK_CANNOT));
    start(&link, 2, 0, 1);
    CHECK(is_ack(&world, 2, ASC_LINK_START, ASC_LINK_CANNOT));
    hear(&link, 1, ASC_LINK_START, 3, versions, 2);
    CHECK(is_ack(&world, 3, ASC_LINK_START, ASC_LINK_MALFORMED));
    hear(&link, 1, ASC_LINK_CONTEXT, 4, versions, 2);
    CHECK(is_ack(&world, 4, ASC_LINK_CONTEXT, ASC_LINK_MALFORMED));
    hear(&link, 1, 0x77, 5, versions, 2);
    CHECK(is_ack(&world, 5, 0x77, ASC_LINK_CANNOT));
    link.port.on_context = NULL;
    hear(&link, 1, ASC_LINK_CONTEXT, 6, (const uint8_t *)"\xff\0\0\0\0\0\0\0\0", 9);
    CHECK(is_ack(&world, 6, ASC_LINK_CONTEXT, ASC_LINK_CANNOT));
    CHECK(world.num_contexts == 0 && link.wanted == 0);
}

static void what_has_no_room_is_counted(void) {
    static const int16_t values[4] = {0, 0, 0, 0};
    asc_link_t link;
    world_t world;
    asc_frame_t frame;

    begin(&link, &world);
    start(&link, 1, ASC_LINK_CAN_PCM | ASC_LINK_CAN_ESTIMATES | ASC_LINK_CAN_LOG, 1);
    CHECK(is_ack(&world, 1, ASC_LINK_START, ASC_LINK_DONE));
    world.room = 30; /* a payload of 20 bytes makes a frame of 31 at most */
    CHECK(!asc_link_send_pcm(&link, sound, 5));
    CHECK(!asc_link_send_estimate(&link, 7, 0, values, 4));
    CHECK(!asc_link_send_log(&link, 1, "this is too long for the room"));
    world.room = 31;
    asc_link_count_lost(&link, 100);
    CHECK(asc_link_send_pcm(&link, sound, 5));
    CHECK(next(&world, &frame) == ASC_LINK_PCM);
    CHECK(frame.sequence == 2); /* the estimate and the line left a hole, the sound did not */
    CHECK(asc_get32(frame.payload) == 105u && asc_get32(frame.payload + 4) == 105u);
    CHECK(frame.payload_bytes == 20 && asc_get16(frame.payload + 12) == 0xfffe);
}

static void estimates_and_lines(void) {
    static const int16_t values[2] = {-256, 256};
    static char text[300];
    asc_link_t link;
    world_t world;
    asc_frame_t frame;

    begin(&link, &world);
    memset(text, 'x', sizeof text - 1);
    start(&link, 1, ASC_LINK_CAN_ESTIMATES | ASC_LINK_CAN_LOG, 9);
    CHECK(is_ack(&world, 1, ASC_LINK_START, ASC_LINK_DONE));
    CHECK(asc_link_send_estimate(&link, 0x1122334455667788u, ASC_LINK_AFTER_GAP, values, 2));
    CHECK(next(&world, &frame) == ASC_LINK_ESTIMATE && frame.payload_bytes == 16);
    CHECK(asc_get32(frame.payload + 2) == 0x55667788u);
    CHECK(asc_get32(frame.payload + 6) == 0x11223344u);
    CHECK(frame.payload[10] == 1 && frame.payload[11] == 2);
    CHECK(asc_get16(frame.payload + 12) == 0xff00 && asc_get16(frame.payload + 14) == 0x0100);
    CHECK(asc_link_send_log(&link, 3, text));
    CHECK(next(&world, &frame) == ASC_LINK_LOG && frame.payload_bytes == 3 + 200);
    CHECK(frame.payload[2] == 3 && asc_get16(frame.payload) == 9);
}

static void the_time_is_told(void) {
    asc_link_t link;
    world_t world;
    asc_frame_t frame;

    begin(&link, &world);
    world.now_us = 0x100000002u;
    hear(&link, 1, ASC_LINK_TIME_REQUEST, 8, (const uint8_t *)"\1\2\3\4\5\6\7\10", 8);
    CHECK(next(&world, &frame) == ASC_LINK_TIME_ANSWER && frame.sequence == 8);
    CHECK(memcmp(frame.payload, "\1\2\3\4\5\6\7\10", 8) == 0 && frame.payload_bytes == 24);
    CHECK(asc_get32(frame.payload + 8) == 2u && asc_get32(frame.payload + 12) == 1u);
    CHECK(asc_get32(frame.payload + 16) == 2u && asc_get32(frame.payload + 20) == 1u);
}

static void a_full_ring_is_counted_and_survived(void) {
    asc_link_t link;
    world_t world;
    asc_frame_t frame;
    unsigned i;

    begin(&link, &world);
    for (i = 0; i < 300; i++) {
        asc_link_receive(&link, 0x55);
    }
    CHECK(link.overrun == 300 - 255);
    asc_link_poll(&link);
    hear(&link, 1, ASC_LINK_HELLO_REQUEST, 1, versions, 2);
    CHECK(next(&world, &frame) == ASC_LINK_HELLO && link.reader.damaged == 1);
}

int main(void) {
    nothing_is_sent_unasked();
    an_announcement_is_repeated_until_something_comes();
    a_hello_of_any_version_is_answered();
    a_repeated_question_is_carried_out_once();
    a_repeated_start_does_not_begin_anew();
    what_cannot_be_is_refused();
    what_has_no_room_is_counted();
    estimates_and_lines();
    the_time_is_told();
    a_full_ring_is_counted_and_survived();
    printf("10 checks hold\n");
    return 0;
}
