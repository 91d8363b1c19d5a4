// Character devices: what a T_DEV inode's major number stands for.
#pragma once

#include <base/piece.h>
#include <base/types.h>

#define MAJOR_CONSOLE 1

struct chardev {
    const char *name;
    /* Like file_read() and file_write(): *done counts bytes even when an error is returned. -EINTR when interrupted. */
    int (*read)(struct piece *pieces, u32 count, size_t *done);
    int (*write)(const struct piece *pieces, u32 count, size_t *done);
};

void chardev_register(u32 major, const struct chardev *d);
const struct chardev *chardev_find(u32 major); // NULL if there is none
