// A disk out of a fuzzer's input: a small file system with something of everything, and the input's pieces over it.
//
// Control: byte 0 says which checksums stay wrong, byte 1 seeds the order in which threads run and requests are done.
#pragma once

#include "fuzz.h"
#include <host/fs_sample.h>

#define DISK_BLOCKS 192

enum { DISK_NO_SUPER = 1, DISK_NO_INODES = 2, DISK_NO_JOURNAL = 4 };

// What the pieces' offsets mean.
enum disk_view {
    DISK_WHOLE,        // bytes of the disk, unmounted cleanly
    DISK_CRASHED,      // the same of a disk whose journal has transactions to replay
    DISK_DIRECTORIES,  // the first inodes, then the blocks of all directories, one after the other
};

/* Make the disk, once. */
struct disk *disk_input_create(enum disk_view view);

/* The disk as it was made, with the pieces of an input over it. */
void disk_input_lay(const u8 *data, size_t size);

/* Nothing may be left over from a run, and the superblocks must be as laid. */
void disk_input_check(void);

/* A view's bytes that an input may begin from, as pieces: the next piece, or false. For making seeds. */
bool disk_input_seed(u32 n, u64 *offset, const u8 **bytes, u32 *size);
