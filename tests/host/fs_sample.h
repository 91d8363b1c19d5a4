// A small file system with something of everything, and ways to use it whatever has become of it: for tests that change
// its bytes. Errors and wrong data are fine then; a crash, a hang or a leak is not.
#pragma once

#include "fs_host.h"
#include <fsfmt/fsfmt.h>

// /a, /b, /c (with a hole of 20 MiB), /d with links to /a, /d/e, and a device /dev.
struct sample {
    u32 blocks;          // of the disk
    u32 b_size, c_size;  // bytes; at most SAMPLE_SIZE_MAX
    u32 links;           // /d/n0 ...
};
#define SAMPLE_SIZE_MAX 200000

/* Make it on a disk of its own, and unmount it. synced: what the disk held just before the unmount, with transactions
 * to replay; or NULL. *s must outlive the use of the sample. */
struct disk *sample_create(const struct sample *s, struct fs_super *super, u8 *synced);

/* Make an inode's checksum right. */
void sample_seal_inode(u8 *record, u64 ino);

/* While it is mounted: look at everything; change what there is, in every way. */
void sample_walk(void);
void sample_change(void);
