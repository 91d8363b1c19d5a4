// Open files: what descriptors refer to. Shared by fork and dup, counted.
#pragma once

#include <base/piece.h>
#include <fs/inode.h>
#include <uapi/sys.h>

enum file_kind { FILE_INODE = 1, FILE_DEVICE, FILE_PIPE_READ, FILE_PIPE_WRITE };

struct file;
struct pipe;

struct file *file_get(struct file *f);
void file_put(struct file *f);  // the last closes; may sleep

/* A reference that doesn't count as one: a checkpoint's. The file closes when all others are gone; a watcher then still
 * has its name and its inode, but no pipe. */
struct file *file_watch(struct file *f);
void file_unwatch(struct file *f);

enum file_kind file_kind(const struct file *f);
const char *file_name(const struct file *f);                     // the path that it was opened by; "pipe"; for messages
MUST_CHECK int file_set_name(struct file *f, const char *name);  // before others see it. -ENOMEM
struct inode *file_inode(struct file *f);                        // borrowed; NULL for pipes

/* A pipe's two ends. -ENOMEM, -ENFILE. */
MUST_CHECK int pipe_create(struct file **read_end, struct file **write_end);

/*
 * Read or write at the file's offset and move it. *done counts bytes also when an error is returned (a pipe's writer
 * interrupted in the middle: -EINTR). Reading gives what there is, at least one byte, or 0 at the end. -EBADF (not open
 * for that), -EPIPE, and inode_*'s.
 */
MUST_CHECK int file_read(struct file *f, struct piece *pieces, u32 count, size_t *done);
MUST_CHECK int file_write(struct file *f, const struct piece *pieces, u32 count, size_t *done);

/* How many of the n bytes that a program wants to move are best given to one call of those: large ones to files, few to
 * what waits. */
size_t file_portion(struct file *f, size_t n, bool is_write);

MUST_CHECK int file_stat(struct file *f, struct stat *st);                   // -EBADF for pipes
MUST_CHECK int file_seek(struct file *f, s64 offset, int whence, u64 *now);  // -ESPIPE, -EINVAL
MUST_CHECK int file_sync(struct file *f);                                    // -EINVAL
MUST_CHECK int file_truncate(struct file *f, u64 size);                      // -EINVAL, -EBADF

/* An open file's state, for an image. */
struct x_file {
    u32 kind, flags;  // enum file_kind, O_*
    u64 offset;
    struct inode_identity inode;  // of FILE_INODE and FILE_DEVICE
    u64 pipe_id;                  // same pipe, same number; 0 for others
    u32 refs;                     // how many refer to it: descriptors, and calls; watchers left out
};
void file_export(struct file *f, struct x_file *out);

/* Open again what was exported. Pipes: -ENOTSUP. -ESTALE, -ETXTBSY, -ENODEV, -EINVAL, -ENOMEM. */
MUST_CHECK int file_import(const struct x_file *x, const char *name, struct file **out);

/* The same, with `inode` (borrowed; a file for a file, a directory for a directory) in place of the exported one. */
MUST_CHECK int file_import_at(const struct x_file *x, const char *name, struct inode *inode, struct file **out);

// A pipe's state, for an image.
#define PIPE_CONTENTS_MAX 16384
struct x_pipe {
    bool has_reader, has_writer;
    u32 size;                     // bytes in it
    u8 bytes[PIPE_CONTENTS_MAX];  // the oldest first
};
void pipe_export(struct file *end, struct x_pipe *out);  // end: either end of it

/* A pipe as exported, with both ends; the caller closes the one that isn't wanted. -ENOMEM, -ENFILE, -EINVAL. */
MUST_CHECK int pipe_import(const struct x_pipe *x, struct file **read_end, struct file **write_end);

u32 files_live(void);
u32 pipes_live(void);
