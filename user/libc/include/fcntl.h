// Opening files. Flags: uapi/fcntl.h; O_CREAT is POSIX's spelling of O_CREATE.
#pragma once

#include <uapi/fcntl.h>

#define O_CREAT O_CREATE

/* A descriptor, the lowest free one. There are no permissions: POSIX's third argument may be given, and is ignored. */
int open(const char *path, int flags, ...);
int creat(const char *path, int mode);
