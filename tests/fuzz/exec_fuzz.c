// exec's loader of ELF files: a program that may say anything, with arguments out of the input's control. What is
// accepted is run: its pages are touched.
#include "kernel.h"
#include "process.h"
#include <base/string.h>
#include <kern/fault.h>
#include <mm/usercopy.h>
#include <proc/exec.h>
#include <stdlib.h>
#include <uapi/errno.h>

#define PROGRAM_MAX (64 << 10)

struct program_backing {
    struct backing backing;
    struct inode *inode;
};

static int program_pages(struct backing *b, u64 offset, u64 limit, struct frame **out, u32 want, u32 *given)
{
    struct program_backing *p = container_of(b, struct program_backing, backing);

    EXPECT(want >= 1 && want <= SUPPLY_MAX && limit > 0 && offset < p->inode->size);
    out[0] = frame_alloc_zeroed();
    if (!out[0])
        return -ENOMEM;
    struct piece piece = { frame_data(out[0]), (u32)MIN(limit, (u64)PAGE_SIZE) };
    size_t done;
    EXPECT(inode_read(p->inode, offset, &piece, 1, &done) == 0);
    *given = 1;
    return 0;
}

static void program_destroy(struct backing *b)
{
    struct program_backing *p = container_of(b, struct program_backing, backing);

    inode_put(p->inode);
    free(p);
}

static const struct backing_ops program_ops = { .pages = program_pages, .destroy = program_destroy };

int inode_backing(struct inode *i, struct backing **out)
{
    struct program_backing *p = calloc(1, sizeof(*p));

    p->backing.ops = &program_ops;
    p->backing.refs = 1;
    p->inode = inode_get(i);
    *out = &p->backing;
    return 0;
}

void uregs_init(struct uregs *regs, uaddr_t pc, uaddr_t sp)
{
    *regs = (struct uregs){ .eip = (u32)pc, .esp = (u32)sp };
}

void proc_become(const struct new_image *image)
{
    uaddr_t old;
    u32 word;

    EXPECT(image->regs.eip < USER_END && image->regs.esp < USER_END && strnlen(image->name, 16) < 16);
    vmspace_use(image->space);
    EXPECT(copy_from_user(&word, (const void __user *)(uaddr_t)image->regs.esp, sizeof(word)) == 0);
    space_touch(image->space, 40);
    (void)!vmspace_brk(image->space, 3 * PAGE_SIZE + 5, &old);
    vmspace_use(NULL);
    vmspace_destroy(image->space);
}

// Arguments as sys gathers them: each terminated, all within ARG_BYTES.
static void make_arguments(struct exec_args *args, u32 count, u32 length)
{
    args->count = args->bytes = 0;
    while (args->count < MIN(count, (u32)ARG_COUNT) && args->bytes + length + 1 <= sizeof(args->text)) {
        memset(args->text + args->bytes, 'x', length);
        args->text[args->bytes + length] = 0;
        args->bytes += length + 1;
        args->count++;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static u8 program[PROGRAM_MAX];
    static struct exec_args args;

    if (size < SPARSE_HEAD)
        return 0;
    kernel_begin();
    memset(program, 0, sizeof(program));
    size_t end = sparse_expand(data, size, program, sizeof(program));
    struct inode *inode = inode_create(T_FILE, program, end - MIN(end, (size_t)data[0] * 16));
    make_arguments(&args, data[1] % 40, (u32)data[2] * 8);
    fault_arm(data[3] & 1 ? FAULT_FRAME : FAULT_KMALLOC, data[3] >> 1, false);
    (void)!elf_format.load(inode, "/a/program with a long name", &args);
    fault_arm(FAULT_FRAME, 0, false);
    inode_put(inode);
    kernel_end();
    return 0;
}
