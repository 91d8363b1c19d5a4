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

// The request that is being filled; NULL: none.
static struct disk_request *filling(struct io_stream *io)
{
    return io->filling ? &slot_at(io, io->used - 1)->request : NULL;
}

// Begin another one, of blocks from `block` on. frames: their list; NULL: the slot's own.
static struct disk_request *begin(struct io_stream *io, u64 block, struct frame **frames)
{
    send(io);
    if (io->used == IO_SLOTS)
        finish_oldest(io);
    struct io_slot *fresh = slot_at(io, io->used++);
    fresh->request = (struct disk_request){ .op = io->op, .block = block, .frames = frames ? frames : fresh->frames };
    io->filling = true;
    io->pieces = 0;
    return &fresh->request;
}

void io_add(struct io_stream *io, u64 block, struct frame *frame)
{
    struct disk_request *r = filling(io);
    bool has_room = r && r->frames == slot_at(io, io->used - 1)->frames && r->count < IO_BLOCKS;

    if (!has_room || r->block + r->count != block)
        r = begin(io, block, NULL);
    r->frames[r->count++] = frame;
}

static bool follows(struct frame *before, struct frame *f)
{
    return (u8 *)frame_data(before) + PAGE_SIZE == frame_data(f);
}

// Add to a request of a list as many of the frames that come next in it as it has room for. Returns how many.
static u32 extend(struct io_stream *io, struct disk_request *r, u32 count)
{
    u32 before = r->count, most = MIN(count, DISK_MAX_BLOCKS - before);

    for (; r->count < before + most; r->count++) {
        struct frame **f = r->frames + r->count;
        bool joins = r->count && follows(f[-1], f[0]);
        if (!joins && io->pieces == IO_PIECES)
            break;
        io->pieces += !joins;
    }
    return r->count - before;
}

void io_add_run(struct io_stream *io, u64 block, struct frame **frames, u32 count)
{
    for (u32 n; count; block += n, frames += n, count -= n) {
        struct disk_request *r = filling(io);

        if (!r || r->frames + r->count != frames || r->block + r->count != block)
            r = begin(io, block, frames);
        n = extend(io, r, count);
        if (n == 0)
            send(io);
    }
}

int io_end(struct io_stream *io)
{
    send(io);
    while (io->used)
        finish_oldest(io);
    return io->error;
}
