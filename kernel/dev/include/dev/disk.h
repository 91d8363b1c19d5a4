// Disks: 4 KiB blocks, many requests at a time, errors returned.
#pragma once

#include <base/list.h>
#include <base/types.h>
#include <mm/frame.h>
#include <sched/wait.h>

#define DISK_BLOCK_SIZE 4096
#define DISK_MAX_BLOCKS 1024  // of one request

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH };

// One request. The submitter owns it, and the frames, until done() is called.
struct disk_request {
    enum disk_op op;
    u64 block;  // the first; unused by DISK_FLUSH
    u32 count;  // of blocks, at most DISK_MAX_BLOCKS; each block in a frame of its own
    struct frame **frames;
    void (*done)(struct disk_request *);  // with interrupts off, may not sleep; NULL when disk_wait() will be called
    void *arg;                            // the submitter's
    int status;                           // 0 or -EIO, once done
    bool complete;
    struct list link;           // the driver's
    struct wait_queue waiters;  // in disk_wait(); disk_submit() prepares it
};

struct disk {
    const char *name;  // "vda", "hda"
    u64 blocks;
    /* Start it; a full queue holds it back. May be called in interrupt context. */
    void (*submit)(struct disk *, struct disk_request *);
    struct disk *next;
    _Atomic bool mounted;  // a file system lives on it: nobody else may write
    _Atomic u64 reads, writes, flushes;
};

void disk_register(struct disk *d);
struct disk *disk_find(const char *name);  // NULL name: the first one; NULL if none
struct disk *disk_number(u32 n);           // in the order of registration, from 0; NULL if there are fewer

/* May the request have so many blocks, and do they lie in the disk? */
bool disk_has(const struct disk *d, const struct disk_request *r);

/*
 * Requests that disk_has() denies end in -EIO. DISK_FLUSH: all writes that were done before it was submitted are
 * durable when it is done; nothing else orders requests.
 */
void disk_submit(struct disk *d, struct disk_request *r);
int disk_wait(struct disk_request *r);

/* Submit and wait. */
MUST_CHECK int disk_transfer(struct disk *d, enum disk_op op, u64 block, u32 count, struct frame **frames);
MUST_CHECK int disk_flush(struct disk *d);

/* Find the machine's disks and register them. The console has console_init(). */
void dev_init(void);
