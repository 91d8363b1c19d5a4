// Output: frames are gathered and written in large requests.
#include "output.h"
#include <base/crc32c.h>
#include <base/string.h>
#include <fs/file.h>
#include <fs/path.h>
#include <mm/kmalloc.h>
#include <proc/proc.h>
#include <uapi/errno.h>

_Static_assert(PAGE_SIZE == CKPT_BLOCK_SIZE, "a page is a block");

int output_create(struct output **out, u64 blocks)
{
    struct output *o = kzalloc(sizeof(*o));
    int err;

    if (!o)
        return -ENOMEM;
    err = path_create_unnamed(&o->file);
    if (err) {
        kfree(o);
        return err;
    }
    o->inode = file_inode(o->file);
    o->blocks = CKPT_SLOTS;

    // One piece of disk if there is one. `blocks` may be too high, so a full disk is not an error yet.
    err = inode_preallocate(o->inode, (CKPT_SLOTS + blocks) * CKPT_BLOCK_SIZE);
    if (err && err != -ENOSPC) {
        output_destroy(o);
        return err;
    }
    *out = o;
    return 0;
}

static void batch_release(struct output *o)
{
    for (u32 i = 0; i < o->count; i++)
        frame_put(o->batch[i]);
    o->count = 0;
}

void output_destroy(struct output *o)
{
    batch_release(o);
    if (o->area)
        frame_put(o->area);
    file_put(o->file);
    kfree(o);
}

// The batch ends where the file does.
static int batch_write(struct output *o)
{
    int err = 0;

    if (o->count)
        err = inode_write_frames(o->inode, (o->blocks - o->count) * CKPT_BLOCK_SIZE, o->batch, o->count);
    batch_release(o);
    if (!err && proc_killed(proc_self()))
        err = -EINTR;
    thread_breathe();
    return err;
}

int output_frame(struct output *o, struct frame *frame, u32 *block)
{
    if (o->blocks == UINT32_MAX) {
        frame_put(frame);
        return -EFBIG;
    }
    *block = (u32)o->blocks++;
    o->batch[o->count++] = frame;
    return o->count < BATCH_FRAMES ? 0 : batch_write(o);
}

int output_block(struct output *o, const u8 bytes[CKPT_BLOCK_SIZE], u32 *block)
{
    struct frame *frame = frame_alloc();

    if (!frame)
        return -ENOMEM;
    memcpy(frame_data(frame), bytes, CKPT_BLOCK_SIZE);
    return output_frame(o, frame, block);
}

static int area_frame_end(struct output *o)
{
    struct frame *frame = o->area;
    u32 block;

    o->area = NULL;
    o->filled = 0;
    return output_frame(o, frame, &block);
}

int output_record(struct output *o, const u8 *bytes, size_t n)
{
    if (o->area_size == 0)
        o->area_block = o->blocks;
    o->area_size += n;
    o->digest = crc32c(o->digest, bytes, n);
    while (n > 0) {
        size_t part = MIN(n, CKPT_BLOCK_SIZE - o->filled);
        int err;

        if (!o->area)
            o->area = frame_alloc_zeroed();
        if (!o->area)
            return -ENOMEM;
        memcpy((u8 *)frame_data(o->area) + o->filled, bytes, part);
        o->filled += part;
        bytes += part;
        n -= part;
        err = o->filled == CKPT_BLOCK_SIZE ? area_frame_end(o) : 0;
        if (err)
            return err;
    }
    return 0;
}

// Slot A gets the header; slot B stays empty.
static int header_write(struct output *o, const struct ckpt_header *header)
{
    struct frame *slots[CKPT_SLOTS] = { frame_alloc_zeroed(), frame_alloc_zeroed() };
    int err = -ENOMEM;

    if (slots[0] && slots[1]) {
        ckpt_header_encode(header, frame_data(slots[0]));
        err = inode_write_frames(o->inode, 0, slots, CKPT_SLOTS);
    }
    for (u32 i = 0; i < CKPT_SLOTS; i++)
        if (slots[i])
            frame_put(slots[i]);
    return err;
}

int output_finish(struct output *o, struct ckpt_header *header)
{
    int err = o->area ? area_frame_end(o) : 0;

    if (!err)
        err = batch_write(o);
    if (err)
        return err;
    header->blocks = o->blocks;
    header->records_block = o->area_block;
    header->records_size = o->area_size;
    header->digest = o->digest;
    err = header_write(o, header);
    return err ? err : inode_truncate(o->inode, o->blocks * CKPT_BLOCK_SIZE);
}

int output_publish(struct output *o, const char *path)
{
    return path_publish(proc_cwd(proc_self()), path, o->file);
}
