// Disks as programs may use them: the device with MAJOR_DISK and minor n is the n-th disk that was registered.
//
// There is no cache: whole blocks only, in whole page frames of the caller, which the disk reads and writes itself.
// Anything else is -EINVAL. All of a call's requests are in flight at once. The mounted disk can be read, but not
// written.
#include "driver.h"
#include <base/piece.h>
#include <dev/chardev.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define REQUEST_BLOCKS 128

// A part of a call, with room for the frames of its blocks behind it.
struct part {
    struct disk_request request;
    struct frame *frames[REQUEST_BLOCKS];
};

static int find(u32 minor, struct disk **out)
{
    *out = disk_number(minor);
    return *out ? 0 : -ENODEV;
}

static int raw_size(u32 minor, u64 *bytes)
{
    struct disk *d;
    int err = find(minor, &d);

    if (!err)
        *bytes = d->blocks * DISK_BLOCK_SIZE;
    return err;
}

static bool is_whole_frame(const struct piece *p)
{
    return p->size == DISK_BLOCK_SIZE && (uintptr_t)p->data % PAGE_SIZE == 0 && frame_of(p->data);
}

static int check(u64 offset, const struct piece *pieces, u32 count)
{
    if (offset % DISK_BLOCK_SIZE)
        return -EINVAL;
    for (u32 k = 0; k < count; k++)
        if (!is_whole_frame(&pieces[k]))
            return -EINVAL;
    return 0;
}

static void submit(struct disk *d, struct part *part, enum disk_op op, u64 block, const struct piece *pieces, u32 count)
{
    part->request = (struct disk_request){ .op = op, .block = block, .count = count, .frames = part->frames };
    for (u32 k = 0; k < count; k++)
        part->frames[k] = frame_of(pieces[k].data);
    disk_submit(d, &part->request);
}

// Wait for all; what counts as done ends at the first that failed.
static int finish(struct part *parts, u32 count, size_t *done)
{
    int first = 0;

    for (u32 n = 0; n < count; n++) {
        int err = disk_wait(&parts[n].request);
        if (!first && !err)
            *done += (size_t)parts[n].request.count * DISK_BLOCK_SIZE;
        else if (!first)
            first = err;
    }
    return first;
}

static int transfer(struct disk *d, enum disk_op op, u64 offset, const struct piece *pieces, u32 count, size_t *done)
{
    u64 block = offset / DISK_BLOCK_SIZE;
    u32 parts_max = DIV_ROUND_UP(count, REQUEST_BLOCKS), n = 0;

    struct part *parts = kmalloc(parts_max * sizeof(*parts));
    if (!parts)
        return -ENOMEM;
    for (u32 k = 0; k < count; k += REQUEST_BLOCKS, n++)
        submit(d, &parts[n], op, block + k, pieces + k, MIN(count - k, REQUEST_BLOCKS));
    int err = finish(parts, n, done);
    kfree(parts);
    return err;
}

static int move(struct disk *d, enum disk_op op, u64 offset, const struct piece *pieces, u32 count, size_t *done)
{
    u64 block = offset / DISK_BLOCK_SIZE;
    int err = check(offset, pieces, count);

    *done = 0;
    if (err)
        return err;
    count = block < d->blocks ? (u32)MIN(count, d->blocks - block) : 0;
    return count ? transfer(d, op, offset, pieces, count, done) : 0;
}

static int raw_read(u32 minor, u64 offset, struct piece *pieces, u32 count, size_t *done)
{
    struct disk *d;
    int err = find(minor, &d);

    *done = 0;
    return err ? err : move(d, DISK_READ, offset, pieces, count, done);
}

static int raw_write(u32 minor, u64 offset, const struct piece *pieces, u32 count, size_t *done)
{
    struct disk *d;
    int err = find(minor, &d);

    *done = 0;
    if (!err && d->mounted)
        err = -EBUSY;
    return err ? err : move(d, DISK_WRITE, offset, pieces, count, done);
}

static int raw_sync(u32 minor)
{
    struct disk *d;
    int err = find(minor, &d);

    return err ? err : disk_flush(d);
}

void rawdisk_init(void)
{
    static const struct chardev raw = {
        .name = "disk", .size = raw_size, .read_at = raw_read, .write_at = raw_write, .sync = raw_sync
    };

    chardev_register(MAJOR_DISK, &raw);
}
