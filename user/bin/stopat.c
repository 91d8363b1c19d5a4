// stopat: run a program, and stop it where it is to be looked at: at its n-th system call, page fault or tick. Says so,
// and waits for its end: cont(1) lets it run on.
#include <amber.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_BEFORE 4  // of the child's own: read, close, close, execv
#define LIST_MAX     512

static int event_of(const char *name)
{
    static const char *const names[] = { [EVENT_CALL] = "call", [EVENT_FAULT] = "fault", [EVENT_TICK] = "tick" };

    for (int event = EVENT_CALL; event <= EVENT_TICK; event++)
        if (strcmp(name, names[event]) == 0)
            return event;
    errx(2, "%s: neither call nor fault nor tick", name);
}

static bool is_program(const char *path)
{
    char start[4];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, start, sizeof(start));

    if (fd < 0)
        return false;
    close(fd);
    if (n == sizeof(start) && memcmp(start, "\177ELF", sizeof(start)) == 0)
        return true;
    errno = n < 0 ? errno : ENOEXEC;
    return false;
}

// Where execvp() would find it. The child must neither search, which are calls, nor fail, where it would be stopped.
static const char *find_program(const char *name)
{
    static char path[PATH_LEN];

    if (is_program(name))
        return name;
    if (!strchr(name, '/') && (errno == ENOENT || errno == EISDIR)) {
        snprintf(path, sizeof(path), "/%s", name);
        if (is_program(path))
            return path;
    }
    err(errno == ENOENT ? 127 : 126, "%s", name);
}

// The child begins when the parent has said when it is to stop.
static void run_program(const char *path, char **argv, const int ready[2])
{
    char byte;

    (void)read(ready[0], &byte, 1);
    close(ready[0]);
    close(ready[1]);
    execv(path, argv);
    err(127, "%s", argv[0]);
}

static bool is_stopped(pid_t pid)
{
    static struct proc_info list[LIST_MAX];
    int n = proc_list(list, LIST_MAX);

    for (int i = 0; i < n && i < LIST_MAX; i++)
        if (list[i].pid == pid)
            return list[i].state == PS_STOPPED;
    return false;
}

// Say it once, when it is stopped; return its status when it has ended.
static int watch(pid_t pid)
{
    bool said = false;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (!said && is_stopped(pid)) {
            fprintf(stderr, "stopat: %d is stopped\n", pid);
            said = true;
        }
        sleep_ticks(1);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    int ready[2];

    if (argc < 4)
        usage("stopat call|fault|tick N PROGRAM [ARGUMENT...]");
    int event = event_of(argv[1]);
    int n = atoi(argv[2]);
    if (n <= 0)
        errx(2, "%s: not a number of events", argv[2]);
    const char *path = find_program(argv[3]);
    if (pipe(ready))
        err(1, "pipe");
    pid_t pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0)
        run_program(path, argv + 3, ready);
    if (stop_at(pid, event, event == EVENT_CALL ? n + CALLS_BEFORE : n))
        err(1, "stop_at");
    if (write(ready[1], "", 1) != 1)
        err(1, "pipe");
    close(ready[0]);
    close(ready[1]);
    return watch(pid);
}
