// A disk image, block by block. What is written stays in memory, over what the file holds, until image_flush().
//
// An I/O error prints a message, sets `failed`, and reads as zeros; who draws conclusions from an image looks at
// `failed` first.
#pragma once

#include <base/types.h>
#include <fsfmt/fsfmt.h>

struct overlay_block;

struct image {
    const char *path;
    int fd;
    bool failed;
    u64 disk_blocks;                // whole blocks in the file
    struct fs_super super;          // valid after image_super_read()
    struct overlay_block *overlay;  // hash table
    size_t overlay_room, overlay_count;
    struct fs_journal_head new_head;  // to be written by image_flush()
    bool head_changed;
};

/* False: a message was printed. */
MUST_CHECK bool image_open(struct image *img, const char *path, bool writable);
void image_close(struct image *img);

struct super_findings {
    enum fs_error first, copy;  // FS_OK, or why it was refused
    bool differ;                // both good, but not the same
};

/* Read the superblock, or else its copy. False if neither serves; no message. */
MUST_CHECK bool image_super_read(struct image *img, struct super_findings *out);

void image_read(struct image *img, u64 block, u8 out[FS_BLOCK_SIZE]);
void image_write(struct image *img, u64 block, const u8 bytes[FS_BLOCK_SIZE]);

/* The first block from `block` on, and before `end`, that may be other than zeros; else `end`. */
u64 image_next_used(struct image *img, u64 block, u64 end);

struct replay {
    enum fs_error head;  // FS_OK, or why the head was refused; then nothing was replayed
    u64 transactions, blocks;
};

/* Bring the journal's valid transactions home (in memory), and plan the head that is past them. */
void image_replay(struct image *img, struct replay *out);

/* Plan a head that makes the journal empty, whatever is in it. */
void image_journal_reset(struct image *img);

/* Write all changes to the file: first the blocks, then, when they are durable, the journal's head. False: a message
 * was printed. */
MUST_CHECK bool image_flush(struct image *img);

/* Open, superblock and replay at once, for who only reads. False: a message was printed. */
MUST_CHECK bool image_open_to_read(struct image *img, const char *path);
