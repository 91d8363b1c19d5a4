// An image being read.
#pragma once

#include "recent.h"
#include <ckptfmt/ckptfmt.h>
#include <fs/inode.h>

#define IMAGE_NAME_SIZE 64

struct image {
    struct inode *inode;         // borrowed
    char name[IMAGE_NAME_SIZE];  // for messages
    struct inode_identity id;    // when it was opened
    struct ckpt_source source;
    struct frame *header;         // borrowed: stands for what is in the slots; NULL: nothing does
    struct commit *commit;        // borrowed: what becomes of epochs that may be under way; NULL: none are
    const struct recent *recent;  // borrowed: blocks that needn't be read; NULL: none
    int read_error;               // why the last read failed
    struct ckpt_reader reader;
};

void image_init(struct image *image, struct inode *inode, const char *path);

/* The file may have grown. */
void image_resize(struct image *image);

/* Open an epoch (0: the newest) and read its EPOCH record. *epoch may be NULL. */
MUST_CHECK enum ckpt_error image_open(struct image *image, u64 number, struct ckpt_epoch *epoch);

/* The same, when one was opened before: quick if it is that one. */
MUST_CHECK enum ckpt_error image_open_same(struct image *image, u64 number, struct ckpt_epoch *epoch);

/* The error for the program. */
int image_errno(const struct image *image, enum ckpt_error error);

/* The same, and says what is wrong with the image and where. */
MUST_CHECK int image_refuse(const struct image *image, enum ckpt_error error, u64 at);
