/* A cell of sound.bin through the front end: writes levels.bin, features.bin, and to
 * ticks.bin how many of the clock's ticks it took. */
#include "asc_frontend.h"
#include "port.h"

static asc_frontend_t frontend;
static asc_frontend_work_t work;
static int8_t features[ASC_CELL_FEATURES];
static int16_t sound[ASC_CELL_FRAMES * ASC_HOP_SAMPLES];

static void write_file(const char *path, const void *data, uint32_t size) {
    const int32_t file = asc_port_open(path, 1);
    asc_port_write(file, data, size);
    asc_port_close(file);
}

int main(void) {
    const int32_t file = asc_port_open("sound.bin", 0);
    if (asc_port_read(file, sound, sizeof sound) != sizeof sound) {
        asc_port_fail("sound.bin is too short\n", 2);
    }
    asc_port_close(file);
    asc_frontend_reset(&frontend);
    asc_port_start_clock(0);
    (void)asc_frontend_take(&frontend, &work, sound, ASC_CELL_FRAMES * ASC_HOP_SAMPLES);
    const uint32_t ticks = (uint32_t)asc_port_ticks();
    write_file("levels.bin", work.levels, sizeof work.levels);
    asc_frontend_features(&frontend, &work, features);
    write_file("features.bin", features, sizeof features);
    write_file("ticks.bin", &ticks, sizeof ticks);
    return 0;
}
