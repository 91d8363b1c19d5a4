// time: run a command and say how long it took.
#include <amber.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int status;

    if (argc < 2)
        usage("time COMMAND [ARGUMENT...]");
    uint64_t begin = clock_ns();
    pid_t pid = fork();
    if (pid < 0)
        err(126, "fork");
    if (pid == 0) {
        execvp(argv[1], argv + 1);
        err(errno == ENOENT ? 127 : 126, "%s", argv[1]);
    }
    if (waitpid(pid, &status, 0) < 0)
        err(126, "wait");
    fprintf(stderr, "%.3f s\n", (double)(clock_ns() - begin) / 1e9);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
