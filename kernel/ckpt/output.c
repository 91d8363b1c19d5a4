// Output: frames are gathered while their blocks lie together, and written by others meanwhile.
#include "output.h"
#include "run.h"
#include <base/string.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <sched/thread.h>
#include <uapi/errno.h>

#define FEW           8u    // blocks: hardly worth a request; a small epoch has as many that aren't pages
#define WORTH_SPARING 256u  // blocks

_Static_assert(PAGE_SIZE == CKPT_BLOCK_SIZE, "a page is a block");

// Add the batch's runs to the n that are sorted. Returns how many they are then.
static u32 sort_in(struct frame_run *runs, u32 n, const struct batch *b)
{
    for (u32 k = 0; k < b->run_count; k++) {
        u32 at = n++;
        for (; at && runs[at - 1].offset > b->runs[k].offset; at--)
            runs[at] = runs[at - 1];
        runs[at] = b->runs[k];
    }
    return n;
}

static void write_batch(struct work *work)
{
    struct batch *b = container_of(work, struct batch, work);
    struct batch *with = b->with;
    struct frame_run runs[2 * BATCH_RUNS];
    u32 n = sort_in(runs, 0, b);

    if (with)
        n = sort_in(runs, n, with);
    b->err = inode_write_runs(b->inode, runs, n);
    if (with)
        with->err = b->err;
}

static void flush_early(struct work *work)
{
    const struct early_flush *f = container_of(work, struct early_flush, work);

    (void)!inode_flush_early(f->inode);  // after an error the file system takes nothing more, and so all else fails
}

static void stream_init(struct stream *t, struct inode *inode, u64 due, struct frame **lists)
{
    t->next = t->left = 0;
    t->due = due;
    t->hope = (u32)MIN(due, (u64)BATCH_FRAMES);
    t->batch = &t->batches[0];
    for (u32 i = 0; i < ARRAY_SIZE(t->batches); i++) {
        struct batch *b = &t->batches[i];
        work_prepare(&b->work, write_batch);
        b->inode = inode;
        b->frames = lists + i * BATCH_FRAMES;
        b->run_count = b->count = 0;
        b->err = 0;
    }
}

int output_init(struct output *o, struct inode *inode, u64 blocks, u64 pages, struct memo *memo,
                _Atomic bool *cancelled)
{
    o->lists = kmalloc(4 * BATCH_FRAMES * sizeof(*o->lists));
    if (!o->lists)
        return -ENOMEM;
    o->inode = inode;
    o->blocks = blocks;
    o->written = 0;
    o->memo = memo;
    o->grows = !memo->spare;
    o->cancelled = cancelled;
    o->early = (struct early_flush){ .inode = inode };
    work_prepare(&o->early.work, flush_early);
    stream_init(&o->pages, inode, pages, o->lists);
    stream_init(&o->rest, inode, FEW + pages / CKPT_FANOUT, o->lists + 2 * BATCH_FRAMES);
    return 0;
}

// Wait for a batch that was sent, if it was, and make it an empty one.
static int settle(struct batch *b)
{
    work_finish(&b->work);
    int err = b->count ? b->err : 0;

    frames_release(b->frames, b->count);
    b->run_count = b->count = 0;
    return err;
}

// Both batches, also after an error: nobody works on them afterwards.
static int stream_settle(struct stream *t)
{
    int err = settle(&t->batches[0]), other_err = settle(&t->batches[1]);

    return err ? err : other_err;
}

static int settle_all(struct output *o)
{
    int err = stream_settle(&o->pages), rest_err = stream_settle(&o->rest);

    return err ? err : rest_err;
}

static struct batch *other_batch(struct stream *t)
{
    return &t->batches[t->batch == &t->batches[0]];
}

// So many frames have been sent on their way. An image that isn't large is flushed once, when it is whole.
static void flush_sometimes(struct early_flush *f, u32 frames)
{
    f->frames += frames;
    if (f->frames < FLUSH_FRAMES || work_is_pending(&f->work))
        return;
    f->frames = 0;
    work_start(&f->work);
}

// Send the batch on its way, when the one before has arrived: that becomes the one to be filled. with: a batch that
// goes along.
static int send(struct output *o, struct stream *t, struct batch *with)
{
    int err = settle(other_batch(t));

    if (err)
        return err;
    u32 count = t->batch->count + (with ? with->count : 0);
    flush_sometimes(&o->early, count);
    o->written += count;
    t->batch->with = with;
    work_start(&t->batch->work);
    t->batch = other_batch(t);
    thread_breathe();
    return *o->cancelled ? -EINTR : 0;
}

// Everything that waits. All is settled before anything else is put out, the pages first.
static int send_all(struct output *o)
{
    struct batch *rest = o->rest.batch;

    if (!o->pages.batch->count)
        return rest->count ? send(o, &o->rest, NULL) : 0;
    return send(o, &o->pages, rest->count ? rest : NULL);
}

int output_flush(struct output *o)
{
    int err = send_all(o);

    return err ? err : settle_all(o);
}

// What is left of the run of spare blocks is spare again.
static void leave_run(struct output *o, struct stream *t)
{
    if (t->left && !o->grows)
        spare_give_back(o->memo->spare, t->next, t->left);
    t->left = 0;
}

// From now on blocks are put at the file's end.
static void leave_spare(struct output *o)
{
    leave_run(o, &o->pages);
    leave_run(o, &o->rest);
    o->grows = true;
}

// Many small requests are slow: while few blocks are unused the file becomes longer rather than to take them one by
// one.
static bool may_grow(const struct output *o, u32 n)
{
    u64 unused = spare_unused(o->memo->spare);

    return unused + n <= MAX((o->blocks - MIN(unused, o->blocks)) / 4, WORTH_SPARING);
}

