// Restore, whole: plan, files, spaces whose pages come out of the image, all on the host. What is accepted becomes
// processes whose memory is touched. The image is as for image_fuzz; control byte 2 holds the flags of the call, byte 3
// makes an allocation fail.
#include "image_input.h"
#include "kernel.h"
#include <base/string.h>
#include <ckpt/ckpt.h>
#include <epoch.h>
#include <kern/fault.h>
#include <mm/kmalloc.h>
#include <proc/exec.h>
#include <proc/fd.h>
#include <proc/freezer.h>
#include <stdlib.h>
#include <uapi/errno.h>

static struct inode *image, *root;
static struct file *handed;
static struct proc *self = (struct proc *)&self;

// ---- the file system

struct inode *fs_root(void)
{
    return inode_get(root);
}

int path_lookup(struct inode *cwd, const char *path, struct inode **out)
{
    *out = inode_get(image);
    return 0;
}

int path_create_unnamed(struct file **out)
{
    *out = file_create(FILE_INODE, inode_create(T_FILE, NULL, 0));
    return 0;
}

int path_create_removed(struct inode **out)
{
    *out = inode_create(T_DIR, NULL, 0);
    return 0;
}

int inode_find(u64 ino, u64 generation, struct inode **out)
{
    if (ino % 4 == 0)
        return -ESTALE;
    *out = inode_get(ino % 2 ? image : root);
    return 0;
}

static bool is_text(const char *text)
{
    for (; *text; text++)
        if ((u8)*text < ' ' || *text == 127)
            return false;
    return true;
}

int file_import(const struct x_file *x, const char *name, struct file **out)
{
    EXPECT(x->kind == FILE_INODE || x->kind == FILE_DEVICE);
    EXPECT((x->flags & ~0x803u) == 0 && is_text(name));
    if (x->inode.ino % 8 == 2)
        return -ESTALE;
    *out = file_create((enum file_kind)x->kind, inode_get(image));
    return 0;
}

int file_import_at(const struct x_file *x, const char *name, struct inode *inode, struct file **out)
{
    EXPECT(x->kind == FILE_INODE && x->inode.type == inode->type);
    *out = file_create(FILE_INODE, inode_get(inode));
    return 0;
}

int pipe_import(const struct x_pipe *x, struct file **read_end, struct file **write_end)
{
    u8 sum = 0;

    EXPECT(x->size <= PIPE_CONTENTS_MAX);
    for (u32 k = 0; k < x->size; k++)
        sum = (u8)(sum + x->bytes[k]);
    *read_end = file_create(FILE_PIPE_READ, NULL);
    *write_end = file_create(FILE_PIPE_WRITE, NULL);
    return sum == 77 ? file_put(*read_end), file_put(*write_end), -ENFILE : 0;
}

int inode_exchange(struct inode *a, struct inode *b)
{
    EXPECT(a != b);
    return 0;
}

// ---- processes

struct proc *proc_self(void)
{
    return self;
}

struct inode *proc_cwd(struct proc *p)
{
    return root;
}

bool proc_killed(const struct proc *p)
{
    return false;
}

int fd_lookup(struct proc *p, int fd, struct file **out)
{
    if (fd != 1)
        return -EBADF;
    *out = file_get(handed);
    return 0;
}

void exec_register(struct exec_format *format)
{
}

struct newcomer {
    struct vmspace *space;
    struct file *files[OPEN_MAX];
    struct inode *cwd;
    bool set;
};
struct revival {
    u32 count;
    struct newcomer *members;
};

int revival_begin(u32 count, struct revival **out)
{
    EXPECT(count >= 1 && count <= PROC_MAX);
    *out = malloc(sizeof(**out));
    (*out)->count = count;
    (*out)->members = calloc(count, sizeof(struct newcomer));
    return 0;
}

void revival_set(struct revival *r, u32 i, const struct x_proc *state, int parent, struct vmspace *space,
                 struct file **files, struct inode *cwd, const char *cwd_text)
{
    struct newcomer *m = &r->members[i];

    EXPECT(i < r->count && !m->set && state->pid > 0 && parent < (int)i && (parent >= 0 || i == 0));
    EXPECT(state->ended == (space == NULL) && state->ended == (cwd == NULL));
    EXPECT(strnlen(state->name, sizeof(state->name)) < sizeof(state->name) && is_text(state->name));
    EXPECT(is_text(cwd_text) && strlen(cwd_text) < PATH_LEN);
    m->set = true;
    m->space = space;
    m->cwd = cwd;
    if (files)
        memcpy(m->files, files, sizeof(m->files));
}

static void touch(struct vmspace *space)
{
    uaddr_t old;
    struct vmspace *child;

    vmspace_use(space);
    space_touch(space, 40);
    (void)!vmspace_brk(space, 5 * PAGE_SIZE, &old);
    (void)!vmspace_brk(space, -(intptr_t)(4 * PAGE_SIZE), &old);
    if (vmspace_clone(space, true, &child) == 0) {
        space_touch(child, 10);
        vmspace_destroy(child);
    }
    vmspace_use(NULL);
}

void revival_abort(struct revival *r)
{
    for (u32 i = 0; i < r->count; i++) {
        struct newcomer *m = &r->members[i];

        for (u32 fd = 0; fd < OPEN_MAX; fd++)
            if (m->files[fd])
                file_put(m->files[fd]);
        if (m->cwd)
            inode_put(m->cwd);
        vmspace_destroy(m->space);
    }
    free(r->members);
    free(r);
}

void revival_commit(struct revival *r)
{
    fault_arm(FAULT_KMALLOC, 0, false);
    for (u32 i = 0; i < r->count; i++) {
        EXPECT(r->members[i].set);
        if (r->members[i].space)
            touch(r->members[i].space);
    }
    revival_abort(r);
}

// ---- saving is not tried here

int epoch_pages(struct epoch *x, u64 index, u32 count, struct frame *const *frames, const u32 *crc)
{
    fuzz_fail(__FILE__, __LINE__, "nothing is saved");
}

int epoch_no_page(struct epoch *x, u64 index)
{
    fuzz_fail(__FILE__, __LINE__, "nothing is saved");
}

void epoch_tree_begin(struct epoch *x, const struct ckpt_tree *base)
{
    fuzz_fail(__FILE__, __LINE__, "nothing is saved");
}

int epoch_tree_end(struct epoch *x, struct ckpt_tree *tree)
{
    fuzz_fail(__FILE__, __LINE__, "nothing is saved");
}

// ----

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct ckpt_restore_args args = { 0 };
    struct ckpt_source source;
    struct input input;

    if (size < SPARSE_HEAD)
        return 0;
    kernel_begin();
    input_open(&input, data, size, &source);
    image = inode_create(T_FILE, input.bytes, input.size);
    root = inode_create(T_DIR, NULL, 0);
    handed = file_create(FILE_PIPE_READ, NULL);
    input_close(&input);
    args.flags = data[2] & CKPT_RESTORE_FLAGS;
    args.epoch = data[2] >> 6;
    args.inherits = data[2] >> 3 & 1;
    args.inherit[0].saved = data[2] >> 4 & 3;
    args.inherit[0].theirs = 1;
    fault_arm(data[3] & 1 ? FAULT_FRAME : FAULT_KMALLOC, data[3] >> 1, false);
    int err = ckpt_restore(&args, "/c.ckpt");
    EXPECT(err <= 0 && err > -200);
    fault_arm(FAULT_FRAME, 0, false);
    file_put(handed);
    inode_put(root);
    inode_put(image);
    kernel_end();
    return 0;
}
