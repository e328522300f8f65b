#include "port.h"
#include "registers.h"

int main(void) {
    ASC_REGISTER(0xF0000000u) = 1; /* no memory there */
    return 0;
}
