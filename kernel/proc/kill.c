// Ending others, the groups by which that is done, and the border where every process meets its fate.
#include "process.h"
#include <kern/printk.h>
#include <uapi/errno.h>
#include <uapi/wait.h>

static bool set_killed(struct proc *p, int reason)
{
    int none = 0;

    return atomic_compare_exchange_strong(&p->killed, &none, reason);  // the first reason counts
}

// The mark first, then the interrupt: who clears thread.interrupted and sees no mark will be interrupted again.
void proc_mark_killed(struct proc *p, int reason)
{
    (void)set_killed(p, reason);
    thread_interrupt(&p->thread);
    freezer_release(p);
}

bool proc_killed(const struct proc *p)
{
    return p->killed != 0;
}

int proc_kill(int pid, int reason)
{
    int err = -ESRCH;

    spin_lock(&family_lock);
    struct proc *p = job_find(proc_self()->job, pid);
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
        if (job_group(&machine_job, p) == pgid && p->parent)
            proc_mark_killed(p, reason);
    spin_unlock(&family_lock);
}

int proc_group(const struct proc *p)
{
    return p->numbers[0].pgid;
}

int proc_find_group(int pgid, int *group)
{
    struct proc *self = proc_self();
    int err = 0;

    *group = pgid;
    if (self->job == &machine_job || !pgid)
        return 0;
    spin_lock(&family_lock);
    struct proc *member = job_find_group(self->job, pgid);
    if (member)
        *group = proc_group(member);
    else
        err = -ESRCH;
    spin_unlock(&family_lock);
    return err;
}

static int set_group(int pid, int pgid) REQUIRES(family_lock)
{
    struct proc *self = proc_self();
    struct proc *p = pid ? job_find(self->job, pid) : self;

    if (!p)
        return -ESRCH;
    if (p != self && p->parent != self)
        return -EPERM;
    int own = job_number(self->job, p);
    struct proc *member = job_find_group(self->job, pgid ? pgid : own);
    if (!member && pgid && pgid != own)
        return -EPERM;
    job_join_group(self->job, p, member ? member : p);
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

    printk("pid %d %s: %s at 0x%lx, pc 0x%lx\n", proc_machine_pid(self), proc_name(self), what, (unsigned long)address,
           (unsigned long)uregs_pc(regs));
    // With the first process the machine would end, so that one waits for memory; then its access is tried again.
    if (proc_machine_pid(self) == INIT_PID && reason == SIGKILL)
        (void)!thread_sleep_until(time_ns() + NS_PER_SECOND);
    else if (set_killed(self, reason))
        thread_interrupt(&self->thread);
}

void upcall_user_return(struct uregs *regs)
{
    struct proc *self = proc_self();

    (void)regs;
    if (self->stop_event == EVENT_FAULT)
        stop_count_faults(self);
    while (self->thread.interrupted || self->thread.resched || self->stopped) {
        if (self->thread.resched)
            thread_yield();
        self->thread.interrupted = false;
        if (self->killed)
            proc_exit(self->killed);
        freezer_park(self);
    }
}
