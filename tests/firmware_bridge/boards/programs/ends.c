/* Ends with the code 7, after a line and a file. */
#include "port.h"

int main(void) {
    const int32_t in = asc_port_open("in.txt", 0);
    char text[64];
    const uint32_t size = in < 0 ? 0 : asc_port_read(in, text, sizeof text);
    const int32_t out = asc_port_open("out.txt", 1);
    asc_port_write(out, text, size);
    asc_port_close(out);
    asc_port_print("done\n");
    return 7;
}
