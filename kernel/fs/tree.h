// Which blocks a file has: the tree of index blocks under an inode. Private to fs. Callers hold i->lock.
#pragma once

#include "inodes.h"

/*
 * What lies at block `at` of the file: *slot is a hole (0) or a block, maybe unwritten; *count (1 to max) blocks from
 * there on are holes, or follow each other on the disk and are alike. -EIO, -ENOMEM.
 */
MUST_CHECK int tree_map(struct inode *i, u64 at, u32 max, u64 *slot, u32 *count) REQUIRES(i->lock);

/* How many blocks from `at` on one tree_prepare() is good for. */
u32 tree_reach(struct inode *i, u64 at) REQUIRES(i->lock);

// A place where slots can be changed.
struct leaf {
    struct buffer *index;  // referenced; NULL: the inode itself
    u32 at;                // the slot
};

/*
 * Make the slots from block `at` on (tree_reach() of them) changeable in the handle, with index blocks as needed, near
 * `goal`. The inode is prepared. -EIO, -ENOMEM, -ENOSPC, -EFBIG; index blocks made until then stay, empty.
 */
#define TREE_CREDITS (2 * FS_MAX_HEIGHT + 2 * FS_MAX_HEIGHT)
MUST_CHECK int tree_prepare(struct tx *tx, struct inode *i, u64 at, u64 goal, u64 *claim, struct leaf *leaf)
    REQUIRES(i->lock);

/* Set `count` slots to `slot` and the blocks that follow it. Ends the leaf. The inode has to be stored. */
void tree_assign(struct inode *i, struct leaf *leaf, u64 slot, u32 count) REQUIRES(i->lock);
void tree_release(struct leaf *leaf);  // end it without

/* Where the file's next block at `at` should be: behind the one before. 0: anywhere. */
u64 tree_goal(struct inode *i, u64 at) REQUIRES(i->lock);

/*
 * Free blocks from the file's end on, down to block `keep`, as many as one handle can take. *more: there are more. The
 * inode is prepared, and has to be stored also after an error. Credits: TREE_CUT_CREDITS. -EIO, -ENOMEM.
 */
#define TREE_CUT_GROUPS  FS_ROOT_SLOTS
#define TREE_CUT_CREDITS (TREE_CUT_GROUPS + 2 * FS_MAX_HEIGHT)
MUST_CHECK int tree_cut(struct tx *tx, struct inode *i, u64 keep, bool *more) REQUIRES(i->lock);
