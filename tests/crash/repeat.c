// repeat DIR COMMAND...: runs a command in a directory of its own again and again until there is a file /stop, and
// tells how often. What the command prints is kept in the file `out`, and shown when it fails: that ends the repeating.
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(char **command)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        err(1, "fork");
    if (pid == 0) {
        int out = open("out", O_CREATE | O_TRUNC | O_WRONLY);
        if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
            err(1, "out");
        close(out);
        execvp(command[0], command);
        err(127, "%s", command[0]);
    }
    if (waitpid(pid, &status, 0) != pid)
        err(1, "wait");
    return status;
}

static void show(void)
{
    char buf[512];
    ssize_t n;
    int fd = open("out", O_RDONLY);

    while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
        (void)write(STDOUT_FILENO, buf, (size_t)n);
    close(fd);
}

int main(int argc, char **argv)
{
    struct stat st;
    int rounds = 0;

    if (argc < 3)
        usage("repeat DIR COMMAND...");
    if (mkdir(argv[1]) && errno != EEXIST)
        err(1, "%s", argv[1]);
    if (chdir(argv[1]))
        err(1, "%s", argv[1]);
    for (; stat("/stop", &st) < 0; rounds++) {
        int status = run(argv + 2);
        if (status) {
            printf("repeat: %s: round %d of %s ended with status %#x:\n", argv[1], rounds + 1, argv[2], status);
            show();
            return 1;
        }
    }
    printf("repeat: %s: %d rounds\n", argv[1], rounds);
    return 0;
}
