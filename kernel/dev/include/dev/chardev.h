// Character devices: what a T_DEV inode's major number stands for.
#pragma once

#include <base/piece.h>
#include <base/types.h>

#define MAJOR_CONSOLE 1
#define MAJOR_DISK    2

/*
 * Either a stream (read and write), or a store (the others), which has minors, a size and offsets.
 * Like file_read() and file_write(): *done counts bytes even when an error is returned. -EINTR when interrupted.
 */
struct chardev {
    const char *name;
    int (*read)(struct piece *pieces, u32 count, size_t *done);
    int (*write)(const struct piece *pieces, u32 count, size_t *done);

    int (*size)(u32 minor, u64 *bytes);  // -ENODEV; NULL: a stream
    int (*read_at)(u32 minor, u64 offset, struct piece *pieces, u32 count, size_t *done);
    int (*write_at)(u32 minor, u64 offset, const struct piece *pieces, u32 count, size_t *done);
    int (*sync)(u32 minor);  // what was written is durable when it returns
};

void chardev_register(u32 major, const struct chardev *d);
const struct chardev *chardev_find(u32 major);  // NULL if there is none
