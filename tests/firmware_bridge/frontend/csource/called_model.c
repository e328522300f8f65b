/* Networks that a test computes: a library for ctypes. */
#include "asc.h"

typedef void (*network_fn)(int8_t *arena);

static network_fn encoder, head;

void set_networks(network_fn new_encoder, network_fn new_head);
uint32_t memory_bytes(void);
const char *scene_name(uint32_t scene);
const char *city_name(uint32_t city);

void set_networks(network_fn new_encoder, network_fn new_head) {
    encoder = new_encoder;
    head = new_head;
}

uint32_t memory_bytes(void) {
    return ASC_MEMORY_BYTES;
}

const char *scene_name(uint32_t scene) {
    return asc_scene_names[scene];
}

const char *city_name(uint32_t city) {
    return asc_city_names[city];
}

void asc_encoder_run(int8_t *arena) {
    encoder(arena);
}

void asc_head_run(int8_t *arena) {
    head(arena);
}