// As many together as are wanted, or half of that; else as can be found. What was too much to hope for once isn't tried
// again.
static u32 take_spare(struct output *o, struct stream *t, u32 least)
{
    struct spare *spare = o->memo->spare;
    u32 wanted = MAX(least, (u32)MIN(t->due ? t->due : FEW, (u64)BATCH_FRAMES));
    u32 n = spare_take_best(spare, wanted, &t->next);

    if (n == 0)
        n = spare_take(spare, MAX(least, wanted / 2), wanted, &t->next);
    if (n == 0 && may_grow(o, wanted))
        return 0;
    if (n == 0)
        t->hope = MIN(t->hope, wanted / 2);
    while (n == 0) {
        n = spare_take(spare, MAX(least, t->hope), BATCH_FRAMES, &t->next);
        if (n == 0 && t->hope <= least)
            break;
        if (n == 0)
            t->hope /= 2;
    }
    return n;
}

static void begin_run(struct output *o, struct stream *t, u32 count)
{
    t->left = count;
    t->due -= MIN(t->due, (u64)count);
    if (o->memo->recent)
        recent_forget(o->memo->recent, t->next, count);
}

static bool claim_spare(struct output *o, struct stream *t, u32 least)
{
    leave_run(o, t);
    u32 n = take_spare(o, t, least);
    if (n)
        begin_run(o, t, n);
    return n != 0;
}

static int claim_end(struct output *o, u32 least)
{
    u32 n = MAX(least, BATCH_FRAMES);

    leave_spare(o);
    if (o->blocks + n > UINT32_MAX)
        return -EFBIG;
    o->pages.next = (u32)o->blocks;
    begin_run(o, &o->pages, n);
    return 0;
}

// Where the next block goes, and at least `least` together. In spare blocks what isn't pages lies apart: it lives
// shorter than they do, and its places will fit the next epoch's.
static int find_place(struct output *o, bool is_page, u32 least, struct stream **t)
{
    *t = is_page || o->grows ? &o->pages : &o->rest;
    if ((*t)->left >= least || (!o->grows && claim_spare(o, *t, least)))
        return 0;
    *t = &o->pages;
    return claim_end(o, least);
}

static void batch_add(struct batch *b, u32 block, struct frame *const *frames, u32 count)
{
    struct frame_run *last = b->run_count ? &b->runs[b->run_count - 1] : NULL;
    u64 offset = (u64)block * CKPT_BLOCK_SIZE;

    if (last && offset == last->offset + (u64)last->count * CKPT_BLOCK_SIZE)
        last->count += count;
    else
        b->runs[b->run_count++] = (struct frame_run){ offset, b->frames + b->count, count };
    for (u32 i = 0; i < count; i++)
        b->frames[b->count++] = frame_get(frames[i]);
}

// As many of the frames as find room where the stream stands and in its batch. Returns how many; block NULL: nobody
// asks.
static u32 fill(struct output *o, struct stream *t, struct frame *const *frames, u32 count, u32 *block)
{
    u32 n = MIN(MIN(count, t->left), BATCH_FRAMES - t->batch->count);

    batch_add(t->batch, t->next, frames, n);
    for (u32 i = 0; block && i < n; i++)
        block[i] = t->next + i;
    t->next += n;
    t->left -= n;
    o->blocks = MAX(o->blocks, (u64)t->next);
    return n;
}

static bool is_full(const struct batch *b)
{
    return b->count == BATCH_FRAMES || b->run_count == BATCH_RUNS;
}

static int put(struct output *o, bool is_page, struct frame *const *frames, u32 count, u32 *block)
{
    for (u32 n; count; frames += n, count -= n) {
        struct stream *t;
        int err = find_place(o, is_page, 1, &t);
        if (!err && is_full(t->batch))
            err = send(o, t, NULL);
        if (err)
            return err;
        n = fill(o, t, frames, count, block);
        block = block ? block + n : NULL;
    }
    return 0;
}

int output_frames(struct output *o, struct frame *const *frames, u32 count, u32 *block)
{
    return put(o, true, frames, count, block);
}

// It will be read for the next epoch.
static void remember(struct output *o, u32 block, struct frame *frame)
{
    if (o->memo->recent)
        recent_put(o->memo->recent, block, frame);
}

int output_block(struct output *o, const u8 bytes[CKPT_BLOCK_SIZE], u32 *block)
{
    struct frame *frame = frame_alloc();

    if (!frame)
        return -ENOMEM;
    memcpy(frame_data(frame), bytes, CKPT_BLOCK_SIZE);
    int err = put(o, false, &frame, 1, block);
    if (!err)
        remember(o, *block, frame);
    frame_put(frame);
    return err;
}

int output_run(struct output *o, struct frame **frames, u32 count, u32 *first)
{
    struct stream *t;
    int err = find_place(o, false, count, &t);

    if (err)
        return err;
    *first = t->next;
    err = put(o, false, frames, count, NULL);
    for (u32 i = 0; !err && i < count; i++)
        remember(o, *first + i, frames[i]);
    return err;
}

// What grows has all blocks in the other stream.
void output_slots(struct output *o, struct frame *const slots[CKPT_SLOTS])
{
    assert(o->grows && o->rest.batch->count == 0);
    batch_add(o->rest.batch, 0, slots, CKPT_SLOTS);
}

bool output_fits(const struct output *o)
{
    return !o->grows;
}

int output_send(struct output *o)
{
    leave_spare(o);
    return send_all(o);
}

int output_finish(struct output *o)
{
    int err = settle_all(o);

    work_wait(&o->early.work);
    kfree(o->lists);
    o->lists = NULL;
    return err;
}
