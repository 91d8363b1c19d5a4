// What fstat(2) tells, and what reading a directory yields: xv6's layouts.
#pragma once

#include <stdint.h>

#define T_DIR  1
#define T_FILE 2
#define T_DEV  3

struct stat {
    int16_t type;  // T_DIR, T_FILE, T_DEV
    int32_t dev;   // the disk
    uint32_t ino;
    int16_t nlink;
    uint32_t size;  // bytes; 0xffffffff for a file that is larger
};

// One slot of a directory. The slot is free when inum is 0. An inode number that does not fit is shown as 65535.
struct dirent {
    uint16_t inum;
    char name[14];  // not terminated when it has 14 characters
};
