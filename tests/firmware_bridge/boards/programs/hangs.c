#include "port.h"

int main(void) {
    asc_port_print("still here\n");
    for (;;) {
        __asm volatile("nop");
    }
}
