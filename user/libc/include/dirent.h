// Reading directories.
#pragma once

#include <stdint.h>
#include <uapi/fcntl.h>

struct dirent {
    uint32_t d_ino;
    char d_name[NAME_LEN + 1];
};

typedef struct directory DIR;

DIR *opendir(const char *path);  // NULL: ENOTDIR, and open()'s reasons
struct dirent *readdir(DIR *d);  // NULL at the end; valid until the next call; "." and ".." are among them
int closedir(DIR *d);
