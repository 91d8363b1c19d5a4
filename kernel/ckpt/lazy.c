// Memory out of an image, on demand.
//
// A page is looked up in the epoch's page tree, nodes checked on the way; it is read with those that lie beside it in
// the file, and each is checked before anyone sees it. A page that fails is an error of whoever touches it, and of
// nobody else.
#include "lazy.h"
#include "ahead.h"
#include "run.h"
#include <mm/kmalloc.h>
#include <proc/proc.h>
#include <uapi/errno.h>

struct source {
    _Atomic u32 refs;
    struct image_pin *pin;
    struct image image;  // its inode: a reference
};

struct lazy {
    struct backing backing;
    struct source *source;  // a reference
    struct ahead *ahead;    // NULL: it was never read through
    struct mutex lock;
    struct ckpt_lookup lookup FIELD_GUARDED_BY(lock);
};

_Static_assert(RUN_MAX >= SUPPLY_MAX, "a run holds what may be asked for");

int source_create(struct image *image, struct image_pin *pin, struct source **out)
{
    struct source *s = kzalloc(sizeof(*s));
    int err = s ? inode_writes_deny(image->inode) : -ENOMEM;

    if (err) {
        kfree(s);
        image_unpin(pin);
        return err;
    }
    s->refs = 1;
    s->pin = pin;
    image_init(&s->image, inode_get(image->inode), image->name);
    *out = s;
    return 0;
}

void source_put(struct source *s)
{
    if (--s->refs)
        return;
    image_unpin(s->pin);
    inode_writes_allow(s->image.inode);
    inode_put(s->image.inode);
    kfree(s);
}

static int refuse(const struct lazy *lazy, enum ckpt_error error, u64 at)
{
    return image_refuse(&lazy->source->image, error, at);
}

// The pages from `first` on that lie together. *failed_at: if there is an error, where.
static enum ckpt_error find_run(struct lazy *lazy, u64 first, u32 most, struct run *run, u64 *failed_at)
{
    mutex_lock(&lazy->lock);
    enum ckpt_error error = run_find(&lazy->lookup, first, most, false, run);
    *failed_at = lazy->lookup.failed_at;
    mutex_unlock(&lazy->lock);
    return error;
}

// The first page from `index` on that there is; page->block 0: none.
static enum ckpt_error find_page(struct lazy *lazy, u64 index, struct ckpt_page *page, u64 *failed_at)
{
    mutex_lock(&lazy->lock);
    enum ckpt_error error = ckpt_lookup(&lazy->lookup, index, true, page);
    *failed_at = lazy->lookup.failed_at;
    mutex_unlock(&lazy->lock);
    return error;
}

// Into `out` come the pages of the run that are sound: the first one that isn't ends it.
static int read_sound(struct lazy *lazy, const struct run *run, struct frame **out, u32 *given)
{
    int err = run_read(run, lazy->source->image.inode, out);

    if (err)
        return err;
    *given = run_sound(run, lazy->lookup.bounds.features, out);
    frames_release(out + *given, run->count - *given);
    return 0;
}

// Pages of zeros, up to the next one that there is: how many, at most `most`. 0: none follows, or it can't be found.
static u32 pass_gap(struct lazy *lazy, u64 first, u32 most, struct frame **out)
{
    struct ckpt_page page;
    u64 failed_at;

    if (find_page(lazy, first, &page, &failed_at) || !page.block)
        return 0;
    u32 n = (u32)MIN(page.index - first, (u64)most);
    for (u32 i = 0; i < n; i++)
        out[i] = NULL;
    return n;
}

// The next part of a window. 0: it ends here; what is wrong there is told when the process comes to it.
static u32 fetch_part(struct lazy *lazy, u64 first, u32 most, struct run *run, struct frame **out)
{
    u32 given = 0;
    u64 failed_at;

    if (find_run(lazy, first, most, run, &failed_at))
        return 0;
    if (run->count == 0)
        return pass_gap(lazy, first, most, out);
    return read_sound(lazy, run, out, &given) ? 0 : given;
}

static u32 fetch_ahead(void *ctx, u64 first, u32 want, struct frame **out)
{
    struct run *run = kmalloc(sizeof(*run));
    u32 got = 0, part = run ? want : 0;

    for (; got < want && part; got += part)
        part = fetch_part(ctx, first + got, want - got, run, out + got);
    kfree(run);
    return got;
}

// Whoever asks for as much as can be asked for goes through the memory from below.
static void look_ahead(struct lazy *lazy, u64 index, u32 want)
{
    int err = 0;

    if (want < SUPPLY_MAX)
        return;
    mutex_lock(&lazy->lock);
    if (!lazy->ahead)
        err = ahead_create(fetch_ahead, lazy, &lazy->ahead);
    mutex_unlock(&lazy->lock);
    if (!err)
        ahead_ask(lazy->ahead, index);
}

