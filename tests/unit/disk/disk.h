// A disk image for tests of mkfs and fsck: made once from some files, and put back to that state before each test.
//
// What is in it:  /small.txt (10 bytes)  /empty  /big (1 MiB, an index block)  /far (holes, then 3 bytes at 100 MiB:
// height 2)
//                 /zeros (64 KiB of zeros)  /d (a directory with 200 files, and /d/e/f/deep.txt below it)
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fsck/fsck.h>
#include <mkfs/write.h>

#define DISK_SIZE (4ull << 20)
#define FAR_AT    (100ull << 20)

/* For cmocka: make the image and its files in a temporary directory; remove them. */
int disk_group_setup(void **state);
int disk_group_teardown(void **state);

/* For cmocka, before each test: the image as mkfs made it. */
int disk_setup(void **state);

/* Paths in the temporary directory, for the host; static storage, valid until the eighth call after. */
const char *disk_image_path(void);
const char *disk_host_path(const char *name);

/* Make a file there. */
void disk_host_file(const char *name, const void *bytes, size_t n);

/* Open the image for changes, and close it with them written. */
struct image *disk_open(void);
void disk_close(struct image *img);

/* Change an inode in place; path must exist. */
u64 disk_find(struct image *img, const char *path, struct fs_inode *out);

/* Change n bytes of a block. */
void disk_patch(struct image *img, u64 block, u32 at, const void *bytes, size_t n);
void disk_patch64(struct image *img, u64 block, u32 at, u64 value);

/* Write one directory slot, in the directory's first block. */
void disk_entry(struct image *img, const char *dir, u64 slot, const struct fs_dirent *entry);

/* Which slot of a directory bears a name. */
u64 disk_entry_slot(struct image *img, const char *dir, const char *name);

/* Run fsck as the program does; *text (to be freed) is what it said. */
struct fsck_result disk_fsck(bool repair, char **text);

/* fsck must tell of an error in these words, repair it, and then find nothing. */
void disk_expect_repair(const char *words);

/* fsck must find nothing. */
void disk_expect_clean(void);

/* A file's contents are these bytes. */
void disk_expect_file(const char *path, u64 size, const void *begin, size_t n);

bool disk_exists(const char *path);
