// Runs of pages out of an image: for memory, on demand or all at once, and for the contents of files.
#include "run.h"
#include <fs/inode.h>
#include <sched/thread.h>
#include <uapi/errno.h>

#define BREATH 64  // pages that are summed at a stretch

enum ckpt_error run_find(struct ckpt_lookup *l, u64 from, u32 most, bool next, struct run *run)
{
    enum ckpt_error error = CKPT_OK;

    for (run->count = 0; run->count < most; from = run->index + run->count) {
        struct ckpt_page page;

        error = ckpt_lookup(l, from, next && run->count == 0, &page);
        if (error || !page.block || (run->count && page.block != run->block + run->count))
            break;
        if (run->count == 0) {
            run->index = page.index;
            run->block = page.block;
        }
        run->crc[run->count++] = page.crc;
        run->count += ckpt_lookup_more(l, &page, most - run->count, run->crc + run->count);
    }
    return run->count ? CKPT_OK : error;
}

void frames_release(struct frame **frames, u32 count)
{
    for (u32 i = 0; i < count; i++)
        frame_put(frames[i]);
}

int run_read(const struct run *run, struct inode *image, struct frame **out)
{
    int err = frames_alloc_each(out, run->count);

    if (err)
        return err;
    err = inode_read_frames(image, run_offset(run, 0), out, run->count);
    if (err)
        frames_release(out, run->count);
    return err;
}

u32 run_sound(const struct run *run, u32 features, struct frame **frames)
{
    u32 sound = 0;

    while (sound < run->count && ckpt_page_checksum(features, frame_data(frames[sound])) == run->crc[sound])
        if (++sound % BREATH == 0)
            thread_breathe();
    return sound;
}
