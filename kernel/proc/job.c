// Jobs: who has which number where.
//
// A job is a family restored from an image, with pids of its own. Jobs lie in each other, the machine is the outermost
// one, and a process has a number in each job around it. One hash finds a process by job and number.
//
// Groups have a number in each job, too, alike in all their members, so that ^C (which knows the machine's numbers) and
// a shell inside mean the same processes.
#include "process.h"
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define PID_MAX 30000  // then pids start again
#define BUCKETS 256

struct job machine_job = { .refs = 1 };

static struct list buckets[BUCKETS] GUARDED_BY(family_lock);
static _Atomic int last_number;

static struct list *bucket_of(const struct job *job, int pid) REQUIRES(family_lock)
{
    return &buckets[((u32)pid + (u32)job->number * 61) % BUCKETS];
}

int job_create(struct job *parent, struct job **out)
{
    if (parent->level + 1 == JOB_LEVELS)
        return -EAGAIN;
    *out = kzalloc(sizeof(**out));
    if (!*out)
        return -ENOMEM;
    (*out)->refs = 1;
    (*out)->parent = job_get(parent);
    (*out)->level = parent->level + 1;
    (*out)->number = ++last_number;
    return 0;
}

struct job *job_get(struct job *job)
{
    job->refs++;
    return job;
}

void job_put(struct job *job)
{
    while (--job->refs == 0) {
        struct job *parent = job->parent;

        kfree(job);
        job = parent;
    }
}

struct job *job_outer(struct proc *self)
{
    struct job *job = self->job;

    while (job->parent && job->population == 1)
        job = job->parent;
    return job;
}

struct proc *job_find(struct job *job, int pid)
{
    struct list *bucket = bucket_of(job, pid);
    struct number *n;

    list_for_each(n, bucket, link)
        if (n->job == job && n->pid == pid)
            return n->proc;
    return NULL;
}

static const struct number *number_in(const struct job *job, const struct proc *p)
{
    const struct number *n = &p->numbers[job->level];

    return n->job == job ? n : NULL;
}

int job_number(const struct job *job, const struct proc *p)
{
    const struct number *n = number_in(job, p);

    return n ? n->pid : 0;
}

int job_group(const struct job *job, const struct proc *p)
{
    const struct number *n = number_in(job, p);

    return n ? n->pgid : 0;
}

// Outside is whoever the first process was told of, or, for an orphan, init.
int job_parent_number(const struct job *job, const struct proc *p)
{
    if (!p->parent)
        return 0;
    int pid = job_number(job, p->parent);
    if (pid)
        return pid;
    return job_number(job, p) == job->root_pid ? job->root_ppid : INIT_PID;
}

struct proc *job_find_group(struct job *job, int pgid)
{
    struct proc *p;

    list_for_each(p, &proc_table, table_link)
        if (job_number(job, p) && job_group(job, p) == pgid)
            return p;
    return NULL;
}

void job_join_group(const struct job *job, struct proc *p, const struct proc *member)
{
    for (u32 level = 0; level <= job->level; level++)
        p->numbers[level].pgid = p == member ? p->numbers[level].pid : member->numbers[level].pgid;
}

// Also the name of a group that has lost its leader isn't given to a stranger: ^C would hit both.
static bool in_use(struct job *job, int pid) REQUIRES(family_lock)
{
    return pid == job->root_ppid || job_find(job, pid) || job_find_group(job, pid);
}

static int pid_take(struct job *job) REQUIRES(family_lock)
{
    do
        job->last_pid = job->last_pid < PID_MAX ? job->last_pid + 1 : INIT_PID + 1;
    while (in_use(job, job->last_pid));
    return job->last_pid;
}

void job_enter(struct proc *p, u32 level, int pid)
{
    for (struct job *job = p->job; job && job->level >= level; job = job->parent) {
        struct number *n = &p->numbers[job->level];

        n->job = job;
        n->proc = p;
        n->pid = job == p->job && pid ? pid : pid_take(job);
        job->last_pid = MAX(job->last_pid, n->pid);
        if (!n->pgid)
            n->pgid = n->pid;
        job->population++;
        list_append(bucket_of(job, n->pid), &n->link);
    }
}

void job_leave(struct proc *p, u32 level)
{
    for (u32 i = level; i <= p->job->level; i++) {
        p->numbers[i].job->population--;
        p->numbers[i].job = NULL;
        list_remove(&p->numbers[i].link);
    }
}

void job_init(void)
{
    spin_lock(&family_lock);
    for (u32 i = 0; i < BUCKETS; i++)
        list_init(&buckets[i]);
    spin_unlock(&family_lock);
}
