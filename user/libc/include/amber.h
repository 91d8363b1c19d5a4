// Amber's own calls. -1 with errno on failure, unless said otherwise. Structures: uapi/sys.h.
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <uapi/checkpoint.h>
#include <uapi/sys.h>

/*
 * Save the process `pid`, which may be the caller, into the file `path`. Returns 0 when the image is durable, and 1 in
 * the process that wakes up from an image of itself.
 */
int checkpoint(pid_t pid, const char *path);

/* Become the process in the image. Returns only on error. */
int restart(const char *path);

/*
 * The same with all options (uapi/checkpoint.h). ckpt_save() returns as checkpoint() does; with CKPT_SAVE_NOWAIT, when
 * the state is taken. figures may be NULL. ckpt_wait() waits for so many ticks: -1 with ETIMEDOUT when the checkpoint
 * is still being written; its own error is in the figures. ckpt_restore() returns only on error.
 */
int ckpt_save(const struct ckpt_save_args *args, struct ckpt_figures *figures);
int ckpt_wait(const uint64_t *id, int ticks, struct ckpt_figures *figures);
int ckpt_restore(const struct ckpt_restore_args *args);

#define TICKS_PER_SECOND 100
int uptime(void);            // ticks since the machine started
int sleep_ticks(int ticks);  // xv6's sleep()

uint64_t clock_ns(void);       // since the machine started
uint64_t wall_clock_ns(void);  // since 1970-01-01 UTC

int proc_list(struct proc_info *list, int n);  // how many processes there are; fills in at most n
struct proc_info *proc_list_all(int *count);   // all of them, malloc()ed; NULL and errno
int sysinfo(struct sysinfo *info);

/* A process that was stopped by a checkpoint or by stop_at(), and its stopped descendants, run on. */
int cont(pid_t pid);

/* Stop a descendant after n system calls or page faults from now, or in n ticks (EVENT_CALL, _FAULT, _TICK); 0: not. */
int stop_at(pid_t pid, int event, int n);

/*
 * For tests and for teaching: in the whole machine the n-th use from now of a resource fails (FAIL_FRAME, FAIL_KMALLOC,
 * FAIL_READ, FAIL_WRITE, FAIL_FLUSH); negative: it and all after it; 0: none. Returns how many have failed since the
 * call before.
 */
int fail_at(int kind, int n);

// Groups of processes, and the one that the terminal's ^C goes to. 0: the caller; a group named as it.
int setpgid(pid_t pid, pid_t pgid);
int tcsetpgrp(int fd, pid_t pgid);
int tcsetmode(int fd, int mode);  // TTY_COOKED or TTY_RAW; returns the mode before

/* Power off. status goes to QEMU's exit device, if there is one; POWEROFF_RESTART: start again. */
int poweroff(int status);
