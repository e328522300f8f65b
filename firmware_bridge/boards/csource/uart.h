/* The CMSDK UART of Arm's MPS2 and MPS3 boards: sent by waiting, received by interrupt into a ring.
 */
#ifndef ASC_UART_H
#define ASC_UART_H

#include <stddef.h>
#include <stdint.h>

void asc_uart_start(void);
void asc_uart_write(const uint8_t *bytes, size_t count);
/* The next byte that came, or -1. */
int asc_uart_read(void);
/* Sleeps until an interrupt, unless a byte waits. */
void asc_uart_doze(void);
/* Bytes that came while the ring was full. */
uint32_t asc_uart_lost(void);

#endif
