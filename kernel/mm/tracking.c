// The marks of a space.
#include "tracking.h"
#include "space.h"
#include <mm/kmalloc.h>
#include <uapi/errno.h>

/* An instant, and what changed since. */
struct mark {
    struct list link;
    struct mark_label label;
    bool labelled;                // else it's an instant that a snapshot may yet make a mark
    struct page_set changed;      // since then, but for what the taker has
    struct snapshot_mark *taker;  // a snapshot that has taken what had changed before it; NULL: none
};

struct tracking {
    struct mutex lock;
    _Atomic u32 refs;                                     // the space, and each snapshot_mark
    struct list marks FIELD_GUARDED_BY(lock);             // the newest last
    struct snapshot_mark *untold FIELD_GUARDED_BY(lock);  // the last snapshot, if its news are not in the marks yet
};

struct snapshot_mark {
    struct tracking *tracking;                           // a reference
    struct mark *instant;                                // in the list from snapshot_mark_begin() on
    pte_t *news FIELD_GUARDED_BY(tracking->lock);        // the snapshot's root, while it's the untold one
    struct mark *base FIELD_GUARDED_BY(tracking->lock);  // whose set was taken; NULL: none, or it's gone meanwhile
    bool counts;                                         // it has taken what changed since a mark
    struct page_set taken;                               // constant once the news have been told
};

int tracking_begin(struct vmspace *space)
{
    if (space->tracking)
        return 0;
    struct tracking *t = kzalloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    mutex_init(&t->lock, "marks", RANK_SLEEP_LEAF);
    t->refs = 1;
    list_init(&t->marks);
    space->tracking = t;
    return 0;
}

// It no longer knows what changed.
static void mark_lose(struct mark *m)
{
    if (m->taker)
        m->taker->base = NULL;
    m->taker = NULL;
    page_set_lose(&m->changed);
}

static void mark_remove(struct tracking *t, struct mark *m) REQUIRES(t->lock)
{
    list_remove(&m->link);
    mark_lose(m);
    kfree(m);
}

void tracking_put(struct tracking *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    mutex_lock(&t->lock);
    while (!list_empty(&t->marks))
        mark_remove(t, list_first(&t->marks, struct mark, link));
    mutex_unlock(&t->lock);
    kfree(t);
}

// Add the news of the last snapshot to the marks that are older, and to what it has taken from one of them.
static void tell_news(struct tracking *t) REQUIRES(t->lock)
{
    struct snapshot_mark *untold = t->untold;
    struct page_set news = { .chunks = NULL };
    struct mark *m;

    t->untold = NULL;
    if (!untold)
        return;
    page_table_news(untold->news, &news);
    if (untold->counts)
        page_set_add_set(&untold->taken, &news);
    list_for_each(m, &t->marks, link)
        if (m != untold->instant && m->taker != untold)
            page_set_add_set(&m->changed, &news);
    page_set_release(&news);
}

bool tracking_is_needed(struct tracking *t)
{
    mutex_lock(&t->lock);
    bool needed = !list_empty(&t->marks);
    mutex_unlock(&t->lock);
    return needed;
}

void tracking_add_set(struct tracking *t, const struct page_set *pages)
{
    struct mark *m;

    mutex_lock(&t->lock);
    list_for_each(m, &t->marks, link)
        page_set_add_set(&m->changed, pages);
    mutex_unlock(&t->lock);
}

void tracking_add_range(struct tracking *t, uaddr_t start, uaddr_t end)
{
    struct mark *m;

    mutex_lock(&t->lock);
    list_for_each(m, &t->marks, link)
        page_set_add_range(&m->changed, start >> PAGE_SHIFT, end >> PAGE_SHIFT);
    mutex_unlock(&t->lock);
}

// Is it a mark, of that file or whatever the words stand for?
static bool mark_is(const struct mark *m, const u64 *words, u32 n)
{
    if (!m->labelled)
        return false;
    for (u32 i = 0; i < n; i++)
        if (m->label.word[i] != words[i])
            return false;
    return true;
}

// NULL: there is none.
static struct mark *mark_find(struct tracking *t, const u64 *words, u32 n) REQUIRES(t->lock)
{
    struct mark *m, *found = NULL;

    list_for_each(m, &t->marks, link)
        if (mark_is(m, words, n))
            found = m;
    return found;
}

