// Ending others, the groups by which that is done, and the border where every process meets its fate.
#include "process.h"
#include <kern/printk.h>
#include <uapi/errno.h>
#include <uapi/wait.h>

// The mark first, then the interrupt: who clears thread.interrupted and sees no mark will be interrupted again.
void proc_mark_killed(struct proc *p, int reason)
{
    int none = 0;

    atomic_compare_exchange_strong(&p->killed, &none, reason);  // the first reason counts
    thread_interrupt(&p->thread);
}

bool proc_killed(const struct proc *p)
{
    return p->killed != 0;
}

int proc_kill(int pid, int reason)
{
    int err = -ESRCH;

    spin_lock(&family_lock);
    struct proc *p = proc_find(pid);
    if (p && !p->parent)
        err = -EPERM;
    else if (p) {
        proc_mark_killed(p, reason);
        err = 0;
    }
    spin_unlock(&family_lock);
    return err;
}

void proc_kill_group(int pgid, int reason)
{
    struct proc *p;

    spin_lock(&family_lock);
    list_for_each(p, &proc_table, table_link)
        if (p->pgid == pgid && p->parent)
            proc_mark_killed(p, reason);
    spin_unlock(&family_lock);
}

int proc_group(const struct proc *p)
{
    return p->pgid;
}

static bool group_exists(int pgid) REQUIRES(family_lock)
{
    struct proc *p;

    list_for_each(p, &proc_table, table_link)
        if (p->pgid == pgid)
            return true;
    return false;
}

static int set_group(int pid, int pgid) REQUIRES(family_lock)
{
    struct proc *self = proc_self();
    struct proc *p = pid ? proc_find(pid) : self;

    if (!p)
        return -ESRCH;
    if (p != self && p->parent != self)
        return -EPERM;
    if (!pgid)
        pgid = p->pid;
    if (pgid != p->pid && !group_exists(pgid))
        return -EPERM;
    p->pgid = pgid;
    return 0;
}

int proc_set_group(int pid, int pgid)
{
    if (pgid < 0)
        return -EINVAL;
    spin_lock(&family_lock);
    int err = set_group(pid, pgid);
    spin_unlock(&family_lock);
    return err;
}

void upcall_violation(struct uregs *regs, int reason, const char *what, uaddr_t address)
{
    struct proc *self = proc_self();

    printk("pid %d %s: %s at 0x%lx, pc 0x%lx\n", self->pid, proc_name(self), what, (unsigned long)address,
           (unsigned long)uregs_pc(regs));
    // With the first process the machine would end, so that one waits for memory; then its access is tried again.
    if (self->pid == INIT_PID && reason == SIGKILL)
        (void)!thread_sleep_until(time_ns() + NS_PER_SECOND);
    else
        proc_mark_killed(self, reason);
}

void upcall_user_return(struct uregs *regs)
{
    struct proc *self = proc_self();

    (void)regs;
    while (self->thread.interrupted || self->thread.resched) {
        if (self->thread.resched)
            thread_yield();
        self->thread.interrupted = false;
        if (self->killed)
            proc_exit(self->killed);
        freezer_park(self);
    }
}
