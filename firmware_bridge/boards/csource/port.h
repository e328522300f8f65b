/* What a measuring program needs of the machine under it: the files of the computer that emulates
   the board, counted instructions, the depth of the stack. port_board.c has it for boards in QEMU,
   port_host.c for a computer. */
#ifndef ASC_PORT_H
#define ASC_PORT_H

#include <stdint.h>

enum { ASC_PORT_FAULT = 99 }; /* the exit code of a processor that stopped with a fault */

/* A handle, or -1. Paths are relative to the folder in which the emulator was started. */
int32_t asc_port_open(const char *path, int for_writing);
/* Bytes that were read: fewer than `size` at the end of the file. */
uint32_t asc_port_read(int32_t file, void *data, uint32_t size);
/* Ends the program with a message when not all could be written. */
void asc_port_write(int32_t file, const void *data, uint32_t size);
void asc_port_close(int32_t file);

/* A line for people, ended by the caller's '\n'. */
void asc_port_print(const char *text);
void asc_port_exit(int code);
/* Prints `why` and ends the program with `code`. */
void asc_port_fail(const char *why, int code);

/* The processor's clock. `wake_us`: it interrupts so often, which ends a sleep; 0: as rarely as it
   can. */
void asc_port_start_clock(uint32_t wake_us);
/* Ticks since then; 0 where none can be counted. */
uint64_t asc_port_ticks(void);
uint64_t asc_port_now_us(void);
/* Takes exactly 2 * `rounds` instructions, and a handful around them: shows what a tick is. */
void asc_port_known_loop(uint32_t rounds);

/* Fills the unused stack with a pattern; how many bytes of it have been used since, the caller's
   own included. 0 where that is not known. */
void asc_port_paint_stack(void);
uint32_t asc_port_stack_used(void);

#endif