bool vmspace_find_mark(struct vmspace *space, u64 word0, u64 word1, struct mark_label *out)
{
    struct tracking *t = space->tracking;
    const u64 words[] = { word0, word1 };

    if (!t)
        return false;
    mutex_lock(&t->lock);
    struct mark *m = mark_find(t, words, ARRAY_SIZE(words));
    if (m)
        *out = m->label;
    mutex_unlock(&t->lock);
    return m;
}

struct snapshot_mark *snapshot_mark_create(struct tracking *t)
{
    struct snapshot_mark *mark = kzalloc(sizeof(*mark));
    struct mark *instant = kzalloc(sizeof(*instant));

    if (!mark || !instant) {
        kfree(mark);
        kfree(instant);
        return NULL;
    }
    list_init(&instant->link);
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    mark->tracking = t;
    mark->instant = instant;
    return mark;
}

// Take from the base what changed since. Another snapshot may have done so, or the set is lost: then nobody knows.
static bool take(struct tracking *t, struct snapshot_mark *mark, const struct mark_label *base) REQUIRES(t->lock)
{
    struct mark *m = mark_find(t, base->word, ARRAY_SIZE(base->word));

    if (!m || m->taker || m->changed.lost)
        return false;
    m->taker = mark;
    mark->base = m;
    mark->counts = true;
    mark->taken = m->changed;
    m->changed = (struct page_set){ .chunks = NULL };
    return true;
}

static void give_back(struct snapshot_mark *mark)
{
    struct mark *m = mark->base;

    if (!m)
        return;
    page_set_add_set(&m->changed, &mark->taken);
    m->taker = NULL;
    mark->base = NULL;
}

// News are of interest to who counts what changed only.
void snapshot_mark_begin(struct snapshot_mark *mark, pte_t *news, const struct mark_label *base,
                         const struct page_set **changed)
{
    struct tracking *t = mark->tracking;

    mutex_lock(&t->lock);
    tell_news(t);
    *changed = base && take(t, mark, base) ? &mark->taken : NULL;
    if (news && !list_empty(&t->marks)) {
        mark->news = news;
        t->untold = mark;
    }
    list_append(&t->marks, &mark->instant->link);
    mutex_unlock(&t->lock);
}

bool snapshot_mark_settle(struct snapshot_mark *mark)
{
    struct tracking *t = mark->tracking;

    mutex_lock(&t->lock);
    tell_news(t);
    bool known = !mark->taken.lost;
    mutex_unlock(&t->lock);
    return known;
}

static void snapshot_mark_free(struct snapshot_mark *mark)
{
    page_set_release(&mark->taken);
    tracking_put(mark->tracking);
    kfree(mark);
}

// The marks with that label's first two words go.
static void forget_alike(struct tracking *t, const struct mark_label *label) REQUIRES(t->lock)
{
    struct mark *m, *after;

    list_for_each_safe(m, after, &t->marks, link) {
        bool alike = m->label.word[0] == label->word[0] && m->label.word[1] == label->word[1];
        if (m->labelled && alike)
            mark_remove(t, m);
    }
}

static void forget_oldest(struct tracking *t) REQUIRES(t->lock)
{
    struct mark *m, *oldest = NULL, *knowing = NULL;
    u32 all = 0, know = 0;

    list_for_each(m, &t->marks, link) {
        if (!m->labelled)
            continue;
        if (all++ == 0)
            oldest = m;
        if (!m->changed.lost && know++ == 0)
            knowing = m;
    }
    if (know > MARKS_KNOWING)
        mark_lose(knowing);
    if (all > MARKS_MAX)
        mark_remove(t, oldest);
}

void snapshot_mark_keep(struct snapshot_mark *mark, const struct mark_label *label)
{
    struct tracking *t = mark->tracking;
    struct mark *m = mark->instant;

    mutex_lock(&t->lock);
    tell_news(t);
    forget_alike(t, label);
    give_back(mark);
    m->label = *label;
    m->labelled = true;
    list_remove(&m->link);
    list_append(&t->marks, &m->link);
    forget_oldest(t);
    mutex_unlock(&t->lock);
    snapshot_mark_free(mark);
}

void snapshot_mark_drop(struct snapshot_mark *mark)
{
    struct tracking *t = mark->tracking;

    mutex_lock(&t->lock);
    tell_news(t);
    give_back(mark);
    mark_remove(t, mark->instant);
    mutex_unlock(&t->lock);
    snapshot_mark_free(mark);
}
