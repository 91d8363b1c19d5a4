// Reopen: the open files of an image.
#pragma once

#include "plan.h"
#include <uapi/checkpoint.h>

// A named file that gets its contents back.
struct rollback {
    struct inode *to, *from;  // references; they exchange their contents
};

struct reopened {
    struct file **files;     // by their place in the plan, a reference each; NULL: nobody needs it, or it stays closed
    struct file **contents;  // unnamed files filled from the image, by ordinal - 1; NULL: not made
    struct rollback *rollbacks;
    u32 rollback_count;
};

/*
 * Open what the image's descriptors refer to. Files are found by inode and generation, and must be as they were, unless
 * the arguments say otherwise; says what isn't. Nothing on the disk changes but unnamed files. On error *out can still
 * be released. -ESTALE, -ENOTSUP, -EBADF, -EINVAL, -ENOMEM, -EIO, image_errno()'s.
 */
MUST_CHECK int reopen(struct image *image, const struct plan *plan, const struct ckpt_restore_args *args,
                      struct reopened *out);

/* Give files back the contents that the image has of them. Those done before an error stay so. */
MUST_CHECK int reopen_roll_back(const struct reopened *r);

void reopen_release(const struct plan *plan, struct reopened *r);
