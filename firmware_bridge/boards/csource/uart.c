#include "uart.h"

#include "registers.h"

#define UART_DATA ASC_REGISTER(ASC_BOARD_UART + 0u)
#define UART_STATE ASC_REGISTER(ASC_BOARD_UART + 4u)
#define UART_CONTROL ASC_REGISTER(ASC_BOARD_UART + 8u)
#define UART_CLEAR ASC_REGISTER(ASC_BOARD_UART + 12u)
#define UART_DIVIDER ASC_REGISTER(ASC_BOARD_UART + 16u)

enum {
    TRANSMIT_FULL = 1,
    RECEIVE_FULL = 2,
    ENABLE_TRANSMIT = 1,
    ENABLE_RECEIVE = 2,
    ENABLE_RECEIVE_INTERRUPT = 8,
    RECEIVE_INTERRUPT = 2,
    FASTEST_DIVIDER = 16, /* the least that the UART takes */
    RING_BYTES = 4096     /* a power of two */
};

static volatile uint8_t ring[RING_BYTES];
static volatile uint32_t written, taken; /* count for ever; their difference is what waits */
static volatile uint32_t lost;

void asc_uart_receive_handler(void);

void asc_uart_receive_handler(void) {
    /* Cleared before the bytes are read: a byte that comes after the last test must interrupt
       again. */
    UART_CLEAR = RECEIVE_INTERRUPT;
    while ((UART_STATE & RECEIVE_FULL) != 0) {
        const uint8_t byte = (uint8_t)UART_DATA;
        if (written - taken < RING_BYTES) {
            ring[written % RING_BYTES] = byte;
            written++;
        } else {
            lost++;
        }
    }
}

void asc_uart_start(void) {
    UART_DIVIDER = FASTEST_DIVIDER;
    UART_CONTROL = ENABLE_TRANSMIT | ENABLE_RECEIVE | ENABLE_RECEIVE_INTERRUPT;
    INTERRUPT_ENABLE(ASC_BOARD_UART_RECEIVE_INTERRUPT) =
        1u << (ASC_BOARD_UART_RECEIVE_INTERRUPT % 32u);
    __asm volatile("cpsie i" ::: "memory");
}

void asc_uart_write(const uint8_t *bytes, size_t count) {
    for (size_t index = 0; index < count; index++) {
        while ((UART_STATE & TRANSMIT_FULL) != 0) {
        }
        UART_DATA = bytes[index];
    }
}

int asc_uart_read(void) {
    if (written == taken) {
        return -1;
    }
    const uint8_t byte = ring[taken % RING_BYTES];
    taken++;
    return byte;
}

void asc_uart_doze(void) {
    /* An interrupt between the test and wfi would be slept through, were it not held back; one that
       is held back still wakes wfi. */
    __asm volatile("cpsid i" ::: "memory");
    if (written == taken) {
        __asm volatile("wfi");
    }
    __asm volatile("cpsie i\n isb" ::: "memory");
}

uint32_t asc_uart_lost(void) {
    return lost;
}
