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

static int fetch_run(struct lazy *lazy, const struct run *run, struct frame **out, u32 *given)
{
    int err = read_sound(lazy, run, out, given);

    return err || *given ? err : image_refuse(&lazy->source->image, CKPT_BAD_CHECKSUM, run_offset(run, 0));
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
    enum ckpt_error error = run_find(&lazy->lookup, first, want, RUN_HERE, run);
    mutex_unlock(&lazy->lock);
    if (!error && run->count && read_sound(lazy, run, out, &given))
        given = 0;
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
    enum ckpt_error error = run_find(&lazy->lookup, first, most, RUN_HERE, run);
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
