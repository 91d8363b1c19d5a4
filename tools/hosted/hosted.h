// The kernel under kernel/fs, on the host: threads, locks, memory and time, all simulated in one thread of the host.
// Who links it brings the disk (disk_submit(), disk_wait()) and the clock (time_wall_ns()).
//
// Threads are switched where the kernel's could be: when they wait, and (with host_set_preemption) at any spin lock, by
// a random generator that starts from a seed: every run can be repeated. The clock moves only when all threads wait. A
// deadlock, a broken order of locks, or a panic ends the program with a message.
#pragma once

#include "objects.h"
#include <base/types.h>

// Randomness.

void host_seed(u64 seed);
u32 host_random(u32 below);  // 0 .. below - 1

// Threads.

/* Switch threads at one in `n` spin locks; 0: never. */
void host_set_preemption(u32 n);

/* Run body(arg) as a thread until it returns; other threads go on meanwhile. */
void host_run(void (*body)(void *), void *arg);

/* Start a thread; host_join() waits for all that were started so. Inside host_run() only. */
void host_spawn(void (*body)(void *), void *arg);
void host_join(void);

/* Does the running thread hold a spin lock? */
bool host_spins(void);

// Memory.

/* So many frames there are. Only while nothing is allocated. */
void host_set_memory(u32 frames);
u32 host_frames_used(void);

/* Fail the n-th allocation from now, of a frame or an object; 0: none. And was it reached? */
void host_fail_memory(u32 n, bool from_then_on);
bool host_memory_failed(void);

// What printk printed goes to standard error if `loud`; the last of it is shown when something is wrong.
void host_set_loud(bool loud);
bool host_said(const char *text);                                // recently
void host_set_place(const char *format, ...) PRINTF_LIKE(1, 2);  // by which it can be found again
_Noreturn void host_fail(const char *format, ...) PRINTF_LIKE(1, 2);

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            host_fail("%s:%d: not true: %s", __FILE__, __LINE__, #condition);                                          \
    } while (0)
#define CHECK_OK(call)                                                                                                 \
    do {                                                                                                               \
        int err_ = (call);                                                                                             \
        if (err_)                                                                                                      \
            host_fail("%s:%d: %s is %d", __FILE__, __LINE__, #call, err_);                                             \
    } while (0)
#define CHECK_ERR(expected, call)                                                                                      \
    do {                                                                                                               \
        int err_ = (call);                                                                                             \
        if (err_ != (expected))                                                                                        \
            host_fail("%s:%d: %s is %d, not %s", __FILE__, __LINE__, #call, err_, #expected);                          \
    } while (0)
