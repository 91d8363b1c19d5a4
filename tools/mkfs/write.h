// Writing an image: a laid-out disk with the files of a tree.
#pragma once

#include "tree.h"

struct mkfs_result {
    struct fs_super super;
    u64 blocks_used, inodes_used;
};

/*
 * Write the tree into the file `path`, which is created, or replaced as a whole at the end: on failure it is as it was.
 * size: bytes; inodes and journal_blocks 0: by rule. The image is the same, byte for byte, for the same arguments and
 * SOURCE_DATE_EPOCH. False: a message was printed.
 */
MUST_CHECK bool mkfs_write(struct tree *t, const char *path, u64 size, u64 inodes, u64 journal_blocks,
                           struct mkfs_result *out);
