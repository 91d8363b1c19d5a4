// fail: run a command while the n-th use of a resource fails. With "+", as in 3+, all from the third on fail, until the
// command has ended.
#include <amber.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int kind_of(const char *name)
{
    static const char *const names[] = {
        [FAIL_FRAME] = "frame", [FAIL_KMALLOC] = "kmalloc", [FAIL_READ] = "read",
        [FAIL_WRITE] = "write", [FAIL_FLUSH] = "flush",
    };

    for (int kind = FAIL_FRAME; kind <= FAIL_FLUSH; kind++)
        if (strcmp(name, names[kind]) == 0)
            return kind;
    errx(2, "%s: neither frame nor kmalloc nor read nor write nor flush", name);
}

static int number_of(const char *text)
{
    int n = atoi(text);

    if (n <= 0)
        errx(2, "%s: not a number of uses", text);
    return text[strlen(text) - 1] == '+' ? -n : n;
}

int main(int argc, char **argv)
{
    int status;

    if (argc < 4)
        usage("fail frame|kmalloc|read|write|flush N[+] COMMAND [ARGUMENT...]");
    int kind = kind_of(argv[1]), n = number_of(argv[2]);
    pid_t pid = fork();
    if (pid < 0)
        err(126, "fork");
    if (pid == 0) {
        (void)fail_at(kind, n);
        execvp(argv[3], argv + 3);
        err(127, "%s", argv[3]);
    }
    pid_t ended = waitpid(pid, &status, 0);
    int failed = fail_at(kind, 0);
    if (ended < 0)
        err(126, "wait");
    fprintf(stderr, "fail: %d %s\n", failed, argv[1]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
