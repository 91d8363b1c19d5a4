// Many blocks to or from their places in few requests, several of them in flight. Private to fs.
#pragma once

#include <dev/disk.h>

#define IO_SLOTS  8  // requests in flight

#define IO_BLOCKS 128  // of one request, of blocks that are added one by one
#define IO_PIECES 128  // of memory, of one request: with more of them, several at a time are quicker

struct io_slot {
    struct disk_request request;
    struct frame *frames[IO_BLOCKS];
};

// A stream of blocks. Blocks that follow each other go into one request. finished() is called once for each request, in
// the order in which the blocks were added.
struct io_stream {
    struct disk *disk;
    enum disk_op op;
    void (*finished)(struct io_stream *io, const struct disk_request *r);
    void *arg;              // finished()'s
    int error;              // the first one
    u32 head, used;         // slots in flight, or being filled: `used` of them from `head` on
    bool filling;           // the last of them has not been submitted
    u32 pieces;             // of memory, in that one
    struct io_slot *slots;  // IO_SLOTS of them
};

/* finished may be NULL. The frames must stay referenced until their request has finished. */
void io_begin(struct io_stream *io, struct disk *disk, enum disk_op op, struct io_slot *slots,
              void (*finished)(struct io_stream *io, const struct disk_request *r), void *arg);
void io_add(struct io_stream *io, u64 block, struct frame *frame);

/* Blocks that follow each other. The list of their frames must stay as long as they do. */
void io_add_run(struct io_stream *io, u64 block, struct frame **frames, u32 count);

/* Submit what is left, wait for everything. 0 or the first error. */
MUST_CHECK int io_end(struct io_stream *io);
