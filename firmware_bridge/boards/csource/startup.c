/* Start-up of a Cortex-M program: vector table, memory, FPU, main(). For emulated boards and as a
   pattern for real ones. The linker script is board.ld.in. */
#include <stdint.h>

#include "port.h"
#include "registers.h"

enum { INTERRUPTS = 64 };

extern uint32_t asc_data_load[], asc_data_start[], asc_data_end[];
extern uint32_t asc_bss_start[], asc_bss_end[], asc_stack_top[];

int main(void);
void asc_reset_handler(void);
void asc_systick_handler(void);
void asc_uart_receive_handler(void);
void asc_report_fault(const uint32_t *stacked);

typedef void (*asc_handler)(void);
typedef struct {
    uint32_t *stack_top;
    asc_handler exceptions[15];
    asc_handler interrupts[INTERRUPTS];
} asc_vector_table;

/* A program without a UART, or without a clock, links too. */
__attribute__((weak)) void asc_uart_receive_handler(void) {
    asc_port_exit(ASC_PORT_FAULT);
}

static void print_hex(uint32_t value) {
    char text[10] = "00000000 ";
    for (int digit = 7; digit >= 0; digit--, value >>= 4) {
        text[digit] = "0123456789abcdef"[value & 15u];
    }
    asc_port_print(text);
}

/* `stacked` is what the core pushed: r0-r3, r12, lr, pc, xpsr. */
void asc_report_fault(const uint32_t *stacked) {
    asc_port_print("fault: status, pc, lr: ");
    print_hex(FAULT_STATUS);
    /* A stack that overflowed out of memory has nothing to be read. */
    if ((uintptr_t)stacked < (uintptr_t)asc_stack_top) {
        print_hex(stacked[6]);
        print_hex(stacked[5]);
    }
    asc_port_fail("", ASC_PORT_FAULT);
}

__attribute__((naked)) static void fault_handler(void) {
    __asm volatile("mrs r0, msp\n b asc_report_fault");
}

__attribute__((section(".vectors"), used)) const asc_vector_table asc_vectors = {
    asc_stack_top,
    {asc_reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler,
     fault_handler, 0, 0, 0, fault_handler, fault_handler, 0, fault_handler, asc_systick_handler},
    {[ASC_BOARD_UART_RECEIVE_INTERRUPT] = asc_uart_receive_handler},
};

void asc_reset_handler(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    COPROCESSOR_ACCESS |= FPU_FULL_ACCESS;
    __asm volatile("dsb\n isb");
#endif
    const uint32_t *from = asc_data_load;
    for (uint32_t *to = asc_data_start; to < asc_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = asc_bss_start; to < asc_bss_end; to++) {
        *to = 0;
    }
    asc_port_paint_stack();
    asc_port_exit(main());
}
