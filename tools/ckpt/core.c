// ckpt core: processes as ELF core files.
//
// The notes have the layouts that Linux gives them on i386 (struct elf_prstatus, elf_prpsinfo, user_i387_struct and
// user_fxsr_struct): what gdb expects in a core file of that machine. Memory that is zeros takes no space in the file.
#include "core.h"

#include <base/byteorder.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <lib/tool.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRSTATUS_SIZE 144
#define PRSTATUS_PID  24
#define PRSTATUS_REGS 72
#define PRSTATUS_FPU  140  // pr_fpvalid
#define PRPSINFO_SIZE 124
#define PRPSINFO_PID  12
#define PRPSINFO_NAME 28
#define PRPSINFO_ARGS 44
#define NAME_SIZE     16
#define FPREGS_SIZE   108
#define FXSAVE_SIZE   512
#define NT_FXSAVE     0x46e62b7f  // NT_PRXFPREG
#define NOTES_MAX     2048
#define NO_CALL       0xffffffffu  // orig_eax outside a system call

// Segments as a user program sees them; gdb wants some.
#define USER_CODE 0x23
#define USER_DATA 0x2b

// Where elf_gregset_t has what: indices of 32-bit words. The order of our registers stands in uapi/uregs.h.
enum {
    REG_EBX,
    REG_ECX,
    REG_EDX,
    REG_ESI,
    REG_EDI,
    REG_EBP,
    REG_EAX,
    REG_DS,
    REG_ES,
    REG_FS,
    REG_GS,
    REG_ORIG_EAX,
    REG_EIP,
    REG_CS,
    REG_EFLAGS,
    REG_ESP,
    REG_SS
};

struct notes {
    u8 bytes[NOTES_MAX];
    size_t size;
};

// Room for a note's contents.
static u8 *note_add(struct notes *n, const char *name, u32 type, size_t size)
{
    size_t name_size = strlen(name) + 1;
    u8 *at = n->bytes + n->size;

    put_le32(at, (u32)name_size);
    put_le32(at + 4, (u32)size);
    put_le32(at + 8, type);
    memcpy(at + 12, name, name_size);
    at += 12 + ROUND_UP(name_size, 4);
    n->size = (size_t)(at - n->bytes) + ROUND_UP(size, 4);
    return at;
}

static void put_registers(u8 *to, const struct ckpt_state *registers)
{
    static const u8 place[] = { REG_EDI, REG_ESI, REG_EBP, REG_EBX,    REG_EDX,
                                REG_ECX, REG_EAX, REG_EIP, REG_EFLAGS, REG_ESP };

    for (size_t i = 0; i < ARRAY_SIZE(place); i++)
        put_le32(to + 4 * place[i], le32(registers->bytes + 4 * i));
    put_le32(to + 4 * REG_CS, USER_CODE);
    put_le32(to + 4 * REG_SS, USER_DATA);
    put_le32(to + 4 * REG_DS, USER_DATA);
    put_le32(to + 4 * REG_ES, USER_DATA);
    put_le32(to + 4 * REG_ORIG_EAX, NO_CALL);
}

// The two bits that FSAVE's tag word has for each register, out of FXSAVE's one: valid, or empty. gdb looks no closer.
static u16 full_tags(u8 tags)
{
    u16 full = 0;

    for (int i = 0; i < 8; i++)
        full |= (u16)((tags >> i & 1 ? 0 : 3) << 2 * i);
    return full;
}

// FSAVE's layout out of FXSAVE's.
static void put_fpregs(u8 *to, const u8 *fx)
{
    put_le32(to, 0xffff0000u | le16(fx));              // control word
    put_le32(to + 4, 0xffff0000u | le16(fx + 2));      // status word
    put_le32(to + 8, 0xffff0000u | full_tags(fx[4]));  // tags
    memcpy(to + 12, fx + 8, 4);                        // instruction: offset, selector and opcode
    put_le32(to + 16, le16(fx + 12) | (u32)le16(fx + 6) << 16);
    memcpy(to + 20, fx + 16, 4);  // operand: offset, selector
    put_le32(to + 24, le16(fx + 20));
    for (size_t i = 0; i < 8; i++)
        memcpy(to + 28 + 10 * i, fx + 32 + 16 * i, 10);
}

