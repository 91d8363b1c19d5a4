// Base: what the epoch that a new one goes on from has: trees to share with.
#pragma once

#include "image.h"

struct base_content {
    u64 ino, generation, changes, size;
    struct ckpt_tree tree;
};

struct base {
    u64 epoch;
    u32 digest;
    struct ckpt_bounds bounds;  // of the image, while an epoch is written
    u32 space_count, content_count;
    struct ckpt_tree *spaces;
    struct base_content *contents;
};

/* Of empty trees. NULL: no memory. */
MUST_CHECK struct base *base_create(u64 epoch, u32 digest, u32 spaces, u32 contents);
void base_destroy(struct base *b);  // NULL is fine

/* That of an epoch of the image, from its records. */
MUST_CHECK int base_read(struct image *image, u64 epoch, u32 digest, struct base **out);
