// Pages, a chunk at a time. A checksum costs more than all the rest that a page takes, so helpers, one for each other
// CPU, sum what has been gathered; on a single CPU one does while the disk is waited for. The thread that puts the
// chunks out sums, too, as long as the next one in turn isn't ready: so all CPUs are busy, and a small tree waits for
// no other thread.
#include "pages.h"
#include "epoch.h"
#include <arch/cpu.h>
#include <base/string.h>
#include <sched/thread.h>
#include <stdatomic.h>

// Most pages begin with something else than zeros.
static bool is_zero(const u8 *data)
{
    return *(const u32 *)(const void *)data == 0 && memory_is_zero(data, PAGE_SIZE);
}

static void sum(struct chunk *c, u32 features)
{
    for (u32 i = 0; i < c->count; i++) {
        const u8 *data = c->frames[i] ? frame_data(c->frames[i]) : NULL;
        if (data && is_zero(data))
            c->frames[i] = NULL;
        else if (data)
            c->crc[i] = ckpt_page_checksum(features, data);
    }
    c->summed = true;
}

static struct chunk *chunk_of(struct pages *p, u32 number)
{
    return &p->chunks[number % CHUNKS];
}

// Sum the oldest chunk that nobody has taken yet. False: there is none.
static bool sum_one(struct pages *p)
{
    u32 number = p->taken;

    do {
        if (number == p->gathered)
            return false;
    } while (!atomic_compare_exchange_weak(&p->taken, &number, number + 1));
    sum(chunk_of(p, number), p->features);
    return true;
}

// Not for ever: other work may be waiting, and more chunks call again.
static void help(struct work *work)
{
    struct helper *h = container_of(work, struct helper, work);

    for (u32 i = 0; i < CHUNKS && sum_one(h->pages); i++)
        thread_breathe();
}

static void call_helper(struct pages *p)
{
    for (u32 i = 0; i < p->helper_count; i++) {
        if (!work_is_pending(&p->helpers[i].work)) {
            work_start(&p->helpers[i].work);
            return;
        }
    }
}

static void await_helpers(struct pages *p)
{
    for (u32 i = 0; i < p->helper_count; i++)
        work_finish(&p->helpers[i].work);
}

void pages_begin(struct pages *p, u32 features)
{
    p->features = features;
    p->put_out = 0;
    p->taken = 0;
    p->gathered = 0;
    p->helper_count = MIN(MAX(cpu_count() - 1, 1u), HELPERS);
    for (u32 i = 0; i < HELPERS; i++) {
        work_prepare(&p->helpers[i].work, help);
        p->helpers[i].pages = p;
    }
    p->chunks[0].count = 0;
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
static int empty(struct epoch *x, const struct chunk *c)
{
    int err = 0;

    for (u32 i = 0, n; !err && i < c->count; i += n) {
        n = run_from(c, i);
        err = put_out(x, c, i, n);
        *x->looked_at += n;
    }
    return err;
}

// The oldest chunk. As long as it isn't summed there are others to sum, or only helpers have any.
static int put_out_oldest(struct epoch *x)
{
    struct pages *p = &x->pages;
    struct chunk *c = chunk_of(p, p->put_out++);

    while (!c->summed)
        if (!sum_one(p))
            await_helpers(p);
    return empty(x, c);
}

// The chunk that was filled is anybody's to sum, and the next one is free.
static int move_on(struct epoch *x)
{
    struct pages *p = &x->pages;
    int err = 0;

    chunk_of(p, p->gathered)->summed = false;
    if (++p->gathered - p->put_out == CHUNKS)
        err = put_out_oldest(x);
    chunk_of(p, p->gathered)->count = 0;
    thread_breathe();
    return err;
}

int pages_add(struct epoch *x, uaddr_t index, struct frame *frame, u32 block, u32 crc)
{
    struct chunk *c = chunk_of(&x->pages, x->pages.gathered);
    u32 i = c->count++;

    c->index[i] = index;
    c->frames[i] = frame;
    c->block[i] = block;
    c->crc[i] = crc;
    if (c->count < CHUNK_PAGES)
        return 0;
    int err = move_on(x);
    call_helper(&x->pages);
    return err;
}

int pages_finish(struct epoch *x)
{
    int err = move_on(x);

    while (!err && x->pages.put_out != x->pages.gathered)
        err = put_out_oldest(x);
    return err;
}

void pages_drop(struct pages *p)
{
    p->taken = p->gathered;
    await_helpers(p);
}
