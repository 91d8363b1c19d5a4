// Pages, a chunk at a time. A checksum costs more than all the rest that a page takes, so full chunks are offered to
// the workers. What none of them has taken by the time when its turn comes is summed by the thread that puts it out: so
// all CPUs are busy, and a small tree or a single CPU never waits for another thread.
#include "pages.h"
#include "epoch.h"
#include <base/string.h>

// Most pages begin with something else than zeros.
static bool is_zero(const u8 *data)
{
    return *(const u32 *)(const void *)data == 0 && memory_is_zero(data, PAGE_SIZE);
}

static void sum_chunk(struct work *work)
{
    struct chunk *c = container_of(work, struct chunk, work);

    for (u32 i = 0; i < c->count; i++) {
        const u8 *data = c->frames[i] ? frame_data(c->frames[i]) : NULL;
        if (data && is_zero(data))
            c->frames[i] = NULL;
        else if (data)
            c->crc[i] = ckpt_page_checksum(c->features, data);
    }
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

enum fate { TO_PUT_OUT, PLACED, NO_PAGE };

static enum fate fate_of(const struct chunk *c, u32 i)
{
    return c->frames[i] ? TO_PUT_OUT : c->block[i] ? PLACED : NO_PAGE;
}

// Pages from i on that are numbered one after the other and alike.
static u32 run_from(const struct chunk *c, u32 i)
{
    enum fate fate = fate_of(c, i);
    u32 n = 1;

    while (i + n < c->count && c->index[i + n] == c->index[i] + n && fate_of(c, i + n) == fate)
        n++;
    return n;
}

static int put_out(struct epoch *x, const struct chunk *c, u32 i, u32 n)
{
    enum fate fate = fate_of(c, i);

    if (fate == TO_PUT_OUT)
        return epoch_pages(x, c->index[i], n, c->frames + i, c->crc + i);
    // A fresh tree has none anyway.
    return fate == NO_PAGE && !x->builder.base.root ? 0
                                                    : epoch_placed_pages(x, c->index[i], n, c->block + i, c->crc + i);
}

// A chunk that is summed.
static int empty(struct epoch *x, struct chunk *c)
{
    int err = 0;

    for (u32 i = 0, n; !err && i < c->count; i += n) {
        n = run_from(c, i);
        err = put_out(x, c, i, n);
        *x->looked_at += n;
    }
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

int pages_add(struct epoch *x, uaddr_t index, struct frame *frame, u32 block, u32 crc)
{
    struct chunk *c = &x->pages.chunks[x->pages.gathered];
    u32 i = c->count++;

    c->index[i] = index;
    c->frames[i] = frame;
    c->block[i] = block;
    c->crc[i] = crc;
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
