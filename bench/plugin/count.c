// A plugin for QEMU: counts the guest's instructions between two marks that a guest program executes (bench/mark.h).
//
// Options: out=FILE. The file gets a line "span KERNEL USER" for each pair of marks, and at the end "at ADDRESS COUNT"
// for each of the kernel's instructions that ran between marks. One CPU only.
#include "../mark.h"
#include "qemu_plugin.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_START 0x80100000u  // where the kernel is linked
#define TEXT_SIZE  0x100000u
#define USER_END   0x80000000u

// Where an instruction is counted.
enum { USER = TEXT_SIZE, ELSEWHERE, SLOTS };

int qemu_plugin_version __attribute__((visibility("default"))) = 1;
int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
    __attribute__((visibility("default")));

static FILE *out;
static uint64_t executed[SLOTS], before[SLOTS], between[SLOTS];

static void begin(unsigned vcpu, void *unused)
{
    memcpy(before, executed, sizeof(before));
}

static void end(unsigned vcpu, void *unused)
{
    uint64_t kernel = 0;

    for (unsigned i = 0; i < SLOTS; i++) {
        uint64_t n = executed[i] - before[i];
        between[i] += n;
        if (i != USER)
            kernel += n;
    }
    fprintf(out, "span %" PRIu64 " %" PRIu64 "\n", kernel, executed[USER] - before[USER]);
}

static bool is_mark(const struct qemu_plugin_insn *insn, uint8_t which)
{
    static const uint8_t bytes[] = { MARK_BYTES };
    const uint8_t *data = qemu_plugin_insn_data(insn);

    return qemu_plugin_insn_size(insn) == sizeof(bytes) + 1 && !memcmp(data, bytes, sizeof(bytes)) &&
           data[sizeof(bytes)] == which;
}

static uint64_t *counter_of(uint64_t address)
{
    if (address < USER_END)
        return &executed[USER];
    return &executed[address - TEXT_START < TEXT_SIZE ? address - TEXT_START : ELSEWHERE];
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        if (is_mark(insn, MARK_BEGIN))
            qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, QEMU_PLUGIN_CB_NO_REGS, NULL);
        else if (is_mark(insn, MARK_END))
            qemu_plugin_register_vcpu_insn_exec_cb(insn, end, QEMU_PLUGIN_CB_NO_REGS, NULL);
        else
            qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                                       counter_of(qemu_plugin_insn_vaddr(insn)), 1);
    }
}

static void finish(qemu_plugin_id_t id, void *unused)
{
    for (unsigned i = 0; i < TEXT_SIZE; i++)
        if (between[i])
            fprintf(out, "at %x %" PRIu64 "\n", TEXT_START + i, between[i]);
    fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
    if (!out) {
        fprintf(stderr, "count: out=FILE is needed, and must be writable\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
