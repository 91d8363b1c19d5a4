// cycle HOW KIND...: takes tests of kinds.c through checkpoints and restores, and says of each "ok KIND" or "FAILED
// KIND" with the reason. HOW is
//
//     plain      no checkpoint: proves the test itself
//     N          N times: checkpoint (with descendants, ended by it) and restore, each into the same file
//     live N     N checkpoints while it runs on, each into the same file; then it is ended and restored
//     save       checkpoint, and leave it so
//     resume     what was saved: restore
//
// "all" in the place of kinds: all. Each kind works in a folder of its own, /t/KIND: image "img", standard output
// "out".
#include <amber.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <uapi/checkpoint.h>
#include <unistd.h>

enum { PATIENCE = 6000 };  // ticks
enum { KINDS_MAX = 100 };

static const char *kind, *me;
static char folder[64], image[64], output[64], go[64];

static int failed(const char *what)
{
    char text[300];
    ssize_t n = 0;
    int fd;

    printf("FAILED %s: %s (%s)\n", kind, what, strerror(errno));
    fd = open(output, O_RDONLY);
    if (fd >= 0) {
        while ((n = read(fd, text, sizeof(text))) > 0)
            fwrite(text, 1, (size_t)n, stdout);
        close(fd);
    }
    // Whoever waits may go, and end.
    close(open(go, O_CREATE | O_WRONLY));
    return 1;
}

static int set_kind(const char *name)
{
    kind = name;
    snprintf(folder, sizeof(folder), "/t/%s", name);
    snprintf(image, sizeof(image), "/t/%s/img", name);
    snprintf(output, sizeof(output), "/t/%s/out", name);
    snprintf(go, sizeof(go), "/t/%s/go", name);
    return 0;
}

static pid_t start(void)
{
    char *const vector[] = { "kinds", (char *)kind, go, NULL };

    mkdir("/t");
    mkdir(folder);
    unlink(go);
    unlink(image);
    fflush(stdout);
    pid_t pid = fork();
    if (pid)
        return pid;
    int fd = open(output, O_CREATE | O_TRUNC | O_WRONLY);
    if (fd < 0 || chdir(folder))
        err(1, "%s", output);
    dup2(fd, 1);
    dup2(fd, 2);
    close(fd);
    execv("/kinds", vector);
    err(1, "/kinds");
}

static pid_t restore(void)
{
    struct ckpt_restore_args args = { .path = (uintptr_t)image };

    fflush(stdout);
    pid_t pid = fork();
    if (pid)
        return pid;
    ckpt_restore(&args);
    err(99, "restore");
}

// Does the process still run this program? If so, it hasn't become the test yet.
static int is_me(pid_t pid)
{
    static struct proc_info list[256];
    int n = proc_list(list, 256);

    for (int k = 0; k < n && k < 256; k++)
        if (list[k].pid == pid)
            return strcmp(list[k].name, me) == 0;
    return 0;
}

// Wait until it runs the test: 0. -1: it has ended, as *status says, or takes too long.
static int wait_for_start(pid_t pid, int *status)
{
    for (int end = uptime() + PATIENCE; uptime() < end; sleep_ticks(1)) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return -1;
        if (!is_me(pid))
            return 0;
    }
    return -1;
}

static int output_begins(const char *text)
{
    char line[32] = "";
    int fd = open(output, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : 0;

    if (fd >= 0)
        close(fd);
    return n > 0 && strncmp(line, text, strlen(text)) == 0;
}

static int wait_for_ready(pid_t pid)
{
    int status;

    for (int end = uptime() + PATIENCE; uptime() < end; sleep_ticks(1)) {
        if (output_begins("ready\n"))
            return 0;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return -1;
    }
    return -1;
}

static int save(pid_t pid, uint32_t flags)
{
    struct ckpt_save_args args = { .path = (uintptr_t)image, .pid = pid, .flags = flags, .history = 3 };
    struct ckpt_figures figures;

    return ckpt_save(&args, &figures);
}

// Checkpoint it so that it ends, and restore it: *pid becomes the new one.
static int cycle(pid_t *pid)
{
    int status;

    if (save(*pid, CKPT_SAVE_TREE | CKPT_SAVE_KILL))
        return failed("checkpoint");
    if (waitpid(*pid, &status, 0) != *pid || !WIFSIGNALED(status))
        return failed("it was not ended by the checkpoint");
    *pid = restore();
    if (wait_for_start(*pid, &status))
        return failed("restore");
    return 0;
}

// Checkpoint it while it runs, and restore the last one.
static int cycle_live(pid_t *pid, int times)
{
    while (times-- > 1)
        if (save(*pid, CKPT_SAVE_TREE))
            return failed("checkpoint of a running one");
    return cycle(pid);
}

// Say go, and look how it ends.
static int finish(pid_t pid)
{
    int status = 0, end = uptime() + PATIENCE;

    close(open(go, O_CREATE | O_WRONLY));
    while (waitpid(pid, &status, WNOHANG) != pid) {
        if (uptime() > end)
            return failed("it doesn't end");
        sleep_ticks(1);
    }
    if (status)
        return failed(WIFSIGNALED(status) ? "it was killed" : "it ended with an error");
    if (!output_begins("ready\npass\n"))
        return failed("it didn't pass");
    unlink(image);
    unlink(output);
    unlink(go);
    printf("ok %s\n", kind);
    return 0;
}

static int run(const char *how, int times, int live)
{
    pid_t pid;

    if (strcmp(how, "resume") == 0) {
        pid = restore();
        return finish(pid);
    }
    pid = start();
    if (wait_for_ready(pid))
        return failed("it doesn't get ready");
    if (strcmp(how, "save") == 0) {
        if (save(pid, CKPT_SAVE_TREE | CKPT_SAVE_KILL))
            return failed("checkpoint");
        waitpid(pid, NULL, 0);
        printf("ok %s\n", kind);
        return 0;
    }
    if (live && cycle_live(&pid, times))
        return 1;
    for (int k = 0; !live && k < times; k++)
        if (cycle(&pid))
            return 1;
    return finish(pid);
}

// The names of all kinds, as kinds --list says.
static int list_kinds(char names[KINDS_MAX][32])
{
    char *const vector[] = { "kinds", "--list", NULL };
    char *line = NULL;
    size_t size = 0;
    int fds[2], n = 0;

    if (pipe(fds))
        err(1, "pipe");
    if (fork() == 0) {
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        execv("/kinds", vector);
        err(1, "/kinds");
    }
    close(fds[1]);
    FILE *f = fdopen(fds[0], "r");
    for (; n < KINDS_MAX && getline(&line, &size, f) > 0; n++) {
        line[strcspn(line, "\n")] = 0;
        snprintf(names[n], 32, "%s", line);
    }
    fclose(f);
    wait(NULL);
    return n;
}

int main(int argc, char **argv)
{
    static char names[KINDS_MAX][32];
    int failures = 0, live = argc > 2 && strcmp(argv[1], "live") == 0;
    const char *how = argc > 1 + live ? argv[1 + live] : "";
    int first = 2 + live, times = atoi(how);

    if (argc <= first)
        errx(2, "usage: cycle plain|N|live N|save|resume KIND...");
    me = program_name;
    if (strcmp(argv[first], "all") == 0) {
        int n = list_kinds(names);
        for (int k = 0; k < n; k++)
            failures += set_kind(names[k]) || run(how, times, live);
        return failures != 0;
    }
    for (int k = first; k < argc; k++)
        failures += set_kind(argv[k]) || run(how, times, live);
    return failures != 0;
}
