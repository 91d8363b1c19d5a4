// Contents of a file, out of an image.
#pragma once

#include "image.h"

/* Fill the empty file `to` with what the tree says, every page checked; `size` bytes. Says what is wrong with the
 * image. image_errno()'s, -ENOMEM, -ENOSPC, -EFBIG, -EIO. */
MUST_CHECK int contents_restore(struct image *image, const struct ckpt_bounds *bounds, const struct ckpt_tree *tree,
                                u64 size, struct inode *to);
