// Requests, for whatever disk: also for those that the host's builds of fs have.
#include <dev/disk.h>

bool disk_has(const struct disk *d, const struct disk_request *r)
{
    if (r->op == DISK_FLUSH)
        return true;
    return r->count > 0 && r->count <= DISK_MAX_BLOCKS && r->block < d->blocks && r->count <= d->blocks - r->block;
}

int disk_transfer(struct disk *d, enum disk_op op, u64 block, u32 count, struct frame **frames)
{
    struct disk_request r = { .op = op, .block = block, .count = count, .frames = frames };

    disk_submit(d, &r);
    return disk_wait(&r);
}

int disk_flush(struct disk *d)
{
    return disk_transfer(d, DISK_FLUSH, 0, 0, NULL);
}
