// Output: frames are gathered while their blocks lie together.
#include "output.h"
#include <base/string.h>
#include <sched/thread.h>
#include <uapi/errno.h>

_Static_assert(PAGE_SIZE == CKPT_BLOCK_SIZE, "a page is a block");

void output_init(struct output *o, struct inode *inode, u64 blocks, u64 expected, struct spare *spare,
                 _Atomic bool *cancelled)
{
    memset(o, 0, offsetof(struct output, batch));
    o->inode = inode;
    o->blocks = blocks;
    o->spare = spare;
    o->grows = !spare;
    o->hope = (u32)MIN(expected, (u64)BATCH_FRAMES);
    o->cancelled = cancelled;
}

static void batch_release(struct output *o)
{
    for (u32 i = 0; i < o->count; i++)
        frame_put(o->batch[i]);
    o->count = 0;
}

void output_release(struct output *o)
{
    batch_release(o);
}

int output_flush(struct output *o)
{
    int err = 0;

    if (o->count)
        err = inode_write_frames(o->inode, (u64)o->first * CKPT_BLOCK_SIZE, o->batch, o->count);
    o->written += o->count;
    batch_release(o);
    if (!err && *o->cancelled)
        err = -EINTR;
    thread_breathe();
    return err;
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

    if (err) {
        frame_put(frame);
        return err;
    }
    *block = take_block(o);
    if (o->count && (o->count == BATCH_FRAMES || *block != o->first + o->count)) {
        err = output_flush(o);
        if (err) {
            frame_put(frame);
            return err;
        }
    }
    if (o->count == 0)
        o->first = *block;
    o->batch[o->count++] = frame;
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
    return output_flush(o);
}
