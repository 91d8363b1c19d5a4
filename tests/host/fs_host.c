// What tests of kernel/fs have besides the simulated kernel and disk.
#include "fs_host.h"
#include <kern/time.h>
#include <sched/thread.h>

static bool syncing;

static void sync_often(void *arg)
{
    while (syncing) {
        for (u32 n = host_random(10); n > 0; n--)
            thread_yield();
        (void)!fs_sync();
    }
}

void host_start_syncing(void)
{
    syncing = true;
    host_spawn(sync_often, NULL);
}

void host_stop_syncing(void)
{
    syncing = false;
    host_join();
}

void host_check_nothing_left(void)
{
    if (files_live() || inodes_live() || pipes_live() || host_frames_used() || host_objects())
        host_fail("left: %u files, %u inodes, %u pipes, %u frames, %llu objects", files_live(), inodes_live(),
                  pipes_live(), host_frames_used(), (unsigned long long)host_objects());
}

// The simulated clock, and a day in 2023.
u64 time_wall_ns(void)
{
    return 1700000000ull * NS_PER_SECOND + time_ns();
}
