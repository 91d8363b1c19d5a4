// ckpt gdb: gdb with a process of an image, as with a core file.
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <lib/tool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// args: the program, and gdb's own arguments.
static int gdb_run(const char *core, char **args, int count)
{
    char **argv = tool_alloc((size_t)count + 4, sizeof *argv);
    int n = 0, status = 0;

    argv[n++] = "gdb";
    argv[n++] = "-q";
    for (int i = 1; i < count; i++)
        argv[n++] = args[i];
    argv[n++] = args[0];
    argv[n++] = (char *)core;
    signal(SIGINT, SIG_IGN);  // ^C is for gdb
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGINT, SIG_DFL);
        execvp("gdb", argv);
        tool_error("gdb: %s", strerror(errno));
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    free(argv);
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? EXIT_GOOD : EXIT_TROUBLE;
}

static int gdb(const struct options *o, struct epoch *e)
{
    const char *folder = getenv("TMPDIR");
    char path[256];
    const struct epoch_process *p = epoch_find(e, o->pid);
    int status = EXIT_TROUBLE;

    if (!p) {
        tool_error("%s: there is no process %d; ckpt ps tells which there are", e->input->path, o->pid);
        return EXIT_TROUBLE;
    }
    snprintf(path, sizeof path, "%s/ckpt-core-%d", folder ? folder : "/tmp", (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        tool_error("%s: %s", path, strerror(errno));
        return EXIT_TROUBLE;
    }
    bool ok = core_write(e, p, fd, path, &status);
    close(fd);
    if (ok)
        status = gdb_run(path, o->args + 1, o->count - 1);
    unlink(path);
    return status;
}

int cmd_gdb(const struct options *o)
{
    struct input in;
    struct epoch e;
    int status = EXIT_TROUBLE;

    if (!input_open(&in, o->args[0], o->rescue))
        return EXIT_TROUBLE;
    if (o->epoch)
        in.epoch = o->epoch;
    if (epoch_open(&e, &in, true, &status)) {
        status = gdb(o, &e);
        epoch_release(&e);
    }
    input_close(&in);
    return status;
}
