// fsck's parts. All of them repair what they find, in memory (lib/image.h): so the later ones meet a consistent disk,
// and what was found is the same whether or not the repairs are written in the end.
#pragma once

#include <lib/files.h>
#include <stdio.h>

// What is known of an inode after the table has been read.
struct inode_info {
    u32 parent;     // the directory that names it, once one was found
    u32 links;      // found so far, counted as nlink is
    u8 type;        // enum fs_type
    bool has_next;  // next_orphan is not 0
    bool orphan;    // on the orphan list
    bool unnamed;   // and with nlink 0: it is to be deleted
    bool reached;   // from the root
};

struct fsck {
    struct image *img;
    struct inode_info *inodes;
    u8 *owned;         // bit for each block: it has its owner
    u64 next_block;    // where to look for a free one
    FILE *out;         // findings are told here
    u64 found, left;   // findings; those that could not be repaired
    bool paths_known;  // inodes[].parent is filled
    u64 *pending;      // directories that wait for their turn
    size_t pending_count, pending_room;
};

struct fsck_result {
    u64 found, left;
    u64 inodes_used, blocks_used, orphans;
};

/*
 * Check and repair the image in memory; the caller flushes it or not. `reclaim`: also free what is on the orphan list,
 * as a mount would. Trust nothing, write nothing when img->failed afterwards. False: there is no superblock to start
 * from; a message was printed.
 */
MUST_CHECK bool fsck_run(struct image *img, bool reclaim, FILE *out, struct fsck_result *result);

// Between the parts.

/* Tell a finding: about `ino` (0: about the disk), what is wrong, and what becomes of it. */
void finding(struct fsck *f, u64 ino, const char *remedy, const char *format, ...) PRINTF_LIKE(4, 5);

/* As much of the path of an inode as is known; "" if nothing is. */
void path_of(struct fsck *f, u64 ino, char *out, size_t size);

/* Inodes and their trees, one after the other; fills inodes[] and owned. */
void inodes_check(struct fsck *f);

/* The list of orphans: marks those on it. */
void orphans_check(struct fsck *f);

/* Free what the list names, in the image and its bitmaps, and empty it. Returns how many inodes that were. */
u64 orphans_reclaim(struct fsck *f);

/* The directories, from the root; then what can't be reached from it. Counts links. */
void directories_check(struct fsck *f);

/* nlink of all inodes. */
void links_check(struct fsck *f);

/* Both bitmaps. */
void bitmaps_check(struct fsck *f);

/* The stack of directories that wait. pending_pop: 0 if none does. */
void pending_push(struct fsck *f, u64 ino);
u64 pending_pop(struct fsck *f);

// Repairs (repair.c).

/* A free block, zeroed, taken in `owned` and the bitmap. 0: none. */
u64 block_take(struct fsck *f);
void block_release(struct fsck *f, u64 block);

/* A free inode number, taken in the bitmap. 0: none. */
u64 inode_take(struct fsck *f);

/* Free all blocks of an inode, and the inode; its generation stays. */
void inode_clear(struct fsck *f, u64 ino);

/* Make `ino` an empty directory below parent. False: no block left. */
MUST_CHECK bool directory_make(struct fsck *f, u64 ino, u64 parent);

/* Write slot number `slot` of a directory, which gets a block there if it has none. False: no block left. */
MUST_CHECK bool directory_put(struct fsck *f, u64 dir, u64 slot, const struct fs_dirent *entry);

/* Add a name to a directory. False: no block left. */
MUST_CHECK bool directory_add(struct fsck *f, u64 dir, const char *name, u64 ino, u8 type);
