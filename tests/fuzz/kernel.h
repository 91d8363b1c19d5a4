// A kernel around exec, restore and the system calls, on the host: mm is the real one, over the machine of its unit
// tests; kmalloc is the host's, so that the sanitizer sees every object; files are bytes in memory.
#pragma once

#include "fuzz.h"
#include <fs/file.h>
#include <fs/inode.h>
#include <fs/path.h>
#include <mm/vmspace.h>

struct inode {
    u32 refs;
    u32 type;
    s32 denied;  // writes
    u64 ino;
    u8 *bytes;
    size_t size;
};

struct file {
    u32 refs;
    enum file_kind kind;
    struct inode *inode;  // a reference; NULL: a pipe's end
};

/* Before each run: the machine is up, and nothing is in use. */
void kernel_begin(void);

/* After each run: what was in use before is in use, and nothing else. */
void kernel_end(void);

/* A file of those bytes. */
struct inode *inode_create(u32 type, const void *bytes, size_t size);
struct file *file_create(enum file_kind kind, struct inode *inode);

/* Touch pages of a space as a program would, at most so many. */
void space_touch(struct vmspace *space, u32 pages);
