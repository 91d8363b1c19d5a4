// Read-ahead, by a few windows that follow each other. A window whose pages have all been taken moves on to the end of
// the row. The first ones are small, since somebody waits for them; each is twice as large as the one before, since
// large requests cost little.
#include "ahead.h"
#include "run.h"
#include "work.h"
#include <mm/kmalloc.h>
#include <sched/mutex.h>
#include <uapi/errno.h>

#define WINDOWS         5
#define WINDOW_FIRST    64u  // pages
#define SHARE_OF_FRAMES 64u  // of those that are free, that a window may have

// Its pages are the work's while that is pending, and the lock's afterwards.
struct window {
    struct work work;
    struct ahead *ahead;
    u64 first;         // page
    u32 size;          // pages that are asked for
    u32 count, taken;  // of those that came
    struct frame *frames[RUN_MAX];
};

struct ahead {
    ahead_fetch *fetch;
    void *ctx;
    struct mutex lock;                   // a process and its children may share a backing
    u64 end FIELD_GUARDED_BY(lock);      // of the row: where the next window will begin
    u32 size FIELD_GUARDED_BY(lock);     // and how large it will be
    bool at_end FIELD_GUARDED_BY(lock);  // a window didn't get all its pages: there may be no more
    struct window *windows[WINDOWS] FIELD_GUARDED_BY(lock);
};

static void read_window(struct work *work)
{
    struct window *w = container_of(work, struct window, work);

    w->count = w->ahead->fetch(w->ahead->ctx, w->first, w->size, w->frames);
}

static struct window *window_create(struct ahead *a)
{
    struct window *w = kmalloc(sizeof(*w));

    if (!w)
        return NULL;
    work_prepare(&w->work, read_window);
    w->ahead = a;
    w->count = w->taken = 0;
    return w;
}

int ahead_create(ahead_fetch *fetch, void *ctx, struct ahead **out)
{
    struct ahead *a = kzalloc(sizeof(*a));
    bool whole = a;

    for (u32 i = 0; whole && i < WINDOWS; i++)
        whole = (a->windows[i] = window_create(a));
    if (!whole) {
        ahead_destroy(a);
        return -ENOMEM;
    }
    a->fetch = fetch;
    a->ctx = ctx;
    mutex_init(&a->lock, "read-ahead", RANK_AHEAD);
    *out = a;
    return 0;
}

static void throw_away(struct window *w)
{
    for (; w->taken < w->count; w->taken++)
        if (w->frames[w->taken])
            frame_put(w->frames[w->taken]);
}

void ahead_destroy(struct ahead *a)
{
    for (u32 i = 0; a && i < WINDOWS && a->windows[i]; i++) {
        work_wait(&a->windows[i]->work);
        throw_away(a->windows[i]);
        kfree(a->windows[i]);
    }
    kfree(a);
}

// How large the next window may be: what is in windows can't be had back before it is taken.
static u32 largest(void)
{
    u32 frames = frames_free() + frames_reclaimable();

    return MAX(MIN(frames / SHARE_OF_FRAMES, (u32)RUN_MAX), 1u);
}

// Empty windows go to the row's end.
static void go_on(struct ahead *a) REQUIRES(a->lock)
{
    for (u32 i = 0; i < WINDOWS && !a->at_end; i++) {
        struct window *w = a->windows[i];
        if (work_is_pending(&w->work) || w->taken < w->count)
            continue;
        w->first = a->end;
        w->size = MIN(a->size, largest());
        w->count = w->taken = 0;
        a->end += w->size;
        a->size = 2 * w->size;
        work_start(&w->work);
    }
}

static struct window *window_at(struct ahead *a, u64 index) REQUIRES(a->lock)
{
    for (u32 i = 0; i < WINDOWS; i++) {
        struct window *w = a->windows[i];
        bool pending = work_is_pending(&w->work);
        if (pending ? w->first == index : w->taken < w->count && w->first + w->taken == index)
            return w;
    }
    return NULL;
}

// The window that has the page, once it has come.
static struct window *await(struct ahead *a, u64 index) REQUIRES(a->lock)
{
    struct window *w;

    while ((w = window_at(a, index)) && work_is_pending(&w->work)) {
        mutex_unlock(&a->lock);
        work_wait(&w->work);
        mutex_lock(&a->lock);
    }
    return w;
}

u32 ahead_take(struct ahead *a, u64 index, u32 most, struct frame **out)
{
    u32 n = 0;

    mutex_lock(&a->lock);
    struct window *w = await(a, index);
    while (w && n < most && w->taken < w->count)
        out[n++] = w->frames[w->taken++];
    if (w && w->count < w->size)
        a->at_end = true;
    if (n)
        go_on(a);
    mutex_unlock(&a->lock);
    return n;
}

void ahead_ask(struct ahead *a, u64 index)
{
    mutex_lock(&a->lock);
    for (u32 i = 0; i < WINDOWS; i++)
        if (!work_is_pending(&a->windows[i]->work))
            throw_away(a->windows[i]);
    a->end = index;
    a->size = WINDOW_FIRST;
    a->at_end = false;
    go_on(a);
    mutex_unlock(&a->lock);
}
