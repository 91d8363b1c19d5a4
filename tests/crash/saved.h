// Images of processes that are files on a disk image.
#pragma once

#include <ckptfmt/ckptfmt.h>
#include <lib/files.h>

/* Does the file begin as an image does? */
bool saved_probe(struct image *img, const struct fs_inode *i);

/* Check everything in all its epochs. *wall_ns: when the newest was made. On error *at tells where. */
MUST_CHECK enum ckpt_error saved_verify(struct image *img, const struct fs_inode *i, u64 *wall_ns, u64 *at);
