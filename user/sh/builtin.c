// The commands that the shell carries out itself.
#include "sh.h"

#include <amber.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int builtin_cd(int argc, char **argv)
{
    const char *where = argc > 1 ? argv[1] : "/";

    if (chdir(where) == 0)
        return 0;
    warn("cd: %s", where);
    return 1;
}

static int builtin_exit(int argc, char **argv)
{
    exit(argc > 1 ? atoi(argv[1]) : last_status);
}

static int builtin_exec(int argc, char **argv)
{
    if (argc < 2)
        return 0;
    fflush(NULL);
    execvp(argv[1], argv + 1);
    int status = errno == ENOENT ? 127 : 126;
    warn("%s", argv[1]);
    return status;
}

static int builtin_jobs(int argc, char **argv)
{
    jobs_report(true);
    return 0;
}

// Wait for a job that was in the background, and forget it.
static int finish(struct job *j)
{
    int status = job_wait(j);
    job_forget(j);
    return status;
}

static int builtin_fg(int argc, char **argv)
{
    struct job *j = job_find(argv[0], argc > 1 ? argv[1] : NULL);

    if (!j)
        return 1;
    // First the terminal, then the message: whoever has read it types to the job.
    job_to_foreground(j);
    puts(j->text);
    fflush(stdout);
    job_stopped(j, cont);
    return finish(j);
}

static int builtin_bg(int argc, char **argv)
{
    struct job *j = job_find(argv[0], argc > 1 ? argv[1] : NULL);

    if (!j)
        return 1;
    job_stopped(j, cont);
    printf("%s &\n", j->text);
    return 0;
}

// While a job is waited for, ^C is for it.
static int wait_for(struct job *j)
{
    job_to_foreground(j);
    return finish(j);
}

static int builtin_wait(int argc, char **argv)
{
    int status = 0;

    if (argc > 1) {
        struct job *j = job_find(argv[0], argv[1]);
        return j ? wait_for(j) : 127;
    }
    while (job_first())
        status = wait_for(job_first());
    return status;
}

static int kill_job(const char *name)
{
    struct job *j = job_find("kill", name);
    int status = !j;

    for (int i = 0; j && i < j->count; i++)
        if (j->pids[i] && kill(j->pids[i]))
            status = 1;
    // What they had started and is stopped would never end.
    if (j)
        job_stopped(j, kill);
    return status;
}

static int builtin_kill(int argc, char **argv)
{
    int status = argc < 2 ? 2 : 0;

    if (status)
        warnx("usage: kill PID-OR-%%JOB...");
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '%') {
            status |= kill_job(argv[i]);
        } else if (atoi(argv[i]) <= 0) {
            warnx("kill: %s: not a process number", argv[i]);
            status = 2;
        } else if (kill(atoi(argv[i]))) {
            warn("kill: %s", argv[i]);
            status = 1;
        }
    }
    return status;
}

static int builtin_history(int argc, char **argv)
{
    history_show();
    return 0;
}

builtin_fn *builtin_find(const char *name)
{
    static const struct {
        const char *name;
        builtin_fn *function;
    } table[] = {
        { "cd", builtin_cd },     { "exit", builtin_exit }, { "exec", builtin_exec },
        { "jobs", builtin_jobs }, { "fg", builtin_fg },     { "bg", builtin_bg },
        { "wait", builtin_wait }, { "kill", builtin_kill }, { "history", builtin_history },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].function;
    return NULL;
}
