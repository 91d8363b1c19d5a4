// Files and directories on the disk, by inode.
#pragma once

#include <base/piece.h>
#include <base/types.h>
#include <mm/vmspace.h>
#include <uapi/fcntl.h>
#include <uapi/stat.h>

struct inode;
struct disk;

/* Mount the disk as the root. Replays the journal, clears orphans. -EIO, -EINVAL (not ours; says why), -ENOMEM, -EBUSY
 * (mounted already). */
MUST_CHECK int fs_mount(struct disk *disk);

/* Everything to its place on the disk, and let go of it. -EBUSY: inodes are in use. Also after the file system became
 * read-only. */
MUST_CHECK int fs_unmount(void);

/* All that was done before is durable when it returns. */
MUST_CHECK int fs_sync(void);

struct inode *fs_root(void);  // a reference

struct inode *inode_get(struct inode *i);

/* Let a reference go. The last one of a file without links deletes it. May sleep; no fs lock may be held. */
void inode_put(struct inode *i);

/* Who it is: a number, and a generation that changes when the number is used anew. */
struct inode_identity {
    u64 ino, generation, size, changes;  // changes counts every modification of contents
    u32 type, nlink, major, minor;
};
void inode_identify(struct inode *i, struct inode_identity *id);
u32 inode_type(const struct inode *i);  // T_*; constant
MUST_CHECK int inode_check_file(const struct inode *i);  // 0: a regular file; -EISDIR, -EINVAL for devices
void inode_stat(struct inode *i, struct stat *st);

/* By identity. -ESTALE if that inode is no longer that file. */
MUST_CHECK int inode_find(u64 ino, u64 generation, struct inode **out);

/*
 * Read or write at an offset. *done: bytes, which may be fewer at the end of the file, or on an error after the first
 * byte. A directory reads as struct dirent (uapi/stat.h), and can't be written. -EISDIR, -EIO, -ENOSPC, -EFBIG, -EROFS,
 * -ENOMEM.
 */
MUST_CHECK int inode_read(struct inode *i, u64 offset, struct piece *pieces, u32 count, size_t *done);
MUST_CHECK int inode_write(struct inode *i, u64 offset, const struct piece *pieces, u32 count, size_t *done);

/*
 * Whole frames between memory and file, no copy: count frames at offset (a multiple of the block size). Writing beyond
 * the end extends the file. All or nothing known on error.
 *
 * What the file has already is overwritten in its place. That changes no metadata but the time and count of changes,
 * which reach the disk with the file's next other change, or when a reference is let go: so inode_sync() costs a single
 * flush of the disk. Until that has ended, any sector of 512 bytes may be old or new after a crash.
 */
MUST_CHECK int inode_read_frames(struct inode *i, u64 offset, struct frame **frames, u32 count);
MUST_CHECK int inode_write_frames(struct inode *i, u64 offset, struct frame **frames, u32 count);

/* The same with several runs, in ascending order, all at once: the disk has their requests at the same time. */
struct frame_run {
    u64 offset;
    struct frame **frames;
    u32 count;
};

MUST_CHECK int inode_write_runs(struct inode *i, const struct frame_run *runs, u32 n);

/* Make [0, size) have blocks, contiguous if possible, that read as zeros. -ENOSPC: and none is kept. */
MUST_CHECK int inode_preallocate(struct inode *i, u64 size);

MUST_CHECK int inode_truncate(struct inode *i, u64 size);

/* The same, but only to make it shorter, and -ESTALE if it isn't as it was when inode_identify() told of so many
 * changes. */
MUST_CHECK int inode_truncate_unchanged(struct inode *i, u64 changes, u64 size);

/* Its contents and what makes it reachable are durable when it returns. */
MUST_CHECK int inode_sync(struct inode *i);

/*
 * What inode_write_frames() has written so far need not be waited for later: for a file that much more is going to be
 * written to. It promises nothing that inode_sync() doesn't. -EIO: and then the file system is read-only.
 */
MUST_CHECK int inode_flush_early(struct inode *i);

/* For exec: pages out of [offset, ...) of a file; while it lives, the file can't be opened for writing (-ETXTBSY).
 * -ETXTBSY if it is open for writing. */
MUST_CHECK int inode_backing(struct inode *i, struct backing **out);

/* From now on it can't be opened for writing (-ETXTBSY), until as many inode_writes_allow(). -ETXTBSY if it is open for
 * writing. Whole frames can still be written. -EINVAL: not a regular file. */
MUST_CHECK int inode_writes_deny(struct inode *i);
void inode_writes_allow(struct inode *i);

/* Exchange the contents of two regular files, in one transaction: after a crash both are as before, or both are
 * exchanged. What was written to either before is durable first; the exchange itself is after inode_sync(). -EINVAL
 * (not regular files, or the same), -ETXTBSY (one is being executed or restored from), -EIO, -EROFS, -ENOMEM. */
MUST_CHECK int inode_exchange(struct inode *a, struct inode *b);

/* For open: count a writer. -ETXTBSY if somebody executes it. */
MUST_CHECK int inode_writer_begin(struct inode *i);
void inode_writer_end(struct inode *i);

u32 inodes_live(void);

struct fs_figures {
    u64 blocks, blocks_free, inodes, inodes_free;
    u32 cached_frames;
};
void fs_figures(struct fs_figures *out);
