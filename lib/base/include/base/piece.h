// A piece of memory. Lists of pieces carry data between processes and files.
#pragma once

#include <base/types.h>

struct piece {
    void *data;
    u32 size;
};
