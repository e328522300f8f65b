/* levels SOUND LEVELS FEATURES CHUNK...: sound of a file through the front end, in chunks of these
 * sizes in turn; writes levels and features of each cell that it fills. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asc_frontend.h"

static asc_frontend_t frontend;
static asc_frontend_work_t work;
static int8_t features[ASC_CELL_FEATURES];

static FILE *opened(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    return file;
}

static void take(const int16_t *samples, size_t count, FILE *levels_file, FILE *features_file) {
    while (count > 0) {
        const size_t num_taken = asc_frontend_take(&frontend, &work, samples, count);
        samples += num_taken;
        count -= num_taken;
        if (asc_frontend_is_full(&frontend)) {
            fwrite(work.levels, sizeof work.levels, 1, levels_file);
            asc_frontend_features(&frontend, &work, features);
            fwrite(features, sizeof features, 1, features_file);
        }
    }
}

int main(int num_arguments, char **arguments) {
    if (num_arguments < 5) {
        return 2;
    }
    FILE *sound = opened(arguments[1], "rb");
    FILE *levels_file = opened(arguments[2], "wb"), *features_file = opened(arguments[3], "wb");
    asc_frontend_reset(&frontend);
    for (int turn = 4;; turn = turn + 1 < num_arguments ? turn + 1 : 4) {
        const size_t wanted = (size_t)strtoul(arguments[turn], NULL, 10);
        /* Exactly as large as the chunk, so that the sanitizer sees what reads beyond it. */
        int16_t *chunk = malloc(wanted * sizeof *chunk);
        const size_t count = fread(chunk, sizeof *chunk, wanted, sound);
        int16_t *exact = malloc(count > 0 ? count * sizeof *exact : 1);
        if (chunk == NULL || exact == NULL) {
            return 2;
        }
        memcpy(exact, chunk, count * sizeof *exact);
        take(exact, count, levels_file, features_file);
        free(exact);
        free(chunk);
        if (count < wanted) {
            break;
        }
    }
    fclose(sound);
    return fclose(levels_file) != 0 || fclose(features_file) != 0;
}
