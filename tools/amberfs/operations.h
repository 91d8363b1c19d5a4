// The volume as libfuse wants it.
#pragma once

#define FUSE_USE_VERSION 31
#include <fuse.h>

extern const struct fuse_operations volume_operations;
