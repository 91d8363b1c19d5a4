// System calls: the table, and what happens around each call.
//
// A call that returns -EINTR was cut off by a freeze or a kill. Killed, the process ends at the user boundary.
// Otherwise the call is rewound: the program executes the same instruction again, now or after it was restored, and
// never learns of it. What the call had done until then is in the restart record.
#include "call.h"
#include <arch/upcall.h>
#include <uapi/errno.h>
#include <uapi/syscall.h>

struct entry {
    int (*run)(struct call *c);
    u32 arguments;
};

// exit and wait take no argument, as in xv6, where whatever lies there is garbage.
#define CALL(name, words) [SYS_##name] = { sys_##name, words }

// clang-format off
static const struct entry table[SYS_COUNT] = {
    CALL(fork, 0),
    CALL(exit, 0),
    CALL(wait, 0),
    CALL(pipe, 1),
    CALL(read, 3),
    CALL(kill, 1),
    CALL(exec, 2),
    CALL(fstat, 2),
    CALL(chdir, 1),
    CALL(dup, 1),
    CALL(getpid, 0),
    CALL(sbrk, 1),
    CALL(sleep, 1),
    CALL(uptime, 0),
    CALL(open, 2),
    CALL(write, 3),
    CALL(mknod, 3),
    CALL(unlink, 1),
    CALL(link, 2),
    CALL(mkdir, 1),
    CALL(close, 1),
    CALL(checkpoint, 2),
    CALL(restart, 1),
    CALL(waitpid, 3),
    CALL(_exit, 1),
    CALL(rename, 2),
    CALL(fsync, 1),
    CALL(ftruncate, 1 + CALL_WIDE_WORDS),
    CALL(lseek, 3),
    CALL(sync, 0),
    CALL(dup2, 2),
    CALL(clock, 1),
    CALL(proc_list, 2),
    CALL(sysinfo, 1),
    CALL(setpgid, 2),
    CALL(tcsetpgrp, 2),
    CALL(tcsetmode, 2),
    CALL(poweroff, 1),
    CALL(getppid, 0),
    CALL(time, 1),
    CALL(ckpt_save, 2),
    CALL(ckpt_wait, 3),
    CALL(ckpt_restore, 1),
    CALL(cont, 1),
    CALL(stop_at, 3),
    CALL(fail, 2),
};
// clang-format on

static _Atomic u64 count;

u64 calls_count(void)
{
    return count;
}

static int run(struct call *c, const struct uregs *regs)
{
    const struct entry *e = c->number < SYS_COUNT ? &table[c->number] : NULL;

    if (!e || !e->run)
        return -ENOSYS;
    int err = call_fetch_arguments(regs, e->arguments, c->arguments);
    return err ? err : e->run(c);
}

void upcall_syscall(struct uregs *regs)
{
    struct call c = { .self = proc_self(), .number = uregs_call_number(regs) };
    struct restart *restart = proc_restart(c.self);

    count++;
    if (restart->call != c.number)
        *restart = (struct restart){ .call = c.number };

    int err = run(&c, regs);
    if (err == -EINTR && !proc_killed(c.self)) {
        uregs_rewind_call(regs, c.number);
        return;
    }
    proc_count_call(c.self);
    if (c.replaced)
        return;
    *restart = (struct restart){ 0 };
    if (err)
        uregs_set_error(regs, -err);
    else
        uregs_set_result(regs, c.result);
}
