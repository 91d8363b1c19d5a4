// Output: an image file under construction, as one sequential stream of blocks that go to the disk straight from their
// frames.
#pragma once

#include <ckptfmt/ckptfmt.h>
#include <mm/frame.h>

struct file;
struct inode;

#define BATCH_FRAMES 508  // two of the disk's requests

struct output {
    struct file *file;  // unnamed until it is published
    struct inode *inode;
    u64 blocks;                         // the file's length so far, with what waits in the batch
    u32 count;                          // of frames that wait to be written
    struct frame *batch[BATCH_FRAMES];  // a reference each
    struct frame *area;                 // the record area's last block, not yet full; NULL: none
    size_t filled;                      // of it
    u64 area_block, area_size;          // the record area
    u32 digest;                         // of it
};

/* A new file with room for the headers and about `blocks` blocks. -ENOMEM, -ENOSPC, -EIO. */
MUST_CHECK int output_create(struct output **out, u64 blocks);

/* Throws away what was not published. */
void output_destroy(struct output *o);

/* The file's next block; takes over the reference, in every case. Errors: the disk's, and -EINTR when the calling
 * process was killed. */
MUST_CHECK int output_frame(struct output *o, struct frame *frame, u32 *block);

/* The next block, copied from `bytes`. */
MUST_CHECK int output_block(struct output *o, const u8 bytes[CKPT_BLOCK_SIZE], u32 *block);

/* Bytes of the record area, which is begun by the first ones; nothing else can be put out until output_finish(). */
MUST_CHECK int output_record(struct output *o, const u8 *bytes, size_t n);

/* The rest of the record area, and then the header, whose fields about blocks and records are filled in here. */
MUST_CHECK int output_finish(struct output *o, struct ckpt_header *header);

/* Give the file its name and make it durable. path_publish()'s errors. */
MUST_CHECK int output_publish(struct output *o, const char *path);
