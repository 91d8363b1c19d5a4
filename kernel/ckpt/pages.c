// Pages, a chunk at a time. A checksum costs more than all the rest that a page takes, so full chunks are offered to
// the workers. What none of them has taken by the time when its turn comes is summed by the thread that puts it out: so
// all CPUs are busy, and a small tree or a single CPU never waits for another thread.
#include "pages.h"
#include "epoch.h"
#include <base/string.h>

static void sum(struct page_fate *fate, u32 features)
{
    const u8 *data = frame_data(fate->frame);

    if (memory_is_zero(data, PAGE_SIZE))
        fate->frame = NULL;
    else
        fate->crc = ckpt_page_checksum(features, data);
}

static void sum_chunk(struct work *work)
{
    struct chunk *c = container_of(work, struct chunk, work);

    for (u32 i = 0; i < c->count; i++)
        if (c->fates[i].frame)
            sum(&c->fates[i], c->features);
}

void pages_begin(struct pages *p, u32 features)
{
    p->gathered = 0;
    for (u32 i = 0; i < CHUNKS; i++) {
        work_prepare(&p->chunks[i].work, sum_chunk);
        p->chunks[i].features = features;
        p->chunks[i].count = 0;
    }
}

static int put_out(struct epoch *x, const struct page_fate *fate)
{
    ++*x->looked_at;
    if (fate->frame)
        return epoch_page(x, fate->index, fate->frame, fate->crc);
    return fate->block ? epoch_shared_page(x, fate->index, fate->block, fate->crc) : epoch_no_page(x, fate->index);
}

// A chunk that is summed.
static int empty(struct epoch *x, struct chunk *c)
{
    int err = 0;

    for (u32 i = 0; !err && i < c->count; i++)
        err = put_out(x, &c->fates[i]);
    c->count = 0;
    return err;
}

// The oldest chunk becomes the one that pages are added to.
static int move_on(struct epoch *x)
{
    struct pages *p = &x->pages;

    p->gathered = (p->gathered + 1) % CHUNKS;
    struct chunk *oldest = &p->chunks[p->gathered];
    work_finish(&oldest->work);
    return empty(x, oldest);
}

int pages_add(struct epoch *x, struct page_fate fate)
{
    struct chunk *c = &x->pages.chunks[x->pages.gathered];

    c->fates[c->count++] = fate;
    if (c->count < CHUNK_PAGES)
        return 0;
    work_start(&c->work);
    return move_on(x);
}

int pages_finish(struct epoch *x)
{
    struct chunk *last = &x->pages.chunks[x->pages.gathered];
    int err = 0;

    sum_chunk(&last->work);
    for (u32 i = 0; !err && i < CHUNKS; i++)
        err = move_on(x);
    return err;
}

void pages_drop(struct pages *p)
{
    for (u32 i = 0; i < CHUNKS; i++) {
        work_finish(&p->chunks[i].work);
        p->chunks[i].count = 0;
    }
}
