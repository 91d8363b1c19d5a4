// Crash anywhere: kernel/fs works on the simulated disk, whose writes and flushes are recorded, and then the power
// fails in many places.
//
// A crash state is what the disk may hold when the power fails after some prefix of the log: everything before the last
// flush, and of what was written since then all, or any part (writes between two flushes reach the disk in any order,
// and of one that is on its way any of its sectors). Each state is checked by fsck, mounted (which replays the journal
// and clears the orphans), compared with what the workload did, unmounted, and sometimes checked again. Sometimes the
// power fails once more during the recovery.
#pragma once

#include "fs_host.h"

struct crash {
    size_t position;  // in the log: all before it had been written
    const char *kind;
};

// The disk that is worked on, and what the workload that is tried now wrote to it until now.
extern struct disk *crash_disk;
extern struct host_log crash_log;

/* A disk of `blocks` blocks, with an empty file system on the first `formatted`; 0: on all of it. */
void crash_disk_create(u64 blocks, u64 formatted);

/*
 * Record what work() does, from the disk as it is now, then let the power fail at one in `stride` places of the log,
 * and have each state checked by examine(), whose argument is a struct crash. Both mount and unmount.
 */
void crash_try(void (*work)(void *), void (*examine)(void *crash), u32 stride);

/* The state after that crash is wrong: say why, and end. */
_Noreturn void crash_fail(const struct crash *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* The program: arguments [SEED [STATES [FIRST]]]; tries the workloads in turn, from number FIRST on (0), until there
 * were so many states. */
int crash_main(int argc, char **argv, const char *name, void (*const workloads[])(void), u32 count);
