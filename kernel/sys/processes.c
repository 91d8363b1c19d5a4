// Calls on processes, and on the calling one's memory and time.
#include "call.h"
#include <base/string.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <mm/usercopy.h>
#include <proc/exec.h>
#include <uapi/errno.h>
#include <uapi/wait.h>

int sys_fork(struct call *c)
{
    int pid;

    int err = proc_fork(&pid);
    if (!err)
        c->result = pid;
    return err;
}

int sys_exit(struct call *c)
{
    proc_exit(WEXITED(0));
}

int sys__exit(struct call *c)
{
    proc_exit(WEXITED(call_int(c, 0)));
}

int sys_wait(struct call *c)
{
    int pid, status;

    int err = proc_wait(-1, 0, &pid, &status);
    if (!err)
        c->result = pid;
    return err;
}

int sys_waitpid(struct call *c)
{
    void __user *status_at = call_pointer(c, 1);
    int pid, status;

    if (call_int(c, 2) & ~WNOHANG)
        return -EINVAL;
    int err = proc_wait(call_int(c, 0), call_int(c, 2), &pid, &status);
    if (err)
        return err;
    c->result = pid;
    return pid && c->arguments[1] ? copy_to_user(status_at, &status, sizeof(status)) : 0;
}

int sys_kill(struct call *c)
{
    return proc_kill(call_int(c, 0), SIGKILL);
}

static int argument_append(struct exec_args *args, uintptr_t string)
{
    size_t room = sizeof(args->text) - args->bytes;

    if (args->count == ARG_COUNT || !room)
        return -E2BIG;
    int err = copy_string_from_user(args->text + args->bytes, room, (const char __user *)string);
    if (err)
        return err == -ENAMETOOLONG ? -E2BIG : err;
    args->bytes += (u32)strlen(args->text + args->bytes) + 1;
    args->count++;
    return 0;
}

static int gather_arguments(struct exec_args *args, uintptr_t argv)
{
    args->count = args->bytes = 0;
    for (;;) {
        uintptr_t string;

        int err = copy_from_user(&string, (const void __user *)(argv + args->count * sizeof(string)), sizeof(string));
        if (err || !string)
            return err;
        err = argument_append(args, string);
        if (err)
            return err;
    }
}

int sys_exec(struct call *c)
{
    char *path;

    int err = call_path(c, 0, &path);
    if (err)
        return err;
    struct exec_args *args = kmalloc(sizeof(*args));
    err = args ? gather_arguments(args, c->arguments[1]) : -ENOMEM;
    if (!err)
        err = proc_exec(path, args);
    kfree(args);
    kfree(path);
    c->replaced = !err;
    return err;
}

int sys_getpid(struct call *c)
{
    c->result = proc_pid(c->self);
    return 0;
}

int sys_getppid(struct call *c)
{
    c->result = proc_parent_pid(c->self);
    return 0;
}

int sys_setpgid(struct call *c)
{
    return proc_set_group(call_int(c, 0), call_int(c, 1));
}

int sys_cont(struct call *c)
{
    return proc_continue(call_int(c, 0));
}

int sys_stop_at(struct call *c)
{
    int n = call_int(c, 2);

    return n < 0 ? -EINVAL : proc_stop_at(call_int(c, 0), (enum proc_event)call_int(c, 1), (u32)n);
}

int sys_sbrk(struct call *c)
{
    uaddr_t old;

    int err = vmspace_brk(proc_space(c->self), (intptr_t)call_int(c, 0), &old);
    if (!err)
        c->result = (intptr_t)old;
    return err;
}

// When the program's clock of ticks has advanced by `ticks`: the first of them may be nearly over.
static u64 deadline_after(struct proc *self, int ticks)
{
    u64 ticks_now = proc_clock(self) / NS_PER_TICK;

    return proc_clock_time(self, (ticks_now + (u32)ticks) * NS_PER_TICK);
}

// The deadline is kept, so a sleep that a freeze interrupts isn't longer for it.
int sys_sleep(struct call *c)
{
    struct restart *restart = call_restart(c);
    int ticks = call_int(c, 0);

    if (ticks <= 0)
        return ticks ? -EINVAL : 0;
    if (!restart->deadline)
        restart->deadline = deadline_after(c->self, ticks);
    return thread_sleep_until(restart->deadline);
}
