// Streams of blocks.
#include "io.h"

static struct io_slot *slot_at(struct io_stream *io, u32 n)
{
    return &io->slots[(io->head + n) % IO_SLOTS];
}

void io_begin(struct io_stream *io, struct disk *disk, enum disk_op op, struct io_slot *slots,
              void (*finished)(struct io_stream *io, const struct disk_request *r), void *arg)
{
    *io = (struct io_stream){ .disk = disk, .op = op, .finished = finished, .arg = arg, .slots = slots };
}

static void send(struct io_stream *io)
{
    if (!io->filling)
        return;
    io->filling = false;
    disk_submit(io->disk, &slot_at(io, io->used - 1)->request);
}

static void finish_oldest(struct io_stream *io)
{
    struct disk_request *r = &slot_at(io, 0)->request;
    int err = disk_wait(r);

    if (err && !io->error)
        io->error = err;
    io->head = (io->head + 1) % IO_SLOTS;
    io->used--;
    if (io->finished)
        io->finished(io, r);
}

static bool continues(struct io_stream *io, u64 block)
{
    if (!io->filling)
        return false;
    struct disk_request *r = &slot_at(io, io->used - 1)->request;
    return r->block + r->count == block && r->count < IO_BLOCKS;
}

void io_add(struct io_stream *io, u64 block, struct frame *frame)
{
    if (!continues(io, block)) {
        send(io);
        if (io->used == IO_SLOTS)
            finish_oldest(io);
        struct io_slot *fresh = slot_at(io, io->used++);
        fresh->request = (struct disk_request){ .op = io->op, .block = block, .frames = fresh->frames };
        io->filling = true;
    }
    struct io_slot *slot = slot_at(io, io->used - 1);
    slot->frames[slot->request.count++] = frame;
}

int io_end(struct io_stream *io)
{
    send(io);
    while (io->used)
        finish_oldest(io);
    return io->error;
}
