// ps: the processes.
#include <amber.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

static int by_pid(const void *a, const void *b)
{
    const struct proc_info *p = a, *q = b;

    return (p->pid > q->pid) - (p->pid < q->pid);
}

static const char *state_text(const struct proc_info *p)
{
    static const char *const text[] = { [PS_RUNNING] = "running", [PS_READY] = "ready",   [PS_SLEEPING] = "sleeping",
                                        [PS_ZOMBIE] = "zombie",   [PS_FROZEN] = "frozen", [PS_STOPPED] = "stopped" };

    return p->state >= PS_RUNNING && p->state <= PS_STOPPED ? text[p->state] : "?";
}

int main(void)
{
    int n;
    struct proc_info *list = proc_list_all(&n);

    if (!list)
        err(1, "processes");
    qsort(list, (size_t)n, sizeof(*list), by_pid);
    printf("  PID  PPID  PGID  JOB CPU     SIZE RESIDENT     TIME STATE    WAITS    NAME\n");
    for (int i = 0; i < n; i++) {
        const struct proc_info *p = &list[i];
        printf("%5d %5d %5d %4d %3d %7lluK %7lluK %8.2f %-8s %-8s %s\n", p->pid, p->ppid, p->pgid, p->job, p->cpu,
               p->size / 1024, p->resident / 1024, (double)p->cpu_ns / 1e9, state_text(p), p->waits_for, p->name);
    }
    return 0;
}
