// Output: frames are gathered while their blocks lie together, and written by others meanwhile.
#include "output.h"
#include "run.h"
#include <base/string.h>
#include <sched/thread.h>
#include <uapi/errno.h>

_Static_assert(PAGE_SIZE == CKPT_BLOCK_SIZE, "a page is a block");

static void write_batch(struct work *work)
{
    struct batch *b = container_of(work, struct batch, work);

    b->err = inode_write_frames(b->inode, (u64)b->first * CKPT_BLOCK_SIZE, b->frames, b->count);
}

static void flush_early(struct work *work)
{
    const struct early_flush *f = container_of(work, struct early_flush, work);

    (void)!inode_flush_early(f->inode);  // after an error the file system takes nothing more, and so all else fails
}

void output_init(struct output *o, struct inode *inode, u64 blocks, u64 expected, struct spare *spare,
                 _Atomic bool *cancelled)
{
    memset(o, 0, offsetof(struct output, batches));
    o->inode = inode;
    o->blocks = blocks;
    o->spare = spare;
    o->grows = !spare;
    o->hope = (u32)MIN(expected, (u64)BATCH_FRAMES);
    o->cancelled = cancelled;
    work_prepare(&o->early.work, flush_early);
    o->early.inode = inode;
    o->batch = &o->batches[0];
    for (u32 i = 0; i < ARRAY_SIZE(o->batches); i++) {
        struct batch *b = &o->batches[i];
        work_prepare(&b->work, write_batch);
        b->inode = inode;
        b->count = 0;
    }
}

static void empty(struct batch *b)
{
    work_wait(&b->work);
    frames_release(b->frames, b->count);
    b->count = 0;
}

// Wait for a batch that was sent, if it was, and make it an empty one.
static int settle(struct output *o, struct batch *b)
{
    work_wait(&b->work);
    int err = b->count ? b->err : 0;

    if (!err)
        o->written += b->count;
    empty(b);
    return err;
}

void output_release(struct output *o)
{
    work_wait(&o->early.work);
    for (u32 i = 0; i < ARRAY_SIZE(o->batches); i++)
        empty(&o->batches[i]);
}

static struct batch *other_batch(struct output *o)
{
    return &o->batches[o->batch == &o->batches[0]];
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

// Send the full batch on its way, when the one before has arrived: that becomes the one to be filled.
static int send(struct output *o)
{
    int err = settle(o, other_batch(o));

    if (err)
        return err;
    flush_sometimes(&o->early, o->batch->count);
    work_start(&o->batch->work);
    o->batch = other_batch(o);
    thread_breathe();
    return *o->cancelled ? -EINTR : 0;
}

int output_flush(struct output *o)
{
    int err = settle(o, other_batch(o));

    if (!err && o->batch->count) {
        write_batch(&o->batch->work);
        err = settle(o, o->batch);
    }
    thread_breathe();
    return err || !*o->cancelled ? err : -EINTR;
}

// What is left of the run of spare blocks is spare again.
static void leave_run(struct output *o)
{
    if (o->left && !o->grows)
        spare_give_back(o->spare, o->next, o->left);
    o->left = 0;
}

// Spare blocks: as many together as can be found. What was too much to hope for once isn't tried again.
static u32 claim_spare(struct output *o, u32 least)
{
    u32 n = 0;

    while (!o->grows && n == 0) {
        n = spare_take(o->spare, MAX(least, o->hope), BATCH_FRAMES, &o->next);
        if (n == 0 && o->hope <= least)
            break;
        if (n == 0)
            o->hope /= 2;
    }
    return n;
}

// Spare blocks first, at least `least` together, then the file's end.
static int claim(struct output *o, u32 least)
{
    leave_run(o);
    u32 n = claim_spare(o, least);
    if (n == 0) {
        n = MAX(least, BATCH_FRAMES);
        if (o->blocks + n > UINT32_MAX)
            return -EFBIG;
        o->next = (u32)o->blocks;
        o->grows = true;
    }
    o->left = n;
    return 0;
}

static u32 take_block(struct output *o)
{
    u32 block = o->next++;

    o->left--;
    o->blocks = MAX(o->blocks, (u64)block + 1);
    return block;
}

int output_frame(struct output *o, struct frame *frame, u32 *block)
{
    int err = o->left ? 0 : claim(o, 1);

    if (!err) {
        *block = take_block(o);
        struct batch *b = o->batch;
        if (b->count && (b->count == BATCH_FRAMES || *block != b->first + b->count))
            err = send(o);
    }
    if (err) {
        frame_put(frame);
        return err;
    }
    struct batch *b = o->batch;
    if (b->count == 0)
        b->first = *block;
    b->frames[b->count++] = frame;
    return 0;
}

int output_block(struct output *o, const u8 bytes[CKPT_BLOCK_SIZE], u32 *block)
{
    struct frame *frame = frame_alloc();

    if (!frame)
        return -ENOMEM;
    memcpy(frame_data(frame), bytes, CKPT_BLOCK_SIZE);
    return output_frame(o, frame, block);
}

int output_run(struct output *o, struct frame **frames, u32 count, u32 *first)
{
    u32 block;
    int err = o->left < count ? claim(o, count) : 0;

    *first = o->next;
    for (u32 i = 0; !err && i < count; i++)
        err = output_frame(o, frame_get(frames[i]), &block);
    return err;
}

int output_finish(struct output *o)
{
    leave_run(o);
    int err = output_flush(o);
    work_wait(&o->early.work);
    return err;
}
