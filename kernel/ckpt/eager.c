// Memory out of an image, all at once: what lies together in the image is read together.
#include "lazy.h"
#include "run.h"
#include <mm/kmalloc.h>
#include <proc/proc.h>
#include <uapi/errno.h>

struct eager {
    struct image *image;
    struct vmspace *space;
    struct ckpt_lookup lookup;
    u64 expected;  // pages that the tree says it has, but for those that came
    struct run run;
    struct frame *frames[RUN_MAX];
};

static int refuse(struct eager *e, enum ckpt_error error, u32 i)
{
    return image_refuse(e->image, error, run_offset(&e->run, i));
}

// Make the frames the space's: each reference, in every case.
static int install(struct eager *e, u32 count)
{
    int err = 0;

    for (u32 i = 0; i < count; i++) {
        u64 index = e->run.pages[i].index;

        if (!err && index >= USER_END / PAGE_SIZE)
            err = refuse(e, CKPT_BAD_TREE, i);
        if (err) {
            frame_put(e->frames[i]);
            continue;
        }
        err = vmspace_install(e->space, (uaddr_t)(index * PAGE_SIZE), e->frames[i]);
        if (err == -EFAULT)
            err = refuse(e, CKPT_BAD_TREE, i);
    }
    return err;
}

static int read_run(struct eager *e)
{
    int err = run_read(&e->run, e->image->inode, e->frames);

    if (err)
        return err;
    u32 sound = run_sound(&e->run, e->lookup.bounds.features, e->frames);
    frames_release(e->frames + sound, e->run.count - sound);
    err = install(e, sound);
    if (!err && sound < e->run.count)
        err = refuse(e, CKPT_BAD_CHECKSUM, sound);
    thread_breathe();
    return err || !proc_killed(proc_self()) ? err : -EINTR;
}

static int read_all(struct eager *e)
{
    struct run *run = &e->run;
    u64 from = 0;

    for (;;) {
        enum ckpt_error error = run_find(&e->lookup, from, RUN_MAX, RUN_ANY, run);
        if (error)
            return image_refuse(e->image, error, e->lookup.failed_at);
        if (run->count > e->expected || (!run->count && e->expected))
            return image_refuse(e->image, CKPT_BAD_TREE, e->lookup.failed_at);
        if (!run->count)
            return 0;
        e->expected -= run->count;
        from = run->pages[run->count - 1].index + 1;
        int err = read_run(e);
        if (err)
            return err;
    }
}

int eager_read(struct image *image, const struct ckpt_bounds *bounds, const struct ckpt_tree *tree,
               struct vmspace *space)
{
    struct eager *e = kzalloc(sizeof(*e));

    if (!e)
        return -ENOMEM;
    e->image = image;
    e->space = space;
    e->expected = tree->pages;
    ckpt_lookup_init(&e->lookup, bounds, tree);
    int err = read_all(e);
    kfree(e);
    return err;
}
