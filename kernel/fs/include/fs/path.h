// Names. Paths start at the root or at `cwd`; components are cut to NAME_LEN characters; slashes and "/." collapse.
// All calls: -ENOENT, -ENOTDIR, -ENOMEM, -EIO, and what is said. "" is -ENOENT.
#pragma once

#include <fs/inode.h>

struct file;

/* A reference to what the path names. */
MUST_CHECK int path_lookup(struct inode *cwd, const char *path, struct inode **out);

/* Open as open(2) with flags of uapi/fcntl.h. -EISDIR (directory for writing), -EINVAL, -ENFILE, -ETXTBSY, -ENOSPC,
 * -ENODEV. */
MUST_CHECK int path_open(struct inode *cwd, const char *path, u32 flags, struct file **out);

MUST_CHECK int path_mkdir(struct inode *cwd, const char *path);                        // -EEXIST, -ENOSPC
MUST_CHECK int path_mknod(struct inode *cwd, const char *path, u32 major, u32 minor);  // -EEXIST, -ENOSPC
MUST_CHECK int path_link(struct inode *cwd, const char *from, const char *to);  // -EISDIR, -EEXIST, -ENOSPC, -EMLINK
MUST_CHECK int path_unlink(struct inode *cwd,
                           const char *path);  // -ENOTEMPTY, -EINVAL for . and .., -EBUSY for the root
MUST_CHECK int path_rename(struct inode *cwd, const char *from, const char *to);  // as POSIX

/*
 * A regular file without a name, open for reading and writing, to be filled and then published; unpublished, it's gone
 * with its last reference, or at the next mount. -ENOSPC.
 */
MUST_CHECK int path_create_unnamed(struct file **out);

/* An empty directory as rmdir leaves it to those who still use it: gone with its last reference. -ENOSPC. */
MUST_CHECK int path_create_removed(struct inode **out);

/*
 * Give an unnamed file its name, atomically in place of what bore it, and make all of it durable: at any crash the name
 * means the old file or the new one, whole. -EISDIR, -ENOSPC, -ETXTBSY (the old one is being executed or restored
 * from).
 */
MUST_CHECK int path_publish(struct inode *cwd, const char *path, struct file *unnamed);

/* The absolute path of a directory entry, as text: `path` seen from `cwd_text`, dots resolved, cut to size. No look-up:
 * for messages. */
void path_text(const char *cwd_text, const char *path, char *out, size_t size);
