// Processes as others see them: for ps, and for the person at the console.
#include "process.h"
#include <base/string.h>
#include <dev/console.h>
#include <kern/printk.h>
#include <uapi/wait.h>

static int state_of(struct proc *p, enum thread_state thread) REQUIRES(family_lock)
{
    if (p->zombie)
        return PS_ZOMBIE;
    if (p->parked)
        return p->freeze ? PS_FROZEN : PS_STOPPED;
    switch (thread) {
    case THREAD_NEW:
    case THREAD_READY:
        return PS_READY;
    case THREAD_SLEEPING:
        return PS_SLEEPING;
    case THREAD_RUNNING:
    case THREAD_DEAD:
        break;
    }
    return PS_RUNNING;
}

static void describe_space(struct proc *p, struct proc_info *out)
{
    spin_lock(&p->lock);
    if (p->space)
        vmspace_figures(p->space, &out->regions, &out->size, &out->resident);
    spin_unlock(&p->lock);
}

// As it is seen from that job.
static void describe(struct proc *p, const struct job *job, struct proc_info *out) REQUIRES(family_lock)
{
    enum thread_state state;
    const char *waits_for;
    int cpu;

    *out = (struct proc_info){
        .pid = job_number(job, p), .ppid = job_parent_number(job, p), .pgid = job_group(job, p), .job = p->job->number
    };
    proc_copy_name(p, out->name);
    describe_space(p, out);
    thread_observe(&p->thread, &state, &cpu, &out->cpu_ns, &waits_for);
    out->cpu = cpu;
    out->state = state_of(p, state);
    if (waits_for)
        text_copy(out->waits_for, waits_for, sizeof(out->waits_for));
}

u32 proc_list(struct proc_info *out, u32 n)
{
    const struct job *job = proc_self()->job;
    struct proc *p;
    u32 count = 0;

    spin_lock(&family_lock);
    list_for_each(p, &proc_table, table_link) {
        if (!job_number(job, p))
            continue;
        if (count < n)
            describe(p, job, &out[count]);
        count++;
    }
    spin_unlock(&family_lock);
    return count;
}

static void console_interrupt(int pgid)
{
    proc_kill_group(pgid, SIGINT);
}

static void console_list(void)
{
    static const char *const states[] = { [PS_RUNNING] = "running", [PS_READY] = "ready",   [PS_SLEEPING] = "sleeping",
                                          [PS_ZOMBIE] = "zombie",   [PS_FROZEN] = "frozen", [PS_STOPPED] = "stopped" };
    struct proc *p;

    printk("\n");
    spin_lock(&family_lock);
    list_for_each(p, &proc_table, table_link) {
        struct proc_info info;

        describe(p, &machine_job, &info);
        printk("%d %s %s %s\n", info.pid, states[info.state], info.name, info.waits_for);
    }
    spin_unlock(&family_lock);
}

static int console_reader_group(void)
{
    return proc_group(proc_self());
}

void proc_console_init(void)
{
    static const struct console_ops ops = {
        .interrupt = console_interrupt,
        .list = console_list,
        .reader_group = console_reader_group,
    };

    console_set_ops(&ops);
}
