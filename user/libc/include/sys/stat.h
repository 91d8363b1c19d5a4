// What a file is. struct stat and the T_* types: uapi/stat.h.
#pragma once

// POSIX gives the name `struct dirent` to what readdir() returns (dirent.h); the kernel's slot gets another one here.
#define dirent dirent_slot
#include <uapi/stat.h>
#undef dirent

int fstat(int fd, struct stat *st);
int stat(const char *path, struct stat *st);  // opens the file for reading

int mkdir(const char *path, ...);  // POSIX's mode may be given and means nothing
int mknod(const char *path, int major, int minor);
