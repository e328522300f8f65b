/* run SOUND CHUNK...: sound of a file through asc.h, in chunks of these sizes in turn, with
 * networks that are checksums; prints a line for each result. Sound is lost, and context set, when
 * a chunk's size is 0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asc.h"

static asc_t classifier;

static uint32_t checksum(const int8_t *bytes, size_t count, uint32_t sum) {
    for (size_t index = 0; index < count; index++) {
        sum = (sum ^ (uint8_t)bytes[index]) * UINT32_C(16777619);
    }
    return sum;
}

/* Writes to every byte of its arena, as a network may. */
static void fill(int8_t *arena, size_t bytes, uint32_t sum) {
    for (size_t index = 0; index < bytes; index++) {
        sum = sum * UINT32_C(1664525) + UINT32_C(1013904223);
        arena[index] = (int8_t)((int32_t)(sum >> 24) - 128);
    }
}

void asc_encoder_run(int8_t *arena) {
    fill(arena, ASC_ENCODER_ARENA_BYTES,
         checksum(arena + ASC_ENCODER_INPUT_OFFSET, ASC_CELL_FEATURES, 1));
}

void asc_head_run(int8_t *arena) {
    uint32_t sum =
        checksum(arena + ASC_HEAD_STEPS_OFFSET, ASC_NUM_CELLS * ASC_STEP_BYTES_PER_CELL, 1);
    sum = checksum(arena + ASC_HEAD_CITY_OFFSET, ASC_NUM_CITIES + 1, sum);
    sum = checksum(arena + ASC_HEAD_TIME_OFFSET, ASC_TIME_FEATURES, sum);
    fill(arena, ASC_HEAD_ARENA_BYTES, sum);
}

static void print_result(int num_results) {
    asc_result_t result;
    asc_result(&classifier, &result);
    printf("%d %u %u %u", num_results, (unsigned)result.number, (unsigned)result.scene,
           (unsigned)result.after_gap);
    for (uint32_t scene = 0; scene < ASC_NUM_SCENES; scene++) {
        printf(" %d", result.logits[scene]);
    }
    printf("\n");
}

int main(int num_arguments, char **arguments) {
    FILE *sound = num_arguments < 3 ? NULL : fopen(arguments[1], "rb");
    if (sound == NULL) {
        return 2;
    }
    /* What was in memory before must not matter. */
    memset(&classifier, 0xa5, sizeof classifier);
    asc_init(&classifier);
    for (int turn = 2;; turn = turn + 1 < num_arguments ? turn + 1 : 2) {
        const size_t wanted = (size_t)strtoul(arguments[turn], NULL, 10);
        if (wanted == 0) {
            asc_reset(&classifier);
            if (asc_set_context(&classifier, 1, 61, 2, 3) != 0) {
                return 3;
            }
            continue;
        }
        int16_t *chunk = malloc(wanted * sizeof *chunk);
        if (chunk == NULL) {
            return 2;
        }
        const size_t count = fread(chunk, sizeof *chunk, wanted, sound);
        const int num_results = asc_process(&classifier, chunk, count);
        free(chunk);
        if (num_results > 0) {
            print_result(num_results);
        }
        if (count < wanted) {
            break;
        }
    }
    return fclose(sound);
}