static void put_name(u8 *to, const struct ckpt_process *p)
{
    memcpy(to, p->name, strnlen(p->name, NAME_SIZE - 1));
}

static void notes_make(struct notes *n, const struct epoch_process *p)
{
    u8 *at;

    *n = (struct notes){};
    at = note_add(n, "CORE", NT_PRSTATUS, PRSTATUS_SIZE);
    put_le32(at + PRSTATUS_PID, (u32)p->process.pid);
    put_le32(at + PRSTATUS_PID + 4, (u32)p->process.ppid);
    put_le32(at + PRSTATUS_PID + 8, (u32)p->process.pgid);
    put_registers(at + PRSTATUS_REGS, &p->registers);
    put_le32(at + PRSTATUS_FPU, 1);
    at = note_add(n, "CORE", NT_PRPSINFO, PRPSINFO_SIZE);
    at[1] = 'S';
    put_le32(at + PRPSINFO_PID, (u32)p->process.pid);
    put_le32(at + PRPSINFO_PID + 4, (u32)p->process.ppid);
    put_le32(at + PRPSINFO_PID + 8, (u32)p->process.pgid);
    put_name(at + PRPSINFO_NAME, &p->process);
    put_name(at + PRPSINFO_ARGS, &p->process);
    put_fpregs(note_add(n, "CORE", NT_FPREGSET, FPREGS_SIZE), p->fpu.bytes);
    memcpy(note_add(n, "LINUX", NT_FXSAVE, FXSAVE_SIZE), p->fpu.bytes, FXSAVE_SIZE);
}

// Header and program headers; *offset is then where the notes go, and *memory where the first region's bytes do.
static bool headers_write(const struct epoch_space *s, const struct notes *n, int fd, u64 *notes_at, u64 *memory_at)
{
    size_t count = 1 + s->space.regions;
    Elf *elf = (elf_version(EV_CURRENT), elf_begin(fd, ELF_C_WRITE, NULL));
    Elf32_Ehdr *header = elf ? elf32_newehdr(elf) : NULL;
    Elf32_Phdr *segment = header ? elf32_newphdr(elf, count) : NULL;

    if (segment) {
        *notes_at = sizeof(Elf32_Ehdr) + count * sizeof(Elf32_Phdr);
        *memory_at = ROUND_UP(*notes_at + n->size, CKPT_BLOCK_SIZE);
        header->e_ident[EI_DATA] = ELFDATA2LSB;
        header->e_type = ET_CORE;
        header->e_machine = EM_386;
        header->e_version = EV_CURRENT;
        header->e_phoff = sizeof(Elf32_Ehdr);
        segment[0] =
            (Elf32_Phdr){ .p_type = PT_NOTE, .p_offset = (Elf32_Off)*notes_at, .p_filesz = (Elf32_Word)n->size };
        u64 at = *memory_at;
        for (u32 i = 0; i < s->space.regions; i++) {
            const struct ckpt_region *g = &s->regions[i];
            u32 size = (u32)(g->end - g->start);
            segment[1 + i] =
                (Elf32_Phdr){ .p_type = PT_LOAD,
                              .p_offset = (Elf32_Off)at,
                              .p_vaddr = (Elf32_Addr)g->start,
                              .p_filesz = size,
                              .p_memsz = size,
                              .p_flags = (g->prot & 1 ? PF_R : 0) | (g->prot & 2 ? PF_W : 0) | (g->prot & 4 ? PF_X : 0),
                              .p_align = CKPT_BLOCK_SIZE };
            at += size;
        }
        elf_flagelf(elf, ELF_C_SET, ELF_F_LAYOUT);
    }
    bool ok = segment && elf_update(elf, ELF_C_WRITE) >= 0;
    if (!ok)
        tool_error("core: %s", elf_errmsg(-1));
    elf_end(elf);
    return ok;
}

static bool write_at(int fd, const char *name, const void *bytes, size_t n, u64 offset)
{
    if (pwrite(fd, bytes, n, (off_t)offset) == (ssize_t)n)
        return true;
    tool_error("%s: %s", name, strerror(errno));
    return false;
}

