// cycle HOW KIND...: takes tests of kinds.c through checkpoints and restores, and says of each "ok KIND" or "FAILED
// KIND" with the reason. HOW is
//
//     plain      no checkpoint: proves the test itself
//     N          N times: checkpoint (with descendants, ended by it) and restore, each into the same file
//     live N     N checkpoints while it runs on, each into the same file; then it is ended and restored
//     save       checkpoint, and leave it so
//     resume     what was saved: restore
//
// "all" in the place of kinds: all (kind.h).
#include "kind.h"
#include <uapi/checkpoint.h>

static const char *me;

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
    for (int end = uptime() + KIND_PATIENCE; uptime() < end; sleep_ticks(1)) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return -1;
        if (!is_me(pid))
            return 0;
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
    *pid = kind_restore(0, 0);
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

static const char *how;
static int times, live;

static int run(void)
{
    pid_t pid;

    if (strcmp(how, "resume") == 0)
        return kind_finish(kind_restore(0, 0));
    pid = kind_start();
    if (wait_for_ready(pid))
        return failed("it doesn't get ready");
    if (strcmp(how, "save") == 0) {
        if (save(pid, CKPT_SAVE_TREE | CKPT_SAVE_KILL))
            return failed("checkpoint");
        waitpid(pid, NULL, 0);
        return 0;
    }
    if (live && cycle_live(&pid, times))
        return 1;
    for (int k = 0; !live && k < times; k++)
        if (cycle(&pid))
            return 1;
    return kind_finish(pid);
}

int main(int argc, char **argv)
{
    live = argc > 2 && strcmp(argv[1], "live") == 0;
    how = argc > 1 + live ? argv[1 + live] : "";
    times = atoi(how);

    int first = 2 + live;
    if (argc <= first)
        errx(2, "usage: cycle plain|N|live N|save|resume KIND...");
    me = program_name;
    return for_each_kind(argv + first, argc - first, run) != 0;
}
