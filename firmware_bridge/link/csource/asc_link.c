#include "asc_link.h"

#include <string.h>

#define FLOW_BYTES 10u /* position, dropped, stream */
#define HELLO_BYTES 41u
#define CONTEXT_BYTES 9u

static size_t text_bytes(const char *text, size_t most) {
    size_t count = 0;

    while (count < most && text[count] != '\0') {
        count++;
    }
    return count;
}

static int has_room(const asc_link_t *link, size_t payload) {
    return link->port.room == NULL ||
           link->port.room(link->port.context) >= ASC_FRAME_LINE_BYTES(payload);
}

static void send_frame(asc_link_t *link, uint8_t type, uint16_t sequence, const uint8_t *payload,
                       size_t count) {
    asc_frame_begin(&link->writer, type, sequence);
    asc_frame_put(&link->writer, payload, count);
    asc_frame_end(&link->writer);
}

/* Answers and announcements are short and rare: they may wait for room. */
static void send_hello(asc_link_t *link, uint16_t sequence, uint8_t announced) {
    const asc_link_device_t *device = link->device;
    uint8_t payload[HELLO_BYTES + ASC_LINK_NAME_BYTES];
    size_t name = text_bytes(device->name, ASC_LINK_NAME_BYTES);

    payload[0] = ASC_LINK_VERSION;
    payload[1] = ASC_LINK_VERSION; /* the oldest that it understands */
    payload[2] = announced;
    asc_set16(payload + 3, device->capabilities);
    asc_set32(payload + 5, device->sample_rate_hz);
    if (device->model_sha256 != NULL) {
        memcpy(payload + 9, device->model_sha256, 32);
    } else {
        memset(payload + 9, 0, 32);
    }
    memcpy(payload + HELLO_BYTES, device->name, name);
    send_frame(link, ASC_LINK_HELLO, sequence, payload, HELLO_BYTES + name);
}

static void send_ack(asc_link_t *link, uint16_t sequence, uint8_t type, uint8_t status) {
    uint8_t payload[2];

    payload[0] = type;
    payload[1] = status;
    send_frame(link, ASC_LINK_ACK, sequence, payload, sizeof payload);
}

static uint8_t start(asc_link_t *link, const asc_frame_t *frame) {
    static const asc_link_flow_t nothing = {0, 0};
    uint16_t wanted;

    if (frame->payload_bytes != 4u) {
        return ASC_LINK_MALFORMED;
    }
    wanted = asc_get16(frame->payload);
    if (wanted == 0u || (wanted & (uint16_t)~link->device->capabilities) != 0u) {
        return ASC_LINK_CANNOT;
    }
    link->wanted = wanted;
    link->stream = asc_get16(frame->payload + 2);
    link->sequence = 0;
    link->sound = nothing;
    link->features = nothing;
    return ASC_LINK_DONE;
}

static uint8_t take_context(const asc_link_t *link, const asc_frame_t *frame) {
    asc_link_context_t context;

    if (frame->payload_bytes != CONTEXT_BYTES) {
        return ASC_LINK_MALFORMED;
    }
    if (link->port.on_context == NULL) {
        return ASC_LINK_CANNOT;
    }
    context.city = frame->payload[0];
    context.year = asc_get16(frame->payload + 1);
    context.month = frame->payload[3];
    context.day = frame->payload[4];
    context.weekday = frame->payload[5];
    context.hour = frame->payload[6];
    context.minute = frame->payload[7];
    context.second = frame->payload[8];
    link->port.on_context(link->port.context, &context);
    return ASC_LINK_DONE;
}

static uint8_t carry_out(asc_link_t *link, const asc_frame_t *frame) {
    switch (frame->type) {
    case ASC_LINK_START:
        return start(link, frame);
    case ASC_LINK_STOP:
        link->wanted = 0;
        return ASC_LINK_DONE;
    case ASC_LINK_CONTEXT:
        return take_context(link, frame);
    default:
        return ASC_LINK_CANNOT;
    }
}

