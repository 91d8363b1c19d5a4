// The files in an image: inodes, their blocks, directories, paths.
#pragma once

#include "image.h"

/* Block and offset in it of an inode in the table. */
u64 inode_block(const struct fs_super *s, u64 ino);
u32 inode_offset(u64 ino);

MUST_CHECK enum fs_error image_inode_load(struct image *img, u64 ino, struct fs_inode *out);
void image_inode_store(struct image *img, u64 ino, const struct fs_inode *inode);

/*
 * Call fn for each block that the file has, index blocks (level > 0) before what they point to, ascending. `index`: of
 * data blocks, which of the file's blocks it is. fn returns false to end the walk. Slots that are not valid are passed
 * over, and more blocks than the disk has are not visited: a walk ends, whatever the disk says.
 */
typedef bool file_block_fn(void *arg, u64 index, u64 slot, u32 level);
void file_blocks(struct image *img, const struct fs_inode *inode, file_block_fn *fn, void *arg);

/* The slot of one data block; 0: a hole. */
MUST_CHECK enum fs_error file_slot(struct image *img, const struct fs_inode *inode, u64 index, u64 *slot);

/* One data block's contents. */
MUST_CHECK enum fs_error file_block_read(struct image *img, const struct fs_inode *inode, u64 index,
                                         u8 out[FS_BLOCK_SIZE]);

/* A directory's slots within its size: block is the directory's own copy in memory. Return false to end. */
typedef bool dir_slot_fn(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry);
void dir_slots(struct image *img, const struct fs_inode *dir, dir_slot_fn *fn, void *arg);

/* 0: no such name. */
u64 dir_find(struct image *img, const struct fs_inode *dir, const char *name);

/* What a path from the root names; false, with a message, if there is nothing. */
MUST_CHECK bool path_find(struct image *img, const char *path, u64 *ino, struct fs_inode *out);
