// Collect: everything there is to know of a process, at one instant.
#pragma once

#include <fs/file.h>
#include <proc/freezer.h>

struct snapshot {
    struct x_proc proc;
    struct vmspace *space;           // a clone: nobody writes to it
    u64 taken_ns, wall_ns;           // when: uptime of the machine, and the calendar
    u64 pause_ns;                    // how long the process stood still
    u32 file_count;                  // its open files, each once
    struct file *files[OPEN_MAX];    // references
    struct x_file states[OPEN_MAX];  // at the instant
    u32 fd_file[OPEN_MAX];           // for each descriptor: 1 + the place in files; 0: closed
    struct inode *cwd;               // a reference
    char cwd_text[PATH_LEN];
};

/*
 * Stop the process for as long as it takes to clone its address space, and let it run on. The calling process doesn't
 * stop: it is at the user boundary in all that counts, and its saved registers say that its call returned 1. -ESRCH,
 * -EBUSY, -ETIMEDOUT, -EINTR, -ENOMEM.
 */
MUST_CHECK int collect(int pid, struct snapshot **out);
void collect_release(struct snapshot *snap);
