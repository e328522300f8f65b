/* A plugin of QEMU that counts the instructions between two marks.
 *
 *     gcc -O2 -fPIC -shared -o instructions.so instructions.c
 *     qemu-aarch64 -plugin file=instructions.so,out=FILE ...
 *
 * A mark is the system call getppid, which Python makes by os.getppid(). FILE gets a line for each
 * mark: instructions since the mark before, how many of them compute with vectors or floats, how
 * many load or store, and how many are int8 dot products (SDOT, UDOT). The counters are not atomic:
 * they are exact with one thread only.
 *
 * The few lines of QEMU's plugin interface that are used are declared here, as version 1 has them
 * (QEMU 4.2 to 8.2); no header of QEMU is needed. https://www.qemu.org/docs/master/devel/tcg-plugins.html
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef void (*translated_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*syscall_cb)(qemu_plugin_id_t, unsigned cpu, int64_t number, uint64_t, uint64_t, uint64_t,
                           uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_cb);
extern void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, syscall_cb);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *,
                                                     uint64_t);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = 1;

enum { TOTAL, VECTOR, MEMORY, DOT, KINDS };

static uint64_t counted[KINDS], at_last_mark[KINDS];
static FILE *out;

enum { GETPPID = 173 }; /* on aarch64 */

/* Top-level encodings of the Arm Architecture Reference Manual, C4.1: bits 28 to 25. */
static int is_vector(uint32_t word) { return ((word >> 25) & 7) == 7; }
static int is_memory(uint32_t word) { return ((word >> 25) & 5) == 4; }

/* SDOT and UDOT, by vector or by element, with bytes as inputs. */
static int is_dot(uint32_t word) {
    int by_vector = (word & 0x9F20FC00) == 0x0E009400;
    int by_element = (word & 0x9F00F400) == 0x0F00E000;
    return (by_vector || by_element) && ((word >> 22) & 3) == 2;
}

/* Called once for each block of code; what is added in line runs with the block, each time. */
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    uint64_t found[KINDS] = {0};
    (void)id;
    found[TOTAL] = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < found[TOTAL]; i++) {
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), sizeof word);
        found[VECTOR] += is_vector(word);
        found[MEMORY] += is_memory(word);
        found[DOT] += is_dot(word);
    }
    for (int kind = 0; kind < KINDS; kind++)
        if (found[kind])
            qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &counted[kind],
                                                     found[kind]);
}

static void called(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c,
                   uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != GETPPID)
        return;
    for (int kind = 0; kind < KINDS; kind++)
        fprintf(out, "%llu%c", (unsigned long long)(counted[kind] - at_last_mark[kind]),
                kind + 1 < KINDS ? ' ' : '\n');
    fflush(out);
    memcpy(at_last_mark, counted, sizeof counted);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
    if (out == NULL) {
        fprintf(stderr, "instructions: needs out=FILE, one that can be written\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
