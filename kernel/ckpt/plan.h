// Plan: what an image says, decoded and checked, before anything is done.
#pragma once

#include "image.h"
#include <fs/file.h>
#include <proc/freezer.h>

struct plan_space {
    u64 heap_start, heap_end, heap_limit;
    u32 region_count;
    struct ckpt_region *regions;
    struct ckpt_tree tree;
};

struct plan_content {
    u64 size;
    struct ckpt_tree tree;
};

struct plan_file {
    struct x_file state;
    char *path;   // printable
    u64 pipe;     // ordinal; greater than those carried: of a pipe that leads outside; 0: it isn't one
    u32 content;  // ordinal; 0: none
    u32 refs;     // descriptors that name it
    int pid, fd;  // one of them, for messages
};

struct plan_process {
    struct x_proc state;
    int parent;             // its place; -1: the first one
    u32 space;              // ordinal; 0: it has ended
    u32 fd_file[OPEN_MAX];  // 1 + the place in files; 0: closed
    u64 cwd_ino, cwd_generation;
    char *cwd_text;  // printable
};

struct plan {
    struct ckpt_epoch epoch;
    u32 digest;
    struct ckpt_bounds bounds;
    u32 content_count, pipe_count, file_count, space_count, process_count;  // so far
    struct plan_content *contents;
    struct x_pipe **pipes;
    struct plan_file **files;
    struct plan_space *spaces;
    struct plan_process **processes;
};

/*
 * Read and check all records of an epoch (0: the newest); says what's wrong. Memory: by what the records hold, within
 * the limits of this kernel. -ENOEXEC, -EBADMSG, -ENOMEM, -EIO.
 */
MUST_CHECK int plan_read(struct image *image, u64 epoch, struct plan **out);
void plan_destroy(struct plan *plan);
