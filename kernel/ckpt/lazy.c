// Memory out of an image, on demand.
//
// A page is looked up in the epoch's page tree, nodes checked on the way; it is read with those that lie beside it in
// the file, and each is checked before anyone sees it. A page that fails is an error of whoever touches it, and of
// nobody else.
#include "lazy.h"
#include "ahead.h"
#include <base/crc32c.h>
#include <base/string.h>
#include <kern/printk.h>
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

// Pages that lie beside each other, in memory and in the image.
struct run {
    u32 count;
    struct ckpt_page pages[AHEAD_PAGES];
};

_Static_assert(AHEAD_PAGES >= SUPPLY_MAX, "a run holds what may be asked for");

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

static enum ckpt_error look_up(struct lazy *lazy, u64 first, u32 want, struct run *run) REQUIRES(lazy->lock)
{
    enum ckpt_error error = CKPT_OK;

    run->count = 0;
    while (!error && run->count < want) {
        struct ckpt_page *page = &run->pages[run->count];
        error = ckpt_lookup(&lazy->lookup, first + run->count, false, page);
        if (error || !page->block || page->block != run->pages[0].block + run->count)
            break;
        run->count++;
    }
    // What is wrong further on is told to who touches it.
    return run->count ? CKPT_OK : error;
}

static int read_run(struct source *s, const struct run *run, struct frame **out)
{
    u32 have = 0;
    int err = 0;

    while (have < run->count && (out[have] = frame_alloc()))
        have++;
    if (have < run->count)
        err = -ENOMEM;
    if (!err)
        err = inode_read_frames(s->image.inode, (u64)run->pages[0].block * CKPT_BLOCK_SIZE, out, run->count);
    while (err && have > 0)
        frame_put(out[--have]);
    return err;
}

// The first bad one ends the run.
static u32 check_run(const struct run *run, struct frame **frames)
{
    u32 good = 0;

    while (good < run->count && crc32c(0, frame_data(frames[good]), PAGE_SIZE) == run->pages[good].crc)
        good++;
    for (u32 i = good; i < run->count; i++)
        frame_put(frames[i]);
    return good;
}

static int fetch_run(struct lazy *lazy, const struct run *run, struct frame **out, u32 *given)
{
    int err = read_run(lazy->source, run, out);

    if (err)
        return err;
    *given = check_run(run, out);
    if (*given)
        return 0;
    return image_refuse(&lazy->source->image, CKPT_BAD_CHECKSUM, (u64)run->pages[0].block * CKPT_BLOCK_SIZE);
}

// What is wrong there is told when the process comes to it.
static u32 fetch_ahead(struct backing *b, u64 first, u32 want, struct frame **out)
{
    struct lazy *lazy = container_of(b, struct lazy, backing);
    struct run *run = kmalloc(sizeof(*run));
    u32 given = 0;

    if (!run)
        return 0;
    mutex_lock(&lazy->lock);
    enum ckpt_error error = look_up(lazy, first, want, run);
    mutex_unlock(&lazy->lock);
    if (!error && run->count && read_run(lazy->source, run, out) == 0)
        given = check_run(run, out);
    kfree(run);
    return given;
}

// Whoever asks for as much as can be asked for goes through the memory from below.
static void look_ahead(struct lazy *lazy, u64 index, u32 want)
{
    int err = 0;

    if (want < SUPPLY_MAX)
        return;
    mutex_lock(&lazy->lock);
    if (!lazy->ahead)
        err = ahead_create(&lazy->backing, fetch_ahead, &lazy->ahead);
    mutex_unlock(&lazy->lock);
    if (!err)
        ahead_ask(lazy->ahead, index);
}

static int fetch(struct lazy *lazy, u64 first, u32 most, struct frame **out, u32 *given)
{
    struct run *run = kmalloc(sizeof(*run));

    if (!run)
        return -ENOMEM;
    mutex_lock(&lazy->lock);
    enum ckpt_error error = look_up(lazy, first, most, run);
    u64 failed_at = lazy->lookup.failed_at;
    mutex_unlock(&lazy->lock);

    int err = 0;
    if (error) {
        err = image_refuse(&lazy->source->image, error, failed_at);
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

    mutex_lock(&lazy->lock);
    enum ckpt_error error = ckpt_lookup(&lazy->lookup, *offset / PAGE_SIZE, true, &page);
    u64 failed_at = lazy->lookup.failed_at;
    mutex_unlock(&lazy->lock);
    if (error)
        return image_refuse(&lazy->source->image, error, failed_at);
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
