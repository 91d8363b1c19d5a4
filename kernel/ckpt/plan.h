// Plan: what an image says, decoded and checked, before anything is done.
#pragma once

#include <ckptfmt/ckptfmt.h>
#include <fs/file.h>
#include <proc/freezer.h>

#define IMAGE_NAME_SIZE 64

// An image being read.
struct image {
    struct inode *inode;         // borrowed
    char name[IMAGE_NAME_SIZE];  // for messages
    struct ckpt_source source;
    int read_error;  // why the last read failed
    struct ckpt_reader reader;
};

struct plan_file {
    struct x_file state;
    char *path;  // for messages: printable
};

struct plan {
    struct x_proc proc;
    u64 heap_start, heap_end, heap_limit;
    u32 region_count;
    struct ckpt_region regions[CKPT_REGIONS_MAX];
    struct ckpt_tree tree;
    u32 file_count;
    struct plan_file files[OPEN_MAX];
    u32 fd_file[OPEN_MAX];  // 1 + the place in files; 0: closed
    u64 cwd_ino, cwd_generation;
    char cwd_text[PATH_LEN];  // printable
};

void image_init(struct image *image, struct inode *inode, const char *path);

/* Say what is wrong with the image and where; returns the error for the program. */
MUST_CHECK int image_refuse(struct image *image, enum ckpt_error error, u64 at);

/*
 * Read and check all records; says what's wrong. Memory: bounded by the limits of one process, whatever the image says.
 * -ENOEXEC, -EBADMSG, -ENOMEM, -EIO.
 */
MUST_CHECK int plan_read(struct image *image, struct plan **out);
void plan_destroy(struct plan *plan);