static int fetch_run(struct lazy *lazy, const struct run *run, struct frame **out, u32 *given)
{
    int err = read_sound(lazy, run, out, given);

    return err || *given ? err : refuse(lazy, CKPT_BAD_CHECKSUM, run_offset(run, 0));
}

static int fetch(struct lazy *lazy, u64 first, u32 most, struct frame **out, u32 *given)
{
    struct run *run = kmalloc(sizeof(*run));
    u64 failed_at;

    if (!run)
        return -ENOMEM;
    enum ckpt_error error = find_run(lazy, first, most, run, &failed_at);
    int err = 0;
    if (error) {
        err = refuse(lazy, error, failed_at);
    } else if (run->count) {
        err = fetch_run(lazy, run, out, given);
    } else {
        out[0] = NULL;
        *given = 1;
    }
    kfree(run);
    return err;
}

static int pages(struct backing *b, u64 offset, u64 limit, struct frame **out, u32 want, u32 *given)
{
    struct lazy *lazy = container_of(b, struct lazy, backing);
    u32 most = (u32)MIN((u64)want, DIV_ROUND_UP(limit, PAGE_SIZE));
    u64 first = offset / PAGE_SIZE;

    *given = lazy->ahead ? ahead_take(lazy->ahead, first, most, out) : 0;
    if (*given)
        return 0;
    int err = fetch(lazy, first, most, out, given);
    if (!err)
        look_ahead(lazy, first + *given, want);
    return err;
}

static int next(struct backing *b, u64 *offset)
{
    struct lazy *lazy = container_of(b, struct lazy, backing);
    struct ckpt_page page;
    u64 failed_at;

    enum ckpt_error error = find_page(lazy, *offset / PAGE_SIZE, &page, &failed_at);
    if (error)
        return refuse(lazy, error, failed_at);
    *offset = page.index * PAGE_SIZE;
    return page.block ? 0 : -ENOENT;
}

static void destroy(struct backing *b)
{
    struct lazy *lazy = container_of(b, struct lazy, backing);

    ahead_destroy(lazy->ahead);
    source_put(lazy->source);
    kfree(lazy);
}

static const struct backing_ops ops = { .pages = pages, .next = next, .destroy = destroy };

int lazy_backing(struct source *source, const struct ckpt_bounds *bounds, const struct ckpt_tree *tree,
                 struct backing **out)
{
    struct lazy *lazy = kzalloc(sizeof(*lazy));

    if (!lazy)
        return -ENOMEM;
    lazy->backing.ops = &ops;
    lazy->backing.refs = 1;
    lazy->source = source;
    source->refs++;
    mutex_init(&lazy->lock, "image", RANK_CKPT);
    struct ckpt_bounds own = *bounds;
    own.source = &source->image.source;
    ckpt_lookup_init(&lazy->lookup, &own, tree);
    *out = &lazy->backing;
    return 0;
}

// ---- all at once

// Make the frames the space's: each reference, in every case. *left: so many more there may be.
static int install(struct lazy *lazy, struct vmspace *space, u64 offset, struct frame **frames, u32 count, u64 *left)
{
    int err = 0;

    for (u32 i = 0; i < count; i++) {
        u64 va = offset + (u64)i * PAGE_SIZE;

        if (!frames[i])
            continue;
        if (!err && (va >= USER_END || (*left)-- == 0))
            err = -EFAULT;
        if (err)
            frame_put(frames[i]);
        else
            err = vmspace_install(space, (uaddr_t)va, frames[i]);
    }
    return err == -EFAULT ? refuse(lazy, CKPT_BAD_TREE, lazy->lookup.failed_at) : err;
}

int lazy_hurry(struct backing *b, struct vmspace *space)
{
    struct lazy *lazy = container_of(b, struct lazy, backing);
    struct frame *frames[SUPPLY_MAX];
    u64 left = lazy->lookup.tree.pages, offset = 0;
    int err;

    while (!(err = next(b, &offset))) {
        u32 given;

        err = pages(b, offset, (u64)SUPPLY_MAX * PAGE_SIZE, frames, SUPPLY_MAX, &given);
        if (!err)
            err = install(lazy, space, offset, frames, given, &left);
        if (!err && proc_killed(proc_self()))
            err = -EINTR;
        if (err)
            return err;
        offset += (u64)given * PAGE_SIZE;
        thread_breathe();
    }
    if (err == -ENOENT && left)
        return refuse(lazy, CKPT_BAD_TREE, lazy->lookup.failed_at);
    return err == -ENOENT ? 0 : err;
}
