// Stand-ins for mm and proc: families of processes whose memory is a table of pages, for kernel/ckpt on the host.
//
// A space has SLOTS pages that it may use, in four regions that lie so that its tree has several nodes. A page's
// contents follow from its seed; seed 0 is a page of zeros. Pages that a backing would supply have a seed and no frame.
#pragma once

#include "fs_host.h"
#include <mm/vmspace.h>

#define DATA_SLOTS  24
#define HEAP_SLOTS  48
#define HIGH_SLOTS  16
#define STACK_SLOTS 16
#define SLOTS       (DATA_SLOTS + HEAP_SLOTS + HIGH_SLOTS + STACK_SLOTS)

#define MEMBERS_MAX 4  // of a family, one that has ended included
#define SPACES_MAX  3
#define DATA_MAX    3  // files that a family has open
#define DATA_PAGES  12
#define SEEDS       (1u << 18)

u32 slot_page(u32 slot);

/* Fill a page from its seed; the checksum of that; a seed that hasn't been used in this run of the program's life. */
void seed_fill(u32 seed, u8 *page);
u32 seed_crc(u32 seed);
u32 seed_new(void);

// What a space holds, as the model sees it.
struct memory {
    u32 heap;  // its pages
    u32 seed[SLOTS];
};

// A file that the family's root has open.
struct data {
    struct file *file;  // NULL: none
    u64 size;
    u8 bytes[DATA_PAGES * 4096];
};

struct family;
struct proc;

struct household {
    int pid;  // of its root
    u32 count;
    struct proc *members[MEMBERS_MAX];  // parents before children
    struct data data[DATA_MAX];
    struct file *pipe[2];
    u32 pipe_crc;  // of what is in it
    u32 changes;   // pages that change as soon as they run on after a freeze
    void (*on_freeze)(struct household *h, u32 count);
};

/* A family of one process, with its files; `pid` is a multiple of 100. */
void household_create(struct household *h, int pid);
void household_destroy(struct household *h);

/* `n` pages become others, zeros, or nothing; the break moves. -ENOMEM leaves fewer changes. */
void household_change(struct household *h, u32 n);
/* A part of a file's contents changes, or its size. Errors are the disk's, and leave the model in doubt: -EIO ... */
MUST_CHECK int household_write(struct household *h);
void household_fork(struct household *h);
void household_exit(struct household *h);

/* Its members become those of an image: so many spaces, whose pages a backing supplies, marked with *label, whose
 * ordinal is filled in. */
void household_revive(struct household *h, const struct memory *spaces, u32 count, const struct mark_label *label);
/* All pages become present: nobody needs the image any more. */
void household_touch(struct household *h);
/* Forget the marks of all members, or of all but the root. */
void household_forget(struct household *h, bool root_too);

/* The members' memory; returns how many spaces there are among the first `count` members. */
u32 household_memory(const struct household *h, u32 count, struct memory *out);
bool household_find_mark(const struct household *h, u64 ino, u64 generation, struct mark_label *out);
