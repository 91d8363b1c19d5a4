// Jobs: starting processes, waiting for them, and the table of those in the background.
#include "sh.h"

#include <amber.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct job *jobs;  // the oldest first

static void process_begins(struct job *j, bool foreground)
{
    if (interactive) {
        setpgid(0, j->pgid);
        if (foreground && j->pgid == 0) {
            // By the child, so that there is no moment at which ^C would meet the shell.
            tcsetpgrp(STDIN_FILENO, getpid());
            tcsetmode(STDIN_FILENO, TTY_COOKED);
        }
    }
    interactive = false;
    jobs_forget();
}

pid_t job_fork(struct job *j, bool foreground)
{
    if (j->count == JOB_PROCESSES) {
        warnx("pipeline too long");
        return -1;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        warn("fork");
    if (pid == 0)
        process_begins(j, foreground);
    if (pid <= 0)
        return pid;
    if (interactive) {
        if (j->pgid == 0)
            j->pgid = pid;
        // Child and parent both do it: whoever is first.
        setpgid(pid, j->pgid);
    }
    j->pids[j->count++] = pid;
    j->left++;
    return pid;
}

int job_status(const struct job *j)
{
    return WIFEXITED(j->status) ? WEXITSTATUS(j->status) : 128 + WTERMSIG(j->status);
}

// Wait for the processes not yet waited for; false when some are still running.
static bool job_collect(struct job *j, int options)
{
    int status = 0;

    for (int i = 0; i < j->count && j->left; i++) {
        if (j->pids[i] == 0)
            continue;
        pid_t pid = waitpid(j->pids[i], &status, options);
        if (pid == 0)
            continue;
        if (i == j->count - 1)
            j->status = pid < 0 ? WEXITED(127) : status;
        j->pids[i] = 0;
        j->left--;
    }
    return j->left == 0;
}

int job_wait(struct job *j)
{
    job_collect(j, 0);
    // What ^C ends, the terminal has told of.
    if (!WIFEXITED(j->status) && WTERMSIG(j->status) != SIGINT)
        fprintf(stderr, "%s\n", strsignal(WTERMSIG(j->status)));
    return job_status(j);
}

void job_to_foreground(const struct job *j)
{
    if (!j->pgid)
        return;
    tcsetpgrp(STDIN_FILENO, j->pgid);
    tcsetmode(STDIN_FILENO, TTY_COOKED);
}

void job_to_background(const struct job *j, const char *text, int length)
{
    struct job **link = &jobs, *copy = malloc(sizeof(*copy));
    int number = 1;

    if (!copy)
        err(2, "memory");
    *copy = *j;
    copy->text = strndup(text, (size_t)length);
    if (!copy->text)
        err(2, "memory");
    for (; *link; link = &(*link)->next)
        number = (*link)->number + 1;
    copy->number = number;
    copy->next = NULL;
    *link = copy;
    last_background = j->pids[j->count - 1];
    if (interactive)
        fprintf(stderr, "[%d] %d\n", number, last_background);
}

void job_forget(struct job *j)
{
    struct job **link = &jobs;

    while (*link != j)
        link = &(*link)->next;
    *link = j->next;
    free(j->text);
    free(j);
}

void jobs_forget(void)
{
    while (jobs)
        job_forget(jobs);
}

struct job *job_first(void)
{
    return jobs;
}

struct job *job_find(const char *who, const char *name)
{
    struct job *found = NULL;
    int number = name ? atoi(name + (*name == '%')) : 0;

    for (struct job *j = jobs; j; j = j->next)
        if (!name || j->number == number)
            found = j;
    if (!found && name)
        warnx("%s: %s: no such job", who, name);
    else if (!found)
        warnx("%s: no job", who);
    return found;
}

// Also what the job's processes have started, where they are a group.
static bool belongs(const struct job *j, const struct proc_info *p)
{
    if (j->pgid)
        return p->pgid == j->pgid;
    for (int i = 0; i < j->count; i++)
        if (j->pids[i] == p->pid)
            return true;
    return false;
}

int job_stopped(const struct job *j, int (*act)(pid_t pid))
{
    int count, stopped = 0;
    struct proc_info *list = proc_list_all(&count);

    if (!list)
        err(2, "memory");
    for (int i = 0; i < count; i++) {
        if (list[i].state != PS_STOPPED || !belongs(j, &list[i]))
            continue;
        stopped++;
        if (act)
            act(list[i].pid);
    }
    free(list);
    return stopped;
}

static void job_tell(const struct job *j)
{
    if (j->left)
        printf("[%d] %s: %s\n", j->number, job_stopped(j, NULL) ? "stopped" : "running", j->text);
    else if (!WIFEXITED(j->status))
        printf("[%d] %s: %s\n", j->number, strsignal(WTERMSIG(j->status)), j->text);
    else if (WEXITSTATUS(j->status))
        printf("[%d] exit %d: %s\n", j->number, WEXITSTATUS(j->status), j->text);
    else
        printf("[%d] done: %s\n", j->number, j->text);
}

void jobs_report(bool all)
{
    struct job *after;

    for (struct job *j = jobs; j; j = after) {
        after = j->next;
        bool ended = job_collect(j, WNOHANG);
        if (all || (ended && interactive))
            job_tell(j);
        if (ended && interactive)
            job_forget(j);
    }
    fflush(stdout);
}
