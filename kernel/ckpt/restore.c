// Restore: the calling process becomes a family out of an image.
//
// All is built beside the calling process: address spaces whose pages come from the image when they are touched, open
// files, pipes, processes that nobody sees. Then all of it becomes real in one step that can't fail. Until then nothing
// has happened to the caller.
#include "lazy.h"
#include "memo.h"
#include "reopen.h"
#include "work.h"
#include <base/string.h>
#include <ckpt/ckpt.h>
#include <fs/path.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <proc/exec.h>
#include <uapi/errno.h>

struct restore {
    const struct ckpt_restore_args *args;
    struct image image;
    struct plan *plan;
    struct source *source;
    struct reopened reopened;
    struct revival *revival;
};

// ---- memory

static struct region region_of(const struct ckpt_region *x)
{
    static const u8 kinds[] = {
        [CKPT_REGION_DATA] = REGION_DATA,
        [CKPT_REGION_HEAP] = REGION_HEAP,
        [CKPT_REGION_STACK] = REGION_STACK,
    };

    return (struct region){
        .start = (uaddr_t)x->start,
        .end = (uaddr_t)x->end,
        .prot = (u8)x->prot,
        .kind = kinds[x->kind],
        .reserved = x->flags & CKPT_REGION_PROMISED,
    };
}

static int add_regions(const struct plan_space *p, struct backing *backing, struct vmspace *space)
{
    for (u32 i = 0; i < p->region_count; i++) {
        struct region region = region_of(&p->regions[i]);

        if (backing) {
            region.backing = backing_get(backing);
            region.offset = region.start;
            region.filled = region.end - region.start;
        }
        int err = vmspace_add(space, &region);
        if (err)
            return err;
    }
    return vmspace_heap_import(space, p->heap_start, p->heap_end, p->heap_limit);
}

static int fill_space(struct restore *r, u32 ordinal, struct vmspace *space)
{
    const struct plan_space *p = &r->plan->spaces[ordinal - 1];
    bool eager = r->args->flags & CKPT_RESTORE_EAGER;
    struct backing *backing = NULL;
    int err = 0;

    if (p->tree.root)
        err = lazy_backing(r->source, &r->plan->bounds, &p->tree, &backing);
    if (!err)
        err = add_regions(p, eager ? NULL : backing, space);
    if (!err && eager && backing)
        err = lazy_hurry(backing, space);
    if (backing)
        backing_put(backing);
    return err;
}

// The next epoch in this file need only have what changes from now on.
static int mark_space(const struct restore *r, u32 ordinal, struct vmspace *space)
{
    const struct inode_identity *id = &r->image.id;
    struct mark_label label = { { id->ino, id->generation, r->plan->epoch.epoch, r->plan->digest, ordinal, 0 } };

    return vmspace_mark(space, &label);
}

static int build_space(struct restore *r, u32 ordinal, struct vmspace **out)
{
    int err = vmspace_create(out);

    if (err)
        return err;
    err = fill_space(r, ordinal, *out);
    if (!err)
        err = mark_space(r, ordinal, *out);
    if (err)
        vmspace_destroy(*out);
    return err;
}

// ---- processes

static int find_directory(u64 ino, u64 generation, struct inode **out)
{
    int err = inode_find(ino, generation, out);

    if (!err && inode_type(*out) != T_DIR) {
        inode_put(*out);
        err = -ESTALE;
    }
    return err;
}

// A directory that had been removed when it was saved is one that has been removed.
static int open_cwd(const struct restore *r, const struct plan_process *p, struct inode **cwd, const char **text)
{
    *text = p->cwd_text;
    if (p->cwd_ino == CKPT_CWD_REMOVED)
        return path_create_removed(cwd);
    int err = find_directory(p->cwd_ino, p->cwd_generation, cwd);
    if (err != -ESTALE)
        return err;
    bool accepts = r->args->flags & CKPT_RESTORE_ACCEPT;
    printk("%s: the working directory of process %d (%s) is gone%s\n", r->image.name, p->state.pid, p->cwd_text,
           accepts ? ": it is / now" : "; -f accept takes / instead");
    if (!accepts)
        return err;
    *text = "/";
    *cwd = fs_root();
    return 0;
}

