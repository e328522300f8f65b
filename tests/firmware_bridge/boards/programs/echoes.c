/* Sends each line back in capitals, until one is "end"; then tells what was lost. */
#include "port.h"
#include "uart.h"

int main(void) {
    uint8_t line[64];
    uint32_t size = 0;
    asc_uart_start();
    for (;;) {
        const uint8_t byte = (uint8_t)asc_uart_wait();
        line[size++] = byte >= 'a' && byte <= 'z' ? (uint8_t)(byte - 'a' + 'A') : byte;
        if (byte == '\n') {
            asc_uart_write(line, size);
            if (size == 4 && line[0] == 'E' && line[1] == 'N' && line[2] == 'D') {
                return (int)asc_uart_lost();
            }
            size = 0;
        }
    }
}
