/* port.h for a computer: nothing is counted, and no stack is measured. */
#include "port.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILES = 8 };

static FILE *files[FILES];

int32_t asc_port_open(const char *path, int for_writing) {
    for (int32_t index = 0; index < FILES; index++) {
        if (files[index] == NULL) {
            files[index] = fopen(path, for_writing ? "wb" : "rb");
            return files[index] == NULL ? -1 : index;
        }
    }
    return -1;
}

uint32_t asc_port_read(int32_t file, void *data, uint32_t size) {
    return (uint32_t)fread(data, 1, size, files[file]);
}

void asc_port_write(int32_t file, const void *data, uint32_t size) {
    if (fwrite(data, 1, size, files[file]) != size) {
        asc_port_fail("a file could not be written", ASC_PORT_FAULT);
    }
}

void asc_port_close(int32_t file) {
    if (fclose(files[file]) != 0) {
        asc_port_fail("a file could not be written", ASC_PORT_FAULT);
    }
    files[file] = NULL;
}

void asc_port_print(const char *text) {
    (void)fputs(text, stdout);
}

void asc_port_exit(int code) {
    exit(code);
}

void asc_port_fail(const char *why, int code) {
    asc_port_print(why);
    asc_port_print("\n");
    asc_port_exit(code);
}

void asc_port_start_clock(uint32_t wake_us) {
    (void)wake_us;
}

uint64_t asc_port_ticks(void) {
    return 0;
}

uint64_t asc_port_now_us(void) {
    return 0;
}

void asc_port_known_loop(uint32_t rounds) {
    (void)rounds;
}

void asc_port_paint_stack(void) {
}

uint32_t asc_port_stack_used(void) {
    return 0;
}
