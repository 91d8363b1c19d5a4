// A disk image with the kernel's own file system on top, to be changed: kernel/fs, built for the host. So every change
// goes through the journal, and a crash of the host or of the tool leaves what a crash of Amber would.
//
// One volume at a time; calls come from one thread. All return 0 or -errno. Paths begin at the root, / or not.
#pragma once

#include <base/types.h>

#define VOLUME_NAME_MAX 14

enum { VOLUME_DIRECTORY = 1, VOLUME_FILE, VOLUME_DEVICE };  // as the file system's own types

struct volume_stat {
    u32 type, links, major, minor;
    u64 ino, size, blocks, mtime_ns, ctime_ns;
};

struct volume_figures {
    u64 blocks, blocks_free, inodes, inodes_free;
};

/* Replays the journal. A message was printed if it fails. */
MUST_CHECK int volume_open(const char *path);

/* Everything to its place; the journal is empty afterwards. */
MUST_CHECK int volume_close(void);

MUST_CHECK int volume_sync(void);
void volume_figures(struct volume_figures *out);

MUST_CHECK int volume_stat(const char *path, struct volume_stat *out);

/* Each name but . and .., in no order. */
typedef void volume_name_fn(void *arg, const char *name);
MUST_CHECK int volume_list(const char *path, volume_name_fn *fn, void *arg);

MUST_CHECK int volume_mkdir(const char *path);
MUST_CHECK int volume_mknod(const char *path, u32 major, u32 minor);
MUST_CHECK int volume_unlink(const char *path);  // an empty directory, too
MUST_CHECK int volume_rename(const char *from, const char *to);
MUST_CHECK int volume_link(const char *from, const char *to);
MUST_CHECK int volume_truncate(const char *path, u64 size);

struct file;  // open

/* create: an empty one if there is none. */
MUST_CHECK int volume_file_open(const char *path, bool write, bool create, struct file **out);

/* A file without a name, for writing; volume_file_publish() gives it one, durable and in place of what bore it. */
MUST_CHECK int volume_file_unnamed(struct file **out);
MUST_CHECK int volume_file_publish(struct file *f, const char *path);

MUST_CHECK int volume_file_read(struct file *f, u64 offset, void *bytes, u32 n, size_t *done);
MUST_CHECK int volume_file_write(struct file *f, u64 offset, const void *bytes, u32 n, size_t *done);
MUST_CHECK int volume_file_truncate(struct file *f, u64 size);
MUST_CHECK int volume_file_sync(struct file *f);
void volume_file_close(struct file *f);
