// The system calls, one function each: uapi/syscall.h's number in eax, the arguments where the C caller put them. On -1,
// edx becomes errno.
#include <uapi/syscall.h>

.macro syscall name, number
    .section .text.\name, "ax"
    .globl  \name
    .type   \name, @function
\name:
    movl    $\number, %eax
    int     $0x40
    cmpl    $-1, %eax
    je      1f
    ret
1:  movl    %edx, errno
    ret
    .size   \name, . - \name
.endm

    syscall fork, SYS_fork
    syscall pipe, SYS_pipe
    syscall read, SYS_read
    syscall kill, SYS_kill
    syscall execv, SYS_exec
    syscall fstat, SYS_fstat
    syscall chdir, SYS_chdir
    syscall dup, SYS_dup
    syscall getpid, SYS_getpid
    syscall sbrk, SYS_sbrk
    syscall sleep_ticks, SYS_sleep
    syscall uptime, SYS_uptime
    syscall open, SYS_open
    syscall write, SYS_write
    syscall mknod, SYS_mknod
    syscall unlink, SYS_unlink
    syscall link, SYS_link
    syscall mkdir, SYS_mkdir
    syscall close, SYS_close
    syscall checkpoint, SYS_checkpoint
    syscall restart, SYS_restart
    syscall waitpid, SYS_waitpid
    syscall _exit, SYS__exit
    syscall rename, SYS_rename
    syscall fsync, SYS_fsync
    syscall ftruncate, SYS_ftruncate
    syscall sys_lseek, SYS_lseek
    syscall sync, SYS_sync
    syscall dup2, SYS_dup2
    syscall sys_clock, SYS_clock
    syscall proc_list, SYS_proc_list
    syscall sysinfo, SYS_sysinfo
    syscall setpgid, SYS_setpgid
    syscall tcsetpgrp, SYS_tcsetpgrp
    syscall tcsetmode, SYS_tcsetmode
    syscall poweroff, SYS_poweroff
    syscall getppid, SYS_getppid
    syscall sys_time, SYS_time
    syscall ckpt_save, SYS_ckpt_save
    syscall ckpt_wait, SYS_ckpt_wait
    syscall ckpt_restore, SYS_ckpt_restore
    syscall cont, SYS_cont
    syscall stop_at, SYS_stop_at
    syscall fail_at, SYS_fail
