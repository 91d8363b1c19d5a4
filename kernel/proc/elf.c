// ELF programs.
//
// The file is hostile until checked: every number out of it is bounded before it is used. All is built beside the
// running program; proc_become() comes last and can't fail.
//
// A segment becomes one region that the file backs. Segments come in rising order, as the ELF specification has it, and
// no two share a page: a page has one backing and one set of rights.
#include "process.h"
#include "start.h"
#include <base/byteorder.h>
#include <base/string.h>
#include <fs/inode.h>
#include <proc/exec.h>
#include <uapi/errno.h>

#define ELF_MAX_HEADERS 64  // of any type
#define ET_EXEC         2
#define PT_LOAD         1
#define EV_CURRENT      1
#define ELFDATA2LSB     1

enum { PF_X = 1, PF_W = 2, PF_R = 4 };

// The stack ends a page below the end of user space; the page below it is never mapped.
#define STACK_END   ((uaddr_t)USER_END - PAGE_SIZE)
#define STACK_START (STACK_END - USER_STACK_MAX)
#define PROGRAM_END (STACK_START - PAGE_SIZE)

// The sizes and places of fields, which are all that differs between ELF32 and ELF64, are known to the two decode
// functions and these.
#define HEADER_SIZE  52
#define SEGMENT_SIZE 32

struct elf_header {
    u64 entry, segments_at;
    u32 segments;
};

struct elf_segment {
    u32 type, flags;
    u64 offset, address, filled, size;
};

static int header_decode(const u8 h[HEADER_SIZE], struct elf_header *out)
{
    static const u8 magic[4] = { 0x7f, 'E', 'L', 'F' };

    if (memcmp(h, magic, sizeof(magic)) != 0)
        return -ENOEXEC;
    if (h[4] != start_elf_class || h[5] != ELFDATA2LSB || h[6] != EV_CURRENT)
        return -ENOEXEC;
    if (le16(h + 16) != ET_EXEC || le16(h + 18) != start_elf_machine || le32(h + 20) != EV_CURRENT)
        return -ENOEXEC;
    out->entry = le32(h + 24);
    out->segments_at = le32(h + 28);
    out->segments = le16(h + 44);
    if (le16(h + 42) != SEGMENT_SIZE || out->segments > ELF_MAX_HEADERS || out->entry >= PROGRAM_END)
        return -ENOEXEC;
    return 0;
}

static void segment_decode(const u8 s[SEGMENT_SIZE], struct elf_segment *out)
{
    *out = (struct elf_segment){
        .type = le32(s),
        .offset = le32(s + 4),
        .address = le32(s + 8),
        .filled = le32(s + 16),
        .size = le32(s + 20),
        .flags = le32(s + 24),
    };
}

static int segment_check(const struct elf_segment *s, u64 file_size)
{
    if (s->filled > s->size || s->size > PROGRAM_END || s->address > PROGRAM_END - s->size)
        return -ENOEXEC;
    if (s->filled > file_size || s->offset > file_size - s->filled)
        return -ENOEXEC;
    // The region begins with the page, so the file must reach back as far.
    if (s->offset < s->address % PAGE_SIZE)
        return -ENOEXEC;
    return 0;
}

static int read_exactly(struct inode *program, u64 offset, void *to, u32 n)
{
    struct piece piece = { .data = to, .size = n };
    size_t done;

    int err = inode_read(program, offset, &piece, 1, &done);
    if (err)
        return err;
    return done == n ? 0 : -ENOEXEC;
}

static u8 segment_rights(const struct elf_segment *s)
{
    return (u8)((s->flags & PF_R ? PROT_READ : 0) | (s->flags & PF_W ? PROT_WRITE : 0) |
                (s->flags & PF_X ? PROT_EXEC : 0));
}

static int segment_add(struct vmspace *space, struct backing *file, const struct elf_segment *s, uaddr_t *top)
{
    u64 before = s->address % PAGE_SIZE;
    struct region region = {
        .start = (uaddr_t)(s->address - before),
        .end = (uaddr_t)ROUND_UP(s->address + s->size, PAGE_SIZE),
        .prot = segment_rights(s),
        .kind = REGION_DATA,
        .reserved = s->flags & PF_W,
    };

    if (region.start < *top)
        return -ENOEXEC;
    *top = region.end;
    if (s->filled) {
        region.backing = backing_get(file);
        region.offset = s->offset - before;
        region.filled = before + s->filled;
    }
    return vmspace_add(space, &region);
}

