// Directories: names for inodes. Private to fs. Callers hold dir->lock. Names are 1 to FS_NAME_LEN bytes, not
// terminated.
#pragma once

#include "inodes.h"

// More slots no directory has; one whose size says otherwise is damaged.
#define DIR_SLOTS_MAX (1u << 24)

struct name {
    char text[FS_NAME_LEN];
    u8 len;
};

/* Where the name is, and what it names. -ENOENT. */
MUST_CHECK int dir_lookup(struct inode *dir, const struct name *name, u64 *ino, u64 *slot) REQUIRES(dir->lock);

// A slot that can be changed in the handle.
struct place {
    struct buffer *block;  // referenced
    u64 slot;
};

/* A free slot, made if there is none. The directory is prepared and is to be stored. -ENOSPC, -EIO, -ENOMEM, -EFBIG;
 * the directory may have grown. */
#define DIR_RESERVE_CREDITS (TREE_CREDITS + 2)
MUST_CHECK int dir_reserve(struct tx *tx, struct inode *dir, struct place *place) REQUIRES(dir->lock);

/* A slot that is in use. One credit. */
MUST_CHECK int dir_change(struct tx *tx, struct inode *dir, u64 slot, struct place *place) REQUIRES(dir->lock);

void dir_place_release(struct place *place);  // end it unused

/* What can't fail any more; each ends the place. The directory is to be stored. */
void dir_fill(struct inode *dir, struct place *place, const struct name *name, const struct inode *i)
    REQUIRES(dir->lock);
void dir_replace(struct inode *dir, struct place *place, const struct inode *i) REQUIRES(dir->lock);
void dir_clear(struct inode *dir, struct place *place) REQUIRES(dir->lock);

/* As inode_read(), for a directory. *done is 0 before. */
MUST_CHECK int dir_read(struct inode *dir, u64 offset, struct piece *pieces, u32 count, size_t *done)
    REQUIRES(dir->lock);

/* The first contents of a new directory: `.` and `..`. It is prepared and is to be stored. The last thing that can
 * fail. */
#define DIR_CREATE_CREDITS 2
MUST_CHECK int dir_create(struct tx *tx, struct inode *dir, const struct inode *parent) REQUIRES(dir->lock);

/* `..` is another one now: the slot for dir_replace(). */
#define DIR_PARENT_SLOT 1

/* -ENOTEMPTY, -EIO, -ENOMEM. */
MUST_CHECK int dir_check_empty(struct inode *dir) REQUIRES(dir->lock);

/* Drop the index by name: of an inode that goes, or when memory is short. */
void dir_index_drop(struct inode *dir);
u32 dir_index_frames(const struct inode *dir);
