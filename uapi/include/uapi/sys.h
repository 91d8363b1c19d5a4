// Structures of Amber's own system calls. Fixed-size fields only: 32-bit and 64-bit kernels lay them out alike.
#pragma once

#include <stdint.h>

enum proc_info_state { PS_RUNNING = 1, PS_READY, PS_SLEEPING, PS_ZOMBIE, PS_FROZEN, PS_STOPPED };

// What stop_at(2) counts.
enum proc_event { EVENT_CALL = 1, EVENT_FAULT, EVENT_TICK };

// What fail(2) lets fail: taking a page frame or an object of the kernel's memory; a request to a disk.
enum fail_kind { FAIL_FRAME = 1, FAIL_KMALLOC, FAIL_READ, FAIL_WRITE, FAIL_FLUSH };

// One process, as proc_list(2) tells of it.
struct proc_info {
    int32_t pid, ppid, pgid;
    int32_t state;     // enum proc_info_state
    int32_t job;       // the job's number on this machine; 0: not restored from an image
    int32_t cpu;       // where it runs or last ran
    uint32_t regions;  // of its address space
    uint32_t unused;
    uint64_t size;       // bytes of its regions
    uint64_t resident;   // bytes that are in memory
    uint64_t cpu_ns;     // time on a CPU
    char name[16];       // terminated
    char waits_for[16];  // what it sleeps on ("pipe", "console", ...); "" when it does not sleep
};

// Counters of the whole machine. After all programs that a test started have ended, each "live" figure is as before.
struct sysinfo {
    uint32_t cpus;
    uint32_t page_size;
    uint64_t frames_total, frames_free;  // page frames; free counts cached disk blocks that can be dropped at once
    uint64_t frames_cache;               // page frames that hold disk blocks
    uint64_t kmem_live;                  // kernel objects allocated
    uint64_t commit_limit, commit_used;  // pages that processes may own, and do own
    uint32_t procs_live, threads_live;
    uint32_t files_live, inodes_live, pipes_live, spaces_live;
    uint64_t disk_blocks, disk_free, inodes_total, inodes_free;
    uint64_t disk_reads, disk_writes, disk_flushes;  // requests since the start
    uint64_t switches, syscalls, faults;
};

#define TTY_COOKED       0  // lines, with echo and editing
#define TTY_RAW          1  // bytes as they come, no echo

#define POWEROFF_RESTART (-1)
