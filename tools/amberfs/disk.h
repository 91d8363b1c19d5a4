// The disk that the kernel's file system works on here: a file of the host.
#pragma once

#include <base/types.h>

struct disk;

/* 0 or -errno. Nobody else can open it so as long as it's open. */
MUST_CHECK int host_disk_open(const char *path, struct disk **out);
void host_disk_close(void);
