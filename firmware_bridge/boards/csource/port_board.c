/* port.h for a Cortex-M in QEMU: semihosting, SysTick, a painted stack. */
#include "port.h"

#include <stddef.h>

#include "registers.h"

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT_EXTENDED = 0x20,
    APPLICATION_EXIT = 0x20026,
    READ_BINARY = 1, /* fopen's "rb" */
    WRITE_BINARY = 5 /* "wb" */
};

#define COUNTER_TOP 0xFFFFFFu /* SysTick has 24 bits */

static const uint32_t PAINT = 0xA5C3A5C3u;

extern uint32_t asc_stack_bottom[], asc_stack_top[]; /* of the linker script */

enum { TICKS_PER_US = ASC_BOARD_CLOCK_HZ / 1000000 };

static volatile uint32_t wraps;
static uint32_t top = COUNTER_TOP;

/* Arm semihosting: the operation in r0, the address of its arguments in r1, the answer in r0. */
static int32_t call_host(int32_t operation, const void *arguments) {
    register int32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = arguments;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t length(const char *text) {
    uint32_t size = 0;
    while (text[size] != '\0') {
        size++;
    }
    return size;
}

int32_t asc_port_open(const char *path, int for_writing) {
    const uint32_t mode = for_writing ? WRITE_BINARY : READ_BINARY;
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)path, mode, length(path)};
    return call_host(SYS_OPEN, arguments);
}

uint32_t asc_port_read(int32_t file, void *data, uint32_t size) {
    uint8_t *bytes = data;
    uint32_t left = size;
    while (left > 0) {
        const uint32_t place = (uint32_t)(uintptr_t)(bytes + (size - left));
        const uint32_t arguments[3] = {(uint32_t)file, place, left};
        const uint32_t not_read = (uint32_t)call_host(SYS_READ, arguments);
        if (not_read >= left) {
            break;
        }
        left = not_read;
    }
    return size - left;
}

void asc_port_write(int32_t file, const void *data, uint32_t size) {
    const uint32_t arguments[3] = {(uint32_t)file, (uint32_t)(uintptr_t)data, size};
    if (call_host(SYS_WRITE, arguments) != 0) {
        asc_port_fail("a file could not be written", ASC_PORT_FAULT);
    }
}

void asc_port_close(int32_t file) {
    const uint32_t arguments[1] = {(uint32_t)file};
    (void)call_host(SYS_CLOSE, arguments);
}

void asc_port_print(const char *text) {
    (void)call_host(SYS_WRITE0, text);
}

void asc_port_exit(int code) {
    const uint32_t arguments[2] = {APPLICATION_EXIT, (uint32_t)code};
    for (;;) {
        (void)call_host(SYS_EXIT_EXTENDED, arguments);
    }
}

void asc_port_fail(const char *why, int code) {
    asc_port_print(why);
    asc_port_print("\n");
    asc_port_exit(code);
}

void asc_systick_handler(void) {
    wraps++;
}

void asc_port_start_clock(uint32_t wake_us) {
    top = wake_us == 0 ? COUNTER_TOP : wake_us * TICKS_PER_US - 1u;
    SYSTICK_CONTROL = 0;
    wraps = 0;
    SYSTICK_RELOAD = top;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = SYSTICK_ENABLE | SYSTICK_INTERRUPT | SYSTICK_PROCESSOR_CLOCK;
    while (SYSTICK_VALUE == 0) { /* the first tick loads it */
    }
}

uint64_t asc_port_ticks(void) {
    __asm volatile("cpsid i" ::: "memory");
    uint32_t value = SYSTICK_VALUE;
    uint32_t rounds = wraps;
    if ((INTERRUPT_STATE & SYSTICK_PENDING) != 0) { /* wrapped, and not counted yet */
        value = SYSTICK_VALUE;
        rounds++;
    }
    __asm volatile("cpsie i" ::: "memory");
    return (uint64_t)rounds * ((uint64_t)top + 1u) + (top - value);
}

uint64_t asc_port_now_us(void) {
    return asc_port_ticks() / TICKS_PER_US;
}

void asc_port_known_loop(uint32_t rounds) {
    __asm volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(rounds)::"cc");
}

void asc_port_paint_stack(void) {
    volatile uint32_t here = 0; /* everything below this is free but for this function's own */
    for (uint32_t *word = asc_stack_bottom; (uintptr_t)word + 64 < (uintptr_t)&here; word++) {
        *word = PAINT;
    }
}

uint32_t asc_port_stack_used(void) {
    const uint32_t *word = asc_stack_bottom;
    while (word < asc_stack_top && *word == PAINT) {
        word++;
    }
    return (uint32_t)((uintptr_t)asc_stack_top - (uintptr_t)word);
}
