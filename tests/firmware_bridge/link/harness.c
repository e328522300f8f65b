/* Runs the codec on lines of standard input, one answer a line:
 *
 *     e TYPE SEQUENCE PAYLOAD   encode a frame               -> its bytes
 *     d BYTES                   decode what came on a line   -> frames, then pieces that were none
 *     a PREDICTOR INDEX SAMPLES encode IMA ADPCM             -> bytes, predictor, index
 *
 * Bytes are written as hexadecimal digits, "-" for none; samples are little-endian.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asc_adpcm.h"
#include "asc_frame.h"

#define MOST_BYTES 20000u

static uint8_t bytes[MOST_BYTES];
static uint8_t decoded[4096 + 8];
static char line[2 * MOST_BYTES + 100];

static void print_bytes(const uint8_t *from, size_t count) {
    size_t i;

    for (i = 0; i < count; i++) {
        printf("%02x", from[i]);
    }
}

static void write_out(void *context, const uint8_t *from, size_t count) {
    (void)context;
    print_bytes(from, count);
}

static size_t parse(const char *digits) {
    size_t count = 0;

    while (digits[2 * count] != '\0' && digits[2 * count] != '-') {
        unsigned value;

        if (sscanf(digits + 2 * count, "%2x", &value) != 1) {
            exit(3);
        }
        bytes[count++] = (uint8_t)value;
    }
    return count;
}

static void encode(unsigned type, unsigned sequence, size_t count) {
    asc_frame_writer_t writer;

    asc_frame_writer_init(&writer, write_out, NULL);
    asc_frame_begin(&writer, (uint8_t)type, (uint16_t)sequence);
    asc_frame_put(&writer, bytes, count / 2); /* in two parts: it must not matter */
    asc_frame_put(&writer, bytes + count / 2, count - count / 2);
    asc_frame_end(&writer);
}

static void decode(size_t count) {
    asc_frame_reader_t reader;
    asc_frame_t frame;
    size_t i;

    asc_frame_reader_init(&reader, decoded, sizeof decoded);
    for (i = 0; i < count; i++) {
        if (asc_frame_read(&reader, bytes[i], &frame)) {
            printf("%u %u %u ", frame.version, frame.type, frame.sequence);
            print_bytes(frame.payload, frame.payload_bytes);
            printf(";");
        }
    }
    printf("%" PRIu32, reader.damaged);
}

static void encode_adpcm(int predictor, unsigned index, size_t count) {
    asc_adpcm_t state;
    static int16_t samples[MOST_BYTES / 2];
    static uint8_t codes[MOST_BYTES / 4 + 1];
    size_t i;

    for (i = 0; i < count / 2; i++) {
        samples[i] = (int16_t)asc_get16(bytes + 2 * i);
    }
    asc_adpcm_init(&state);
    state.predictor = (int16_t)predictor;
    state.index = (uint8_t)index;
    asc_adpcm_encode(&state, samples, count / 2, codes);
    print_bytes(codes, (count / 2 + 1) / 2);
    printf(" %d %u", state.predictor, state.index);
}

int main(void) {
    while (fgets(line, sizeof line, stdin) != NULL) {
        unsigned first, second;
        int predictor;
        int digits = 0;

        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "e %u %u %n", &first, &second, &digits) == 2) {
            encode(first, second, parse(line + digits));
        } else if (sscanf(line, "a %d %u %n", &predictor, &first, &digits) == 2) {
            encode_adpcm(predictor, first, parse(line + digits));
        } else if (line[0] == 'd') {
            decode(parse(line + 2));
        } else {
            return 2;
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
