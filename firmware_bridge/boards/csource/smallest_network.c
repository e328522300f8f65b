/* The least that an application links of a package of one network. */
#include "asc_model.h"

static union {
    uint32_t alignment;
    int8_t bytes[ASC_NETWORK_ARENA_BYTES];
} arena;

int main(void) {
    for (;;) {
        asc_network_run(arena.bytes);
    }
}
