/* Loops of known length, longer than SysTick's 24 bits, too; and a stack of known depth. */
#include "port.h"

enum { SHORT_ROUNDS = 1000000, LONG_ROUNDS = 350000000, DEPTH_BYTES = 5000 };

static void print(uint64_t value) {
    char digits[24];
    uint32_t start = sizeof digits;
    digits[--start] = '\0';
    digits[--start] = '\n';
    do {
        digits[--start] = (char)('0' + (char)(value % 10u));
        value /= 10u;
    } while (value > 0);
    asc_port_print(digits + start);
}

static void loop(uint32_t rounds) {
    const uint64_t before = asc_port_ticks();
    asc_port_known_loop(rounds);
    print(asc_port_ticks() - before);
}

__attribute__((noinline)) static int use_stack(void) {
    volatile uint8_t bytes[DEPTH_BYTES];
    for (uint32_t index = 0; index < DEPTH_BYTES; index++) {
        bytes[index] = 1;
    }
    return bytes[DEPTH_BYTES / 2];
}

int main(void) {
    asc_port_start_clock(0);
    loop(SHORT_ROUNDS);
    loop(LONG_ROUNDS);
    asc_port_paint_stack();
    print(asc_port_stack_used());
    const int kept = use_stack();
    print(asc_port_stack_used());
    return kept - 1;
}
