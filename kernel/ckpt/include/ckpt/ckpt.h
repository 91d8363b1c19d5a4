// Checkpoint and restore.
#pragma once

#include <base/types.h>
#include <uapi/checkpoint.h>

/*
 * Save what args->pid, args->flags and args->history say into the file `path`, seen from the calling process. A file
 * that holds earlier epochs of the same processes gets a new epoch; anything else is replaced. At any crash the file is
 * as before or whole and new. The processes stand still only while their memory is cloned, unless they are to end or
 * stop. Returns 0 when the image is durable, or, with CKPT_SAVE_NOWAIT, when the state is taken; *figures tells what
 * was done. A process that wakes up from an image of itself made by its own call returns 1 from it.
 *
 * *resume: what this call left there when it was cut off by a freeze (-EINTR) and runs again; 0 at first.
 *
 * -ESRCH, -EINVAL, -ETIMEDOUT (they couldn't be stopped), -ENOTSUP (what can't be saved: says what), -EBADMSG (the
 * file's earlier epoch is damaged), -ENOMEM, -ENOSPC, -EFBIG, -EIO, -EROFS, -EINTR, path_publish()'s. On error the
 * processes run on, and the file is as before. With CKPT_SAVE_NOWAIT ckpt_wait() tells the errors of writing.
 */
MUST_CHECK int ckpt_save(const struct ckpt_save_args *args, const char *path, u64 *resume,
                         struct ckpt_figures *figures);

/* Wait for a checkpoint to end, until time_ns() passes `deadline`. *figures is filled in any case but -ESRCH (no such
 * checkpoint, or long ago). 0: it has ended; -ETIMEDOUT, -EINTR. */
MUST_CHECK int ckpt_wait(u64 id, u64 deadline, struct ckpt_figures *figures);

/*
 * The calling process, with the others of the image as its descendants, becomes what the image `path` holds: 0, and its
 * registers are the other's. On error the caller is as before: -ENOEXEC (not an image of this machine, or no such
 * epoch), -EBADMSG (damaged), -ESTALE (an open file changed), -ENOTSUP (a pipe that nobody hands over), -EBADF,
 * -EINVAL, -ENOMEM, -EAGAIN, -EIO, path_lookup()'s. Says on the console what is wrong with the image.
 */
MUST_CHECK int ckpt_restore(const struct ckpt_restore_args *args, const char *path);

/* Make images programs: exec of one restores it. */
void ckpt_init(void);
