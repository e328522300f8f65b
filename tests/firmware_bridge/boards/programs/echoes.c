/* Sends each line back in capitals, until a line begins with a dot; its exit code is what was lost.
   The dot is not answered: what is on its way to a terminal when QEMU ends is lost. */
#include "port.h"
#include "uart.h"

int main(void) {
    uint8_t line[64];
    uint32_t size = 0;
    asc_uart_start();
    for (;;) {
        const int next = asc_uart_read();
        if (next < 0) {
            asc_uart_doze();
            continue;
        }
        const uint8_t byte = (uint8_t)next;
        if (byte == '.' && size == 0) {
            return (int)asc_uart_lost();
        }
        line[size++] = byte >= 'a' && byte <= 'z' ? (uint8_t)(byte - 'a' + 'A') : byte;
        if (byte == '\n') {
            asc_uart_write(line, size);
            size = 0;
        }
    }
}