// What has no page stays a hole of the file.
static bool memory_write(struct epoch *e, const struct epoch_space *s, int fd, const char *name, u64 at, int *status)
{
    u8 bytes[CKPT_BLOCK_SIZE];
    size_t next = 0;

    for (u32 i = 0; i < s->space.regions; at += s->regions[i].end - s->regions[i].start, i++) {
        for (; next < s->pages.count && s->pages.list[next].index * CKPT_BLOCK_SIZE < s->regions[i].end; next++) {
            u64 address = s->pages.list[next].index * CKPT_BLOCK_SIZE;
            if (address < s->regions[i].start)
                continue;
            enum ckpt_error err = epoch_page(e, &s->pages.list[next], bytes);
            if (err) {
                *status = input_complain(e->input, err, e->failed_at);
                return false;
            }
            if (!write_at(fd, name, bytes, sizeof bytes, at + address - s->regions[i].start))
                return false;
        }
    }
    if (ftruncate(fd, (off_t)at) == 0)
        return true;
    tool_error("%s: %s", name, strerror(errno));
    return false;
}

bool core_write(struct epoch *e, const struct epoch_process *p, int fd, const char *name, int *status)
{
    const struct epoch_space *s = epoch_space_of(e, p);
    struct notes notes;
    u64 notes_at, memory_at;

    *status = EXIT_TROUBLE;
    if (!s) {
        tool_error("%s: process %d has ended and has no memory", e->input->path, p->process.pid);
        return false;
    }
    if (e->machine->id != CKPT_MACHINE_I386) {
        tool_error("%s: core files are made of i386's processes only", e->input->path);
        return false;
    }
    notes_make(&notes, p);
    return headers_write(s, &notes, fd, &notes_at, &memory_at) &&
           write_at(fd, name, notes.bytes, notes.size, notes_at) && memory_write(e, s, fd, name, memory_at, status);
}

static void tell_written(const char *path, const struct epoch *e, const struct ckpt_process *p)
{
    char name[CKPT_NAME_SIZE];

    printf("%s: process %d \"%s\" of epoch %ju\n", path, p->pid, ckpt_text(name, sizeof name, p->name, strlen(p->name)),
           (uintmax_t)e->info.epoch);
}

static int core_one(const struct options *o, struct epoch *e, const struct epoch_process *p)
{
    char name[32];
    const char *path = o->output ? o->output : name;
    int status = EXIT_TROUBLE;

    snprintf(name, sizeof name, "core.%d", p->process.pid);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (o->force ? O_TRUNC : O_EXCL), 0666);
    if (fd < 0) {
        tool_error("%s: %s%s", path, strerror(errno), errno == EEXIST ? "; -f replaces it" : "");
        return EXIT_TROUBLE;
    }
    bool ok = core_write(e, p, fd, path, &status);
    if (close(fd) != 0) {
        tool_error("%s: %s", path, strerror(errno));
        ok = false;
    }
    if (!ok) {
        unlink(path);
        return status;
    }
    if (!o->quiet)
        tell_written(path, e, &p->process);
    return EXIT_GOOD;
}

static bool wanted(const struct options *o, const struct epoch_process *p)
{
    return o->pid ? p->process.pid == o->pid : p->process.state == CKPT_ALIVE;
}

static int core(const struct options *o, struct input *in)
{
    struct epoch e;
    int status = EXIT_GOOD;
    bool any = false;

    if (!epoch_open(&e, in, true, &status))
        return status;
    if (o->output && !o->pid && e.processes > 1) {
        tool_error("%s: several processes don't fit into one file; -p chooses one", in->path);
        status = EXIT_TROUBLE;
    }
    for (size_t i = 0; i < e.processes && status == EXIT_GOOD; i++)
        if (wanted(o, &e.process[i])) {
            any = true;
            status = core_one(o, &e, &e.process[i]);
        }
    if (!any && status == EXIT_GOOD) {
        tool_error("%s: there is no process %d; ckpt ps tells which there are", in->path, o->pid);
        status = EXIT_TROUBLE;
    }
    epoch_release(&e);
    return status;
}

int cmd_core(const struct options *o)
{
    return input_each(o, core);
}