static void answer_time(asc_link_t *link, const asc_frame_t *frame, uint64_t received_us) {
    uint8_t payload[24];

    memcpy(payload, frame->payload, 8);
    asc_set64(payload + 8, received_us);
    asc_set64(payload + 16, link->port.now_us(link->port.context));
    send_frame(link, ASC_LINK_TIME_ANSWER, frame->sequence, payload, sizeof payload);
}

static void take(asc_link_t *link, const asc_frame_t *frame) {
    if (frame->type == ASC_LINK_HELLO_REQUEST) { /* of any version: the answer tells ours */
        link->tries_left = 0;
        link->done_type = 0; /* another host may begin with the same numbers */
        link->wanted = 0;
        send_hello(link, frame->sequence, 0);
        return;
    }
    if (frame->version != ASC_LINK_VERSION) {
        return;
    }
    link->tries_left = 0;
    if (frame->type == ASC_LINK_ACK) {
        return;
    }
    if (frame->type == ASC_LINK_TIME_REQUEST && frame->payload_bytes == 8u) {
        answer_time(link, frame, link->port.now_us(link->port.context));
        return;
    }
    /* A repeated one, whose ACK was lost, is acknowledged again and not carried out again. */
    if (link->done_type != frame->type || link->done_sequence != frame->sequence) {
        link->done_status = carry_out(link, frame);
        link->done_type = frame->type;
        link->done_sequence = frame->sequence;
    }
    send_ack(link, frame->sequence, frame->type, link->done_status);
}

void asc_link_init(asc_link_t *link, const asc_link_device_t *device, const asc_link_port_t *port) {
    memset(link, 0, sizeof *link);
    link->device = device;
    link->port = *port;
    asc_frame_writer_init(&link->writer, port->write, port->context);
    asc_frame_reader_init(&link->reader, link->received, sizeof link->received);
}

void asc_link_announce(asc_link_t *link) {
    link->tries_left = ASC_LINK_TRIES - 1u;
    link->repeat_us = link->port.now_us(link->port.context) + ASC_LINK_REPEAT_US;
    send_hello(link, 0, 1);
}

void asc_link_receive(asc_link_t *link, uint8_t byte) {
    uint16_t in = link->ring_in;
    uint16_t next = (uint16_t)((in + 1u) & (ASC_LINK_RING_BYTES - 1u));

    if (next == link->ring_out) {
        link->overrun = link->overrun + 1u;
        return;
    }
    link->ring[in] = byte;
    link->ring_in = next; /* last: from now on the other side may read it */
}

void asc_link_poll(asc_link_t *link) {
    asc_frame_t frame;

    while (link->ring_out != link->ring_in) {
        uint8_t byte = link->ring[link->ring_out];

        link->ring_out = (uint16_t)((link->ring_out + 1u) & (ASC_LINK_RING_BYTES - 1u));
        if (asc_frame_read(&link->reader, byte, &frame)) {
            take(link, &frame);
        }
    }
    if (link->tries_left != 0u) {
        uint64_t now_us = link->port.now_us(link->port.context);

        if (now_us >= link->repeat_us) {
            link->tries_left--;
            link->repeat_us = now_us + ASC_LINK_REPEAT_US;
            send_hello(link, 0, 1);
        }
    }
}

int asc_link_wants(const asc_link_t *link, uint16_t kind) {
    return (link->wanted & kind) != 0u;
}

/* Counts what comes, and begins its frame if there is room for it; else it is dropped. */
static int begin_flow(asc_link_t *link, asc_link_flow_t *flow, uint8_t type, uint32_t count,
                      size_t payload) {
    uint8_t head[FLOW_BYTES];
    uint32_t position = flow->position;

    flow->position += count;
    if (!has_room(link, FLOW_BYTES + payload)) {
        flow->dropped += count;
        return 0;
    }
    asc_set32(head, position);
    asc_set32(head + 4, flow->dropped);
    asc_set16(head + 8, link->stream);
    asc_frame_begin(&link->writer, type, link->sequence++);
    asc_frame_put(&link->writer, head, sizeof head);
    return 1;
}

