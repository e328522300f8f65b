/* Runs the self-test of a package of one network, and the network on noise, and counts. */
#include "asc_model.h"
#include "asc_selftest.h"
#include "measuring.h"
#include "port.h"

static union {
    int8_t network[ASC_NETWORK_ARENA_BYTES];
    int8_t selftest[ASC_SELFTEST_MEMORY_BYTES];
    int64_t alignment;
} arena;

int main(void) {
    asc_windows_t noise = asc_windows_open("");
    asc_measuring_start();
    asc_measuring_selftest(&arena);
    (void)asc_windows_first(&noise, arena.network, sizeof arena.network);
    asc_port_paint_stack();
    const uint64_t before = asc_port_ticks();
    asc_network_run(arena.network);
    asc_measuring_report("network_ticks", asc_port_ticks() - before);
    asc_measuring_report("stack", asc_port_stack_used());
    return 0;
}
