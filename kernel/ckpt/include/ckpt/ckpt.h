// Checkpoint and restore.
#pragma once

#include <base/types.h>

/*
 * Write the process `pid` (the caller's own or another's) into the file `path`, seen from the calling process. The file
 * is replaced atomically: it's the old one or the whole new one at any moment. The target is stopped only while its
 * address space is cloned. Returns 0 when the image is durable. A process that wakes up from an image of itself made
 * with its own pid returns 1 from that call. -ESRCH, -ETIMEDOUT, -ENOMEM, -ENOSPC, -EIO, path_publish()'s. On error the
 * target runs on and the old file is untouched.
 */
MUST_CHECK int ckpt_save(int pid, const char *path);

/*
 * The calling process becomes the process in the image `path`: 0, and its registers are the other's. On error the
 * caller is as before: -ENOEXEC (not an image of this machine), -EBADMSG (damaged), -ENOMEM, -EIO, path_lookup()'s.
 * Says on the console what's wrong with the image, or what couldn't be reopened.
 */
MUST_CHECK int ckpt_restore(const char *path);

/* Make images programs: exec of one restores it. */
void ckpt_init(void);