int asc_link_send_pcm(asc_link_t *link, const int16_t *samples, size_t count) {
    size_t i;

    if (!asc_link_wants(link, ASC_LINK_CAN_PCM) ||
        !begin_flow(link, &link->sound, ASC_LINK_PCM, (uint32_t)count, 2u * count)) {
        return 0;
    }
    for (i = 0; i < count; i++) { /* by value: little-endian whatever the processor is */
        uint8_t bytes[2];

        asc_set16(bytes, (uint16_t)samples[i]);
        asc_frame_put(&link->writer, bytes, sizeof bytes);
    }
    asc_frame_end(&link->writer);
    return 1;
}

int asc_link_send_adpcm(asc_link_t *link, asc_adpcm_t *state, const int16_t *samples,
                        size_t count) {
    uint8_t bytes[32];
    size_t done;

    if (!asc_link_wants(link, ASC_LINK_CAN_ADPCM) ||
        !begin_flow(link, &link->sound, ASC_LINK_ADPCM, (uint32_t)count, 4u + (count + 1u) / 2u)) {
        return 0;
    }
    asc_set16(bytes, (uint16_t)state->predictor);
    bytes[2] = state->index;
    bytes[3] = (uint8_t)(count % 2u);
    asc_frame_put(&link->writer, bytes, 4);
    for (done = 0; done < count;) {
        size_t part = count - done < 64u ? count - done : 64u;

        asc_adpcm_encode(state, samples + done, part, bytes);
        asc_frame_put(&link->writer, bytes, (part + 1u) / 2u);
        done += part;
    }
    asc_frame_end(&link->writer);
    return 1;
}

int asc_link_send_features(asc_link_t *link, const int8_t *values, size_t count, uint8_t bands) {
    size_t size = count * bands;

    if (!asc_link_wants(link, ASC_LINK_CAN_FEATURES) ||
        !begin_flow(link, &link->features, ASC_LINK_FEATURES, (uint32_t)count, 1u + size)) {
        return 0;
    }
    asc_frame_put(&link->writer, &bands, 1);
    asc_frame_put(&link->writer, (const uint8_t *)values, size);
    asc_frame_end(&link->writer);
    return 1;
}

/* Estimates and lines that find no room leave a hole in the numbers, which the host counts. */
static int begin_message(asc_link_t *link, uint16_t kind, uint8_t type, size_t payload) {
    uint16_t sequence;

    if (!asc_link_wants(link, kind)) {
        return 0;
    }
    sequence = link->sequence++;
    if (!has_room(link, payload)) {
        return 0;
    }
    asc_frame_begin(&link->writer, type, sequence);
    return 1;
}

int asc_link_send_estimate(asc_link_t *link, uint64_t end_us, uint8_t flags, const int16_t *values,
                           uint8_t count) {
    uint8_t head[12];
    uint8_t i;

    if (!begin_message(link, ASC_LINK_CAN_ESTIMATES, ASC_LINK_ESTIMATE, 12u + 2u * (size_t)count)) {
        return 0;
    }
    asc_set16(head, link->stream);
    asc_set64(head + 2, end_us);
    head[10] = flags;
    head[11] = count;
    asc_frame_put(&link->writer, head, sizeof head);
    for (i = 0; i < count; i++) {
        asc_set16(head, (uint16_t)values[i]);
        asc_frame_put(&link->writer, head, 2);
    }
    asc_frame_end(&link->writer);
    return 1;
}

int asc_link_send_log(asc_link_t *link, uint8_t level, const char *text) {
    size_t count = text_bytes(text, ASC_LINK_TEXT_BYTES);
    uint8_t head[3];

    if (!begin_message(link, ASC_LINK_CAN_LOG, ASC_LINK_LOG, sizeof head + count)) {
        return 0;
    }
    asc_set16(head, link->stream);
    head[2] = level;
    asc_frame_put(&link->writer, head, sizeof head);
    asc_frame_put(&link->writer, (const uint8_t *)text, count);
    asc_frame_end(&link->writer);
    return 1;
}

void asc_link_count_lost(asc_link_t *link, uint32_t samples) {
    link->sound.position += samples;
    link->sound.dropped += samples;
}
