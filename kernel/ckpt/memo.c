// Memos, the latest first.
#include "memo.h"
#include <kern/spinlock.h>
#include <mm/frame.h>
#include <mm/kmalloc.h>

#define KEPT 4

static struct spinlock lock = SPINLOCK_INIT("memos of images", RANK_WAIT);
static struct memo *kept[KEPT] GUARDED_BY(lock);

struct memo *memo_create(void)
{
    struct memo *m = kzalloc(sizeof(*m));

    if (m)
        m->recent = recent_create();
    return m;
}

void memo_destroy(struct memo *m)
{
    if (!m)
        return;
    spare_destroy(m->spare);
    recent_destroy(m->recent);
    base_destroy(m->base);
    kfree(m);
}

void memo_keep(struct memo *m, const struct memo_key *key)
{
    m->key = *key;
    spin_lock(&lock);
    struct memo *oldest = kept[KEPT - 1];
    for (u32 i = KEPT - 1; i > 0; i--)
        kept[i] = kept[i - 1];
    kept[0] = m;
    spin_unlock(&lock);
    memo_destroy(oldest);
}

// Take out of the list; the places behind move up.
static struct memo *take(u32 i) REQUIRES(lock)
{
    struct memo *m = kept[i];

    for (; i + 1 < KEPT; i++)
        kept[i] = kept[i + 1];
    kept[KEPT - 1] = NULL;
    return m;
}

struct memo *memo_recall(u64 ino, u64 generation)
{
    struct memo *found = NULL;

    spin_lock(&lock);
    for (u32 i = 0; i < KEPT && kept[i] && !found; i++)
        if (kept[i]->key.ino == ino && kept[i]->key.generation == generation)
            found = take(i);
    spin_unlock(&lock);
    return found;
}

// The oldest goes first.
static struct memo *take_oldest(void)
{
    struct memo *m = NULL;

    spin_lock(&lock);
    for (u32 i = KEPT; i > 0 && !m; i--)
        if (kept[i - 1])
            m = take(i - 1);
    spin_unlock(&lock);
    return m;
}

static u32 frames_of(const struct memo *m)
{
    return recent_count(m->recent) + spare_frames(m->spare);
}

static u32 shrink(u32 want)
{
    struct memo *m;
    u32 got = 0;

    while (got < want && (m = take_oldest())) {
        got += frames_of(m);
        memo_destroy(m);
    }
    return got;
}

static u32 count(void)
{
    u32 n = 0;

    spin_lock(&lock);
    for (u32 i = 0; i < KEPT; i++)
        if (kept[i])
            n += frames_of(kept[i]);
    spin_unlock(&lock);
    return n;
}

void memo_init(void)
{
    static struct shrinker shrinker = { .shrink = shrink, .count = count };

    shrinker_register(&shrinker);
}
