// The disk that the kernel's file system works on here: a file of the host.
#pragma once

#include <base/types.h>

struct disk;

/* 0 or -errno: -EAGAIN if somebody has opened it so, as nobody else can while it's open; -EBUSY if a machine has it. */
MUST_CHECK int host_disk_open(const char *path, struct disk **out);
void host_disk_close(void);
