#include "asc.h"

int main(void) {
    return sizeof(asc_t) == 0;
}