static int build_process(struct restore *r, u32 i)
{
    struct plan_process *p = r->plan->processes[i];
    struct file *files[OPEN_MAX] = { NULL };
    struct vmspace *space = NULL;
    struct inode *cwd = NULL;
    const char *cwd_text = "/";

    if (!p->state.ended) {
        int err = open_cwd(r, p, &cwd, &cwd_text);
        if (err)
            return err;
        err = build_space(r, p->space, &space);
        if (err) {
            inode_put(cwd);
            return err;
        }
    }
    for (u32 fd = 0; fd < OPEN_MAX; fd++) {
        struct file *f = p->fd_file[fd] ? r->reopened.files[p->fd_file[fd] - 1] : NULL;
        files[fd] = f ? file_get(f) : NULL;
    }
    revival_set(r->revival, i, &p->state, p->parent, space, files, cwd, cwd_text);
    return 0;
}

static int build_processes(struct restore *r)
{
    int err = revival_begin(r->plan->process_count, &r->revival);

    for (u32 i = 0; !err && i < r->plan->process_count; i++) {
        err = build_process(r, i);
        if (!err && proc_killed(proc_self()))
            err = -EINTR;
    }
    return err;
}

// ---- the whole

// Choose the epoch while nobody writes one and what was written is in the file: from then on it is kept.
static int choose_epoch(struct restore *r, struct image_use *use)
{
    struct image_pin *pin;
    int err = plan_read(&r->image, r->args->epoch, &r->plan);

    if (!err)
        err = image_pin(use, r->plan->epoch.epoch, &pin);
    return err ? err : source_create(&r->image, pin, &r->source);
}

static int read_plan(struct restore *r)
{
    struct image_use *use;
    int err = image_use_get(r->image.id.ino, r->image.id.generation, &use);

    if (err)
        return err;
    err = image_use_lock(use);
    if (!err) {
        (void)commit_settle(image_use_commit(use), r->image.inode, 0);
        image_resize(&r->image);
        err = choose_epoch(r, use);
        image_use_unlock(use);
    }
    image_use_put(use);
    return err;
}

static int perform(struct restore *r)
{
    int err = inode_type(r->image.inode) == T_FILE ? read_plan(r) : image_refuse(&r->image, CKPT_NOT_IMAGE, 0);

    if (!err)
        err = reopen(&r->image, r->plan, r->args, &r->reopened);
    if (!err)
        err = build_processes(r);
    if (!err)
        err = reopen_roll_back(&r->reopened);
    if (err)
        return err;
    revival_commit(r->revival);
    r->revival = NULL;
    return 0;
}

static void release(struct restore *r)
{
    if (r->revival)
        revival_abort(r->revival);
    if (r->plan) {
        reopen_release(r->plan, &r->reopened);
        plan_destroy(r->plan);
    }
    if (r->source)
        source_put(r->source);
    kfree(r);
}

static int restore_inode(const struct ckpt_restore_args *args, struct inode *inode, const char *path)
{
    struct restore *r = kzalloc(sizeof(*r));

    if (!r)
        return -ENOMEM;
    r->args = args;
    image_init(&r->image, inode, path);
    int err = perform(r);
    release(r);
    return err;
}

int ckpt_restore(const struct ckpt_restore_args *args, const char *path)
{
    struct inode *inode;

    if (args->flags & ~CKPT_RESTORE_FLAGS || args->inherits > CKPT_INHERIT_MAX)
        return -EINVAL;
    int err = path_lookup(proc_cwd(proc_self()), path, &inode);
    if (err)
        return err;
    err = restore_inode(args, inode, path);
    inode_put(inode);
    return err;
}

// exec of an image: its arguments have no meaning, as the program in it has had its own.
static int load_image(struct inode *program, const char *path, const struct exec_args *args)
{
    static const struct ckpt_restore_args newest;
    u8 beginning[CKPT_PROBE_SIZE];
    struct piece piece = { .data = beginning, .size = sizeof(beginning) };
    size_t done = 0;
    int err = inode_read(program, 0, &piece, 1, &done);

    (void)args;
    if (err)
        return err;
    return ckpt_probe(beginning, done) ? restore_inode(&newest, program, path) : -ENOEXEC;
}

void ckpt_init(void)
{
    static struct exec_format format = { .name = "checkpoint", .load = load_image };

    exec_register(&format);
    memo_init();
    work_init();
}
