#include "asc_frame.h"

uint16_t asc_get16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | (uint16_t)(bytes[1] << 8));
}

uint32_t asc_get32(const uint8_t *bytes) {
    return asc_get16(bytes) | ((uint32_t)asc_get16(bytes + 2) << 16);
}

void asc_set16(uint8_t *bytes, uint16_t value) {
    bytes[0] = (uint8_t)(value & 0xffu);
    bytes[1] = (uint8_t)(value >> 8);
}

void asc_set32(uint8_t *bytes, uint32_t value) {
    asc_set16(bytes, (uint16_t)(value & 0xffffu));
    asc_set16(bytes + 2, (uint16_t)(value >> 16));
}

void asc_set64(uint8_t *bytes, uint64_t value) {
    asc_set32(bytes, (uint32_t)(value & 0xffffffffu));
    asc_set32(bytes + 4, (uint32_t)(value >> 32));
}

uint32_t asc_crc32(uint32_t crc, const uint8_t *bytes, size_t count) {
    /* A table of half a byte: 64 bytes of flash instead of 1024, at two steps a byte. */
    static const uint32_t table[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu,
                                       0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
                                       0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                       0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    size_t i;

    crc = ~crc;
    for (i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return ~crc;
}

/* Ends a COBS block. What is complete is written when another whole block might not fit. */
static void close_block(asc_frame_writer_t *writer) {
    writer->out[writer->code_at] = (uint8_t)(writer->count - writer->code_at);
    if (writer->count > ASC_FRAME_OUT_BYTES - 256u) {
        writer->write(writer->context, writer->out, writer->count);
        writer->count = 0;
    }
    writer->code_at = writer->count++;
}

static void put_encoded(asc_frame_writer_t *writer, const uint8_t *bytes, size_t count) {
    size_t i;

    for (i = 0; i < count; i++) {
        if (writer->count - writer->code_at == 255) { /* full; only now, since more follows */
            close_block(writer);
        }
        if (bytes[i] == 0u) {
            close_block(writer);
        } else {
            writer->out[writer->count++] = bytes[i];
        }
    }
}

void asc_frame_writer_init(asc_frame_writer_t *writer, asc_write_fn *write, void *context) {
    writer->write = write;
    writer->context = context;
    writer->crc = 0;
    writer->count = 0;
    writer->code_at = 0;
}

void asc_frame_begin(asc_frame_writer_t *writer, uint8_t type, uint16_t sequence) {
    uint8_t head[ASC_FRAME_HEAD_BYTES];

    /* A 0x00 of its own before each frame: one that is lost behind the last frame harms no other.
     */
    writer->out[0] = 0u;
    writer->code_at = 1;
    writer->count = 2;
    writer->crc = 0;
    head[0] = ASC_LINK_VERSION;
    head[1] = type;
    asc_set16(head + 2, sequence);
    asc_frame_put(writer, head, sizeof head);
}

void asc_frame_put(asc_frame_writer_t *writer, const uint8_t *bytes, size_t count) {
    writer->crc = asc_crc32(writer->crc, bytes, count);
    put_encoded(writer, bytes, count);
}

void asc_frame_end(asc_frame_writer_t *writer) {
    uint8_t crc[ASC_FRAME_CRC_BYTES];

    asc_set32(crc, writer->crc);
    put_encoded(writer, crc, sizeof crc);
    writer->out[writer->code_at] = (uint8_t)(writer->count - writer->code_at);
    writer->out[writer->count++] = 0u;
    writer->write(writer->context, writer->out, writer->count);
    writer->count = 0;
}

static void restart(asc_frame_reader_t *reader) {
    reader->count = 0;
    reader->left = 0;
    reader->code = 0;
    reader->spoiled = 0;
}

void asc_frame_reader_init(asc_frame_reader_t *reader, uint8_t *bytes, size_t capacity) {
    reader->bytes = bytes;
    reader->capacity = capacity;
    reader->damaged = 0;
    restart(reader);
}

static void append(asc_frame_reader_t *reader, uint8_t byte) {
    if (reader->count == reader->capacity) {
        reader->spoiled = 1;
    } else {
        reader->bytes[reader->count++] = byte;
    }
}

static int is_frame(const asc_frame_reader_t *reader) {
    size_t body;

    if (reader->spoiled || reader->left != 0u ||
        reader->count < ASC_FRAME_HEAD_BYTES + ASC_FRAME_CRC_BYTES) {
        return 0;
    }
    body = reader->count - ASC_FRAME_CRC_BYTES;
    return asc_crc32(0, reader->bytes, body) == asc_get32(reader->bytes + body);
}

int asc_frame_read(asc_frame_reader_t *reader, uint8_t byte, asc_frame_t *frame) {
    int found;

    if (byte != 0u) {
        if (reader->left != 0u) {
            append(reader, byte);
            reader->left--;
        } else {
            if (reader->code != 0u && reader->code != 255u) {
                append(reader, 0u);
            }
            reader->code = byte;
            reader->left = (uint8_t)(byte - 1u);
        }
        return 0;
    }
    if (reader->code == 0u) { /* nothing between two zeros: they may be doubled */
        return 0;
    }
    found = is_frame(reader);
    if (found) {
        frame->version = reader->bytes[0];
        frame->type = reader->bytes[1];
        frame->sequence = asc_get16(reader->bytes + 2);
        frame->payload = reader->bytes + ASC_FRAME_HEAD_BYTES;
        frame->payload_bytes = reader->count - ASC_FRAME_HEAD_BYTES - ASC_FRAME_CRC_BYTES;
    } else {
        reader->damaged++;
    }
    restart(reader);
    return found;
}
