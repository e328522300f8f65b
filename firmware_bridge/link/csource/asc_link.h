/* The device's end of the serial link to edge-asc; docs/link.md is its specification.
 *
 *     asc_link_init(&link, &device, &port);
 *     asc_link_announce(&link);                 once, after a reset
 *     ISR:   asc_link_receive(&link, byte);     for each byte that came; only fills a ring
 *     loop:  asc_link_poll(&link);              answers the host
 *            asc_link_send_pcm(&link, samples, count);
 *
 * All but asc_link_receive() are for one and the same thread. No globals, no malloc: asc_link_t is
 * the caller's, and a program may have several.
 */
#ifndef ASC_LINK_H
#define ASC_LINK_H

#include "asc_adpcm.h"
#include "asc_frame.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ASC_LINK_RING_BYTES
#define ASC_LINK_RING_BYTES 256u /* a power of two: what may come between two polls */
#endif
#if (ASC_LINK_RING_BYTES & (ASC_LINK_RING_BYTES - 1u)) != 0 || ASC_LINK_RING_BYTES > 32768u
#error "ASC_LINK_RING_BYTES must be a power of two, at most 32768"
#endif

#define ASC_LINK_RECEIVE_BYTES 64u /* the longest frame from the host has 17 */
#define ASC_LINK_NAME_BYTES 64u    /* a longer name is cut */
#define ASC_LINK_TEXT_BYTES 200u   /* a longer line of the log is cut */

#define ASC_LINK_REPEAT_US 500000u
#define ASC_LINK_TRIES 5u

/* Types of frames. */
enum {
    ASC_LINK_HELLO_REQUEST = 0x01,
    ASC_LINK_HELLO = 0x02,
    ASC_LINK_ACK = 0x03,
    ASC_LINK_START = 0x04,
    ASC_LINK_STOP = 0x05,
    ASC_LINK_CONTEXT = 0x06,
    ASC_LINK_TIME_REQUEST = 0x07,
    ASC_LINK_TIME_ANSWER = 0x08,
    ASC_LINK_PCM = 0x10,
    ASC_LINK_ADPCM = 0x11,
    ASC_LINK_FEATURES = 0x12,
    ASC_LINK_ESTIMATE = 0x13,
    ASC_LINK_LOG = 0x14
};

/* What a device can do, and what a host asks it to send. */
enum {
    ASC_LINK_CAN_PCM = 0x01,
    ASC_LINK_CAN_ADPCM = 0x02,
    ASC_LINK_CAN_FEATURES = 0x04,
    ASC_LINK_CAN_ESTIMATES = 0x08,
    ASC_LINK_CAN_LOG = 0x10,
    ASC_LINK_CAN_CONTEXT = 0x20
};

/* How an ACK answers. */
enum { ASC_LINK_DONE = 0, ASC_LINK_CANNOT = 1, ASC_LINK_MALFORMED = 2 };

/* Flags of an estimate. */
enum {
    ASC_LINK_AFTER_GAP = 0x01,    /* the first one after lost sound */
    ASC_LINK_PROBABILITIES = 0x02 /* values are probabilities in 1/32767; else logits in 1/256 */
};

#define ASC_LINK_UNKNOWN_CITY 255u

typedef struct {
    uint8_t city;  /* into the model's cities, or ASC_LINK_UNKNOWN_CITY */
    uint8_t month; /* 1 to 12; 0: the time is unknown, and the rest of it is 0, too */
    uint8_t day;
    uint8_t weekday; /* 0 is Monday */
    uint8_t hour;
    uint8_t minute;
    uint8_t second;
    uint16_t year;
} asc_link_context_t;

/* What the device tells of itself; must outlive the link. */
typedef struct {
    uint16_t capabilities;
    uint32_t sample_rate_hz;
    const uint8_t *model_sha256; /* 32 bytes of the manifest's hash; NULL without a model */
    const char *name;            /* UTF-8 */
} asc_link_device_t;

typedef struct {
    asc_write_fn *write;
    /* Bytes that `write` takes without waiting; NULL: it may always wait, nothing is dropped. */
    size_t (*room)(void *context);
    /* Time since the reset; for repeating and for time sync. */
    uint64_t (*now_us)(void *context);
    /* Called by asc_link_poll(); NULL where the device has no CAN_CONTEXT. */
    void (*on_context)(void *context, const asc_link_context_t *scene_context);
    void *context;
} asc_link_port_t;

/* What was counted of one kind of data since START. */
typedef struct {
    uint32_t position; /* samples or frames of features so far, sent or not */
    uint32_t dropped;  /* of them not sent, for want of room or lost before */
} asc_link_flow_t;

typedef struct {
    const asc_link_device_t *device;
    asc_link_port_t port;
    asc_frame_writer_t writer;
    asc_frame_reader_t reader;
    uint8_t received[ASC_LINK_RECEIVE_BYTES];
    uint8_t ring[ASC_LINK_RING_BYTES];
    volatile uint16_t ring_in;  /* written by asc_link_receive() alone */
    volatile uint16_t ring_out; /* written by asc_link_poll() alone */
    volatile uint32_t overrun;  /* bytes that found the ring full */
    uint16_t wanted;            /* what the host asked for, ASC_LINK_CAN_...; 0: stopped */
    uint16_t stream;            /* the host's number of it */
    uint16_t sequence;          /* of the next frame of the stream */
    asc_link_flow_t sound;
    asc_link_flow_t features;
    uint8_t done_type; /* the control frame last carried out; 0: none */
    uint8_t done_status;
    uint16_t done_sequence;
    uint8_t tries_left; /* of the announcement */
    uint64_t repeat_us;
} asc_link_t;

void asc_link_init(asc_link_t *link, const asc_link_device_t *device, const asc_link_port_t *port);

/* Tells the host that the device was reset, and again until something comes from it, 5 times. */
void asc_link_announce(asc_link_t *link);

/* Takes a byte from the line; may be called by an interrupt. */
void asc_link_receive(asc_link_t *link, uint8_t byte);

/* Reads what came, answers, repeats; to be called often, at least every 100 ms. */
void asc_link_poll(asc_link_t *link);

/* Whether the host asked for this kind: one of ASC_LINK_CAN_... */
int asc_link_wants(const asc_link_t *link, uint16_t kind);

/* Each sends one frame. 1: sent. 0: not asked for, or no room, and then counted as dropped. */
int asc_link_send_pcm(asc_link_t *link, const int16_t *samples, size_t count);
/* `state` goes on from frame to frame. */
int asc_link_send_adpcm(asc_link_t *link, asc_adpcm_t *state, const int16_t *samples, size_t count);
/* `count` frames of `bands` values, one frame after the other. */
int asc_link_send_features(asc_link_t *link, const int8_t *values, size_t count, uint8_t bands);
/* `end_us`: the end of the window by the port's clock; `flags`: ASC_LINK_AFTER_GAP, ... */
int asc_link_send_estimate(asc_link_t *link, uint64_t end_us, uint8_t flags, const int16_t *values,
                           uint8_t count);
/* `level`: 0 debug, 1 information, 2 warning, 3 error. */
int asc_link_send_log(asc_link_t *link, uint8_t level, const char *text);

/* Samples that were lost before they came here, as when the converter was not read in time. */
void asc_link_count_lost(asc_link_t *link, uint32_t samples);

#ifdef __cplusplus
}
#endif

#endif
