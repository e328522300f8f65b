/* Calls LLVMFuzzerTestOneInput with mutated inputs where there is no libFuzzer:
 *
 *     fuzz_driver SEED SECONDS FILE...
 *
 * Each FILE is a good input. A step flips, inserts, deletes, copies or joins; the result is one of
 * the next step's inputs sometimes. Prints how many inputs it tried.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_INPUTS 256u
#define MOST_BYTES 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    size_t count;
    uint8_t bytes[MOST_BYTES];
} input_t;

static input_t inputs[MOST_INPUTS];
static uint64_t state;

static size_t below(size_t limit) {
    state ^= state << 13; /* xorshift64, Marsaglia 2003 */
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

static uint8_t some_byte(void) {
    return below(3) == 0 ? 0u : (uint8_t)below(256); /* zeros are borders: often */
}

static void mutate(input_t *input, const input_t *other) {
    size_t at = below(input->count + 1u);
    size_t length = 1u + below(below(8) == 0 ? 300u : 8u);
    size_t i;

    switch (below(6)) {
    case 0:
        if (at < input->count) {
            input->bytes[at] ^= (uint8_t)(1u << below(8));
        }
        break;
    case 1:
        if (at < input->count) {
            input->bytes[at] = some_byte();
        }
        break;
    case 2: /* delete */
        length = length < input->count - at ? length : input->count - at;
        memmove(input->bytes + at, input->bytes + at + length, input->count - at - length);
        input->count -= length;
        break;
    case 3: /* insert */
        length = length < MOST_BYTES - input->count ? length : MOST_BYTES - input->count;
        memmove(input->bytes + at + length, input->bytes + at, input->count - at);
        for (i = 0; i < length; i++) {
            input->bytes[at + i] = some_byte();
        }
        input->count += length;
        break;
    case 4: /* twice */
        length = length < input->count - at ? length : input->count - at;
        length = length < MOST_BYTES - input->count ? length : MOST_BYTES - input->count;
        memmove(input->bytes + at + length, input->bytes + at, input->count - at);
        input->count += length;
        break;
    default: /* the head of this one, the tail of another */
        i = below(other->count + 1u);
        length = other->count - i < MOST_BYTES - at ? other->count - i : MOST_BYTES - at;
        memcpy(input->bytes + at, other->bytes + i, length);
        input->count = at + length;
    }
}

int main(int argc, char **argv) {
    static input_t input;
    unsigned long long tried = 0;
    size_t num_inputs = 0;
    size_t good, steps;
    time_t end;
    int i;

    if (argc < 4) {
        return 2;
    }
    state = strtoull(argv[1], NULL, 10) * 2654435761u + 1u;
    for (i = 3; i < argc && num_inputs < MOST_INPUTS / 2u; i++) {
        FILE *file = fopen(argv[i], "rb");

        if (file == NULL) {
            return 2;
        }
        inputs[num_inputs].count = fread(inputs[num_inputs].bytes, 1, MOST_BYTES, file);
        LLVMFuzzerTestOneInput(inputs[num_inputs].bytes, inputs[num_inputs].count);
        num_inputs++;
        fclose(file);
    }
    good = num_inputs;
    end = time(NULL) + atol(argv[2]);
    do {
        for (i = 0; i < 1000; i++, tried++) {
            input = inputs[below(num_inputs)];
            for (steps = 1u + below(4); steps > 0; steps--) {
                mutate(&input, &inputs[below(num_inputs)]);
            }
            LLVMFuzzerTestOneInput(input.bytes, input.count);
            if (below(50) == 0) { /* the good ones stay */
                size_t place = good + below(MOST_INPUTS - good);

                place = place < num_inputs ? place : num_inputs++;
                inputs[place] = input;
            }
        }
    } while (time(NULL) < end);
    printf("%llu inputs, none did harm\n", tried);
    return 0;
}