// The program's regions. *top: the end of the highest.
static int segments_add(struct vmspace *space, struct inode *program, struct backing *file, const struct elf_header *h,
                        uaddr_t *top)
{
    struct inode_identity id;

    inode_identify(program, &id);
    *top = 0;
    for (u32 i = 0; i < h->segments; i++) {
        u8 bytes[SEGMENT_SIZE];
        struct elf_segment s;

        int err = read_exactly(program, h->segments_at + (u64)i * SEGMENT_SIZE, bytes, sizeof(bytes));
        if (err)
            return err;
        segment_decode(bytes, &s);
        if (s.type != PT_LOAD || !s.size)
            continue;
        err = segment_check(&s, id.size);
        if (!err)
            err = segment_add(space, file, &s, top);
        if (err)
            return err;
    }
    return *top ? 0 : -ENOEXEC;
}

// The arguments in the stack's highest page: strings at its end, below them argv, below that what main() expects.
static int arguments_put(u8 page[PAGE_SIZE], const struct exec_args *args, size_t *sp)
{
    size_t argv_bytes = (args->count + 1) * sizeof(uaddr_t);

    if (args->bytes + argv_bytes + sizeof(uaddr_t) + START_FRAME_MAX > ARG_BYTES)
        return -E2BIG;

    size_t text = PAGE_SIZE - args->bytes;
    size_t argv = ROUND_DOWN(text - argv_bytes, sizeof(uaddr_t));
    uaddr_t base = STACK_END - PAGE_SIZE;

    memcpy(page + text, args->text, args->bytes);
    for (u32 i = 0; i < args->count; i++) {
        uaddr_t string = base + text;
        memcpy(page + argv + i * sizeof(uaddr_t), &string, sizeof(string));
        text += strlen((const char *)page + text) + 1;
    }
    *sp = start_frame(page, argv, args->count, base + argv);
    return 0;
}

static int stack_add(struct vmspace *space, const struct exec_args *args, uaddr_t *sp)
{
    struct region region = {
        .start = STACK_START, .end = STACK_END, .prot = PROT_READ | PROT_WRITE, .kind = REGION_STACK
    };
    struct frame *frame = frame_alloc_zeroed();
    size_t at;

    if (!frame)
        return -ENOMEM;
    int err = arguments_put(frame_data(frame), args, &at);
    if (!err)
        err = vmspace_add(space, &region);
    if (err) {
        frame_put(frame);
        return err;
    }
    *sp = STACK_END - PAGE_SIZE + at;
    return vmspace_install(space, STACK_END - PAGE_SIZE, frame);
}

static int space_fill(struct vmspace *space, struct inode *program, const struct elf_header *h,
                      const struct exec_args *args, uaddr_t *sp)
{
    struct backing *file;
    uaddr_t top;

    int err = inode_backing(program, &file);
    if (err)
        return err;
    err = segments_add(space, program, file, h, &top);
    backing_put(file);
    if (err)
        return err;
    vmspace_set_heap(space, top, PROGRAM_END);
    return stack_add(space, args, sp);
}

static void name_from_path(const char *path, char name[NAME_MAX_])
{
    const char *slash = strrchr(path, '/');

    text_copy(name, slash ? slash + 1 : path, NAME_MAX_);
}

static int elf_load(struct inode *program, const char *path, const struct exec_args *args)
{
    struct new_image image;
    struct elf_header header;
    u8 bytes[HEADER_SIZE];
    uaddr_t sp;

    int err = read_exactly(program, 0, bytes, sizeof(bytes));
    if (!err)
        err = header_decode(bytes, &header);
    if (!err)
        err = vmspace_create(&image.space);
    if (err)
        return err;

    err = space_fill(image.space, program, &header, args, &sp);
    if (err) {
        vmspace_destroy(image.space);
        return err;
    }
    name_from_path(path, image.name);
    uregs_init(&image.regs, (uaddr_t)header.entry, sp);
    proc_become(&image);
    return 0;
}

struct exec_format elf_format = { .name = "elf", .load = elf_load };
