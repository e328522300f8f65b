/* What no bytes of a line may do: `LLVMFuzzerTestOneInput`, as libFuzzer and AFL++ call it.
 *
 * An input is both: a payload that must come back from a frame of it, and the bytes of a line that
 * a reader and a whole device hear. docs/link.md tells how it is run for ten minutes.
 */
#include <stdlib.h>
#include <string.h>

#include "asc_link.h"

#define MOST_BYTES 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    uint8_t bytes[MOST_BYTES + 64];
    size_t count;
} line_t;

static void require(int holds) {
    if (!holds) {
        abort();
    }
}

static void keep(void *context, const uint8_t *bytes, size_t count) {
    line_t *line = context;

    require(count <= ASC_FRAME_OUT_BYTES && count <= sizeof line->bytes - line->count);
    memcpy(line->bytes + line->count, bytes, count);
    line->count += count;
}

/* A frame of these bytes has no zero within, is no longer than promised, and comes back. */
static void check_round_trip(const uint8_t *data, size_t size) {
    static line_t line;
    static uint8_t decoded[MOST_BYTES + 8];
    asc_frame_writer_t writer;
    asc_frame_reader_t reader;
    asc_frame_t frame;
    size_t i;
    int found = 0;

    line.count = 0;
    asc_frame_writer_init(&writer, keep, &line);
    asc_frame_begin(&writer, 0x10, 0xff00);
    asc_frame_put(&writer, data, size);
    asc_frame_end(&writer);
    require(line.count <= ASC_FRAME_LINE_BYTES(size));
    require(line.bytes[0] == 0 && line.bytes[line.count - 1] == 0);
    asc_frame_reader_init(&reader, decoded, size + 8);
    for (i = 0; i < line.count; i++) {
        require(i == 0 || i == line.count - 1 || line.bytes[i] != 0);
        found += asc_frame_read(&reader, line.bytes[i], &frame);
    }
    require(found == 1 && reader.damaged == 0);
    require(frame.payload_bytes == size && frame.sequence == 0xff00);
    require(size == 0 || memcmp(frame.payload, data, size) == 0);
}

static void swallow(void *context, const uint8_t *bytes, size_t count) {
    *(size_t *)context += count;
    require(count <= ASC_FRAME_OUT_BYTES && (count == 0 || bytes != NULL));
}

static uint64_t no_time(void *context) {
    (void)context;
    return 0;
}

static void take_context(void *context, const asc_link_context_t *scene_context) {
    (void)context;
    (void)scene_context;
}

static void hear(asc_link_t *link, const uint8_t *data, size_t size) {
    size_t i;

    for (i = 0; i < size; i++) {
        asc_link_receive(link, data[i]);
        if (i % 64u == 63u) {
            asc_link_poll(link);
        }
    }
    asc_link_poll(link);
}

static void hear_frame(asc_link_t *link, uint8_t type, const uint8_t *payload, size_t size) {
    static line_t line;
    asc_frame_writer_t writer;

    line.count = 0;
    asc_frame_writer_init(&writer, keep, &line);
    asc_frame_begin(&writer, type, 7);
    asc_frame_put(&writer, payload, size);
    asc_frame_end(&writer);
    hear(link, line.bytes, line.count);
}

/* Whatever comes, with a right check sum or not, the device answers a hello afterwards. */
static void check_device(const uint8_t *data, size_t size) {
    static const asc_link_device_t device = {
        ASC_LINK_CAN_PCM | ASC_LINK_CAN_ADPCM | ASC_LINK_CAN_CONTEXT, 16000, NULL, "fuzz"};
    static const uint8_t versions[2] = {ASC_LINK_VERSION, ASC_LINK_VERSION};
    static const int16_t sound[6] = {1, -1, 32767, -32768, 0, 3};
    static asc_link_t link;
    size_t sent = 0;
    asc_link_port_t port = {swallow, NULL, no_time, take_context, NULL};
    asc_adpcm_t adpcm;

    port.context = &sent;
    asc_link_init(&link, &device, &port);
    asc_adpcm_init(&adpcm);
    hear(&link, data, size);
    require(link.reader.count <= sizeof link.received);
    if (size > 0) {
        hear_frame(&link, data[0] % 32u, data + 1, (size - 1) % 80u);
    }
    require(link.overrun == 0 && (link.wanted & ~device.capabilities) == 0);
    asc_link_send_pcm(&link, sound, 6);
    asc_link_send_adpcm(&link, &adpcm, sound, 6);
    require(link.sound.position <= 12 && link.sound.dropped == 0);
    sent = 0;
    hear_frame(&link, ASC_LINK_HELLO_REQUEST, versions, sizeof versions);
    require(sent > 41 && link.wanted == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > MOST_BYTES) {
        size = MOST_BYTES;
    }
    check_round_trip(data, size);
    check_device(data, size);
    return 0;
}
