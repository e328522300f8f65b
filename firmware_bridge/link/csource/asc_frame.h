/* Frames of the serial link: 0x00, COBS(version, type, sequence, payload, CRC-32), 0x00.
 *
 * docs/link.md says why; link/vectors.json holds examples that C and Python are held against.
 * No globals, no malloc: a writer and a reader are the caller's, and several may be at work.
 */
#ifndef ASC_FRAME_H
#define ASC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASC_LINK_VERSION 1u

#define ASC_FRAME_HEAD_BYTES 4u /* version, type, sequence number (little-endian) */
#define ASC_FRAME_CRC_BYTES 4u

#define ASC_FRAME_OUT_BYTES 512u /* what is handed to `write` at once, at most; >= 256 */

/* Bytes on the line of a frame with `payload` bytes, at most. */
#define ASC_FRAME_LINE_BYTES(payload) ((payload) + 8u + ((payload) + 8u) / 254u + 1u + 2u)

/* Takes all `count` bytes, waiting if it must. */
typedef void asc_write_fn(void *context, const uint8_t *bytes, size_t count);

typedef struct {
    asc_write_fn *write;
    void *context;
    uint32_t crc;
    uint16_t count;   /* bytes in `out` */
    uint16_t code_at; /* where the code of the unfinished COBS block goes */
    uint8_t out[ASC_FRAME_OUT_BYTES];
} asc_frame_writer_t;

void asc_frame_writer_init(asc_frame_writer_t *writer, asc_write_fn *write, void *context);
void asc_frame_begin(asc_frame_writer_t *writer, uint8_t type, uint16_t sequence);
void asc_frame_put(asc_frame_writer_t *writer, const uint8_t *bytes, size_t count);
void asc_frame_end(asc_frame_writer_t *writer);

typedef struct {
    uint8_t *bytes;   /* the caller's; holds head and payload of the frame last read */
    size_t capacity;  /* of `bytes`: payload + 8 */
    size_t count;     /* decoded so far */
    uint8_t left;     /* bytes that the COBS block still has */
    uint8_t code;     /* of that block; 0 before the first one */
    uint8_t spoiled;  /* longer than `capacity`: skipped to the next 0x00 */
    uint32_t damaged; /* pieces between two 0x00 that were no frame */
} asc_frame_reader_t;

/* What a whole frame held; `payload` points into the reader's bytes, until the next byte. */
typedef struct {
    uint8_t version;
    uint8_t type;
    uint16_t sequence;
    const uint8_t *payload;
    size_t payload_bytes;
} asc_frame_t;

void asc_frame_reader_init(asc_frame_reader_t *reader, uint8_t *bytes, size_t capacity);

/* Takes a byte from the line; 1 when it completes a frame whose check sum is right. */
int asc_frame_read(asc_frame_reader_t *reader, uint8_t byte, asc_frame_t *frame);

/* CRC-32 of zlib: begin with 0, go on with the last value. */
uint32_t asc_crc32(uint32_t crc, const uint8_t *bytes, size_t count);

/* Little-endian numbers, wherever they lie. */
uint16_t asc_get16(const uint8_t *bytes);
uint32_t asc_get32(const uint8_t *bytes);
void asc_set16(uint8_t *bytes, uint16_t value);
void asc_set32(uint8_t *bytes, uint32_t value);
void asc_set64(uint8_t *bytes, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
