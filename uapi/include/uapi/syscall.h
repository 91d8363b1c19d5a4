// System call numbers. 1 to 21 are xv6's; 22 and 23 those of the xv6 checkpointing project; the rest is Amber's.
#pragma once

#define SYS_fork         1
#define SYS_exit         2
#define SYS_wait         3
#define SYS_pipe         4
#define SYS_read         5
#define SYS_kill         6
#define SYS_exec         7
#define SYS_fstat        8
#define SYS_chdir        9
#define SYS_dup          10
#define SYS_getpid       11
#define SYS_sbrk         12
#define SYS_sleep        13
#define SYS_uptime       14
#define SYS_open         15
#define SYS_write        16
#define SYS_mknod        17
#define SYS_unlink       18
#define SYS_link         19
#define SYS_mkdir        20
#define SYS_close        21
#define SYS_checkpoint   22
#define SYS_restart      23

#define SYS_waitpid      24  // int waitpid(int pid, int *status, int options)
#define SYS__exit        25  // void _exit(int status)
#define SYS_rename       26  // int rename(const char *from, const char *to)
#define SYS_fsync        27  // int fsync(int fd)
#define SYS_ftruncate    28  // int ftruncate(int fd, u64 size): the size's low word first
#define SYS_lseek        29  // int lseek(int fd, s64 *offset, int whence): *offset becomes the new offset
#define SYS_sync         30  // int sync(void): returns when all that was written before is durable
#define SYS_dup2         31  // int dup2(int from, int to)
#define SYS_clock        32  // int clock(u64 *ns): nanoseconds since the machine started
#define SYS_proc_list    33  // int proc_list(struct proc_info *, int n): how many there are; fills at most n
#define SYS_sysinfo      34  // int sysinfo(struct sysinfo *)
#define SYS_setpgid      35  // int setpgid(int pid, int pgid)
#define SYS_tcsetpgrp    36  // int tcsetpgrp(int fd, int pgid)
#define SYS_tcsetmode    37  // int tcsetmode(int fd, int mode): TTY_COOKED or TTY_RAW; returns the mode before
#define SYS_poweroff     38  // int poweroff(int status): off; status goes to QEMU's exit device if there is one
#define SYS_getppid      39
#define SYS_time         40  // int time(u64 *ns): wall clock, nanoseconds since 1970-01-01 UTC

#define SYS_ckpt_save    41  // int ckpt_save(const struct ckpt_save_args *, struct ckpt_figures *)
#define SYS_ckpt_wait    42  // int ckpt_wait(const u64 *id, int ticks, struct ckpt_figures *): ETIMEDOUT: not ended
#define SYS_ckpt_restore 43  // int ckpt_restore(const struct ckpt_restore_args *)
#define SYS_cont         44  // int cont(int pid): let a stopped process and its stopped descendants run on
#define SYS_stop_at      45  // int stop_at(int pid, int event, int n): stop it after n events (uapi/sys.h)
#define SYS_fail         46  // int fail(int kind, int n): what fails on request (uapi/sys.h)

#define SYS_COUNT        47
