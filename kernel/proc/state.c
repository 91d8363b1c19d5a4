// A process as plain state, out of a frozen one.
#include "process.h"
#include <base/string.h>
#include <fs/file.h>
#include <fs/inode.h>
#include <kern/time.h>
#include <proc/freezer.h>

// Times are saved as what is left of them: the clock of the machine that restores is another.
static void restart_export(const struct restart *r, struct restart *out)
{
    u64 now = time_ns();

    *out = (struct restart){ 0 };
    if (!r->call)
        return;
    *out = *r;
    out->deadline = r->deadline > now ? r->deadline - now : 0;
}

// A zombie's numbers are those that its parent will be told.
static void family_export(struct proc *p, struct x_proc *out)
{
    spin_lock(&family_lock);
    const struct job *job = p->zombie ? p->parent->job : p->job;
    out->pid = job_number(job, p);
    out->ppid = job_parent_number(job, p);
    out->pgid = job_group(job, p);
    out->ended = p->zombie;
    out->status = p->zombie ? p->status : 0;
    spin_unlock(&family_lock);
}

void proc_export(struct proc *p, struct x_proc *out)
{
    *out = (struct x_proc){ .uptime = proc_clock(p) };
    family_export(p, out);
    proc_copy_name(p, out->name);
    if (out->ended)
        return;
    out->regs = *proc_regs(p);
    // The calling process is in a call that will end as usual; only a frozen one may have been cut off.
    if (p == proc_self())
        fpu_sync(&p->fpu);
    else
        restart_export(&p->restart, &out->restart);
    fpu_export(&p->fpu, out->fpu);
}

void proc_files(struct proc *p, struct file **files)
{
    fds_get(p, files);
}
