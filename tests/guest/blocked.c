// blocked sleep|read|pipe-read|pipe-write|wait [TICKS]: blocks in that call, for 300 TICKS if not told, says what came
// of it.
#include <amber.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FLOOD = 100000 };
static int ticks = 300;

static int block_in_sleep(void)
{
    int before = uptime();
    int result = sleep_ticks(ticks);

    printf("slept: %d, %s\n", result, uptime() - before >= ticks ? "long enough" : "too short");
    return 0;
}

static int block_in_read(void)
{
    char line[100];
    ssize_t n = read(0, line, sizeof(line) - 1);

    line[n > 0 ? n : 0] = 0;
    printf("read: %d: %s\n", (int)n, line);
    return 0;
}

// The child writes after a while.
static int block_in_pipe_read(void)
{
    char text[10];
    int fds[2];

    pipe(fds);
    if (fork() == 0) {
        sleep_ticks(ticks);
        write(fds[1], "through", 7);
        _exit(0);
    }
    ssize_t n = read(fds[0], text, sizeof(text));
    printf("pipe read: %d: %.7s\n", (int)n, text);
    return 0;
}

// The child reads after a while; the write is larger than any pipe.
static int block_in_pipe_write(void)
{
    static char flood[FLOOD];
    int fds[2], got = 0, status;
    ssize_t n;

    pipe(fds);
    pid_t child = fork();
    if (child == 0) {
        close(fds[1]);
        sleep_ticks(ticks);
        while ((n = read(fds[0], flood, sizeof(flood))) > 0)
            got += (int)n;
        _exit(got == FLOOD ? 0 : 1);
    }
    n = write(fds[1], flood, sizeof(flood));
    close(fds[1]);
    waitpid(child, &status, 0);
    printf("pipe write: %d, the reader %s\n", (int)n, status == 0 ? "got all" : "missed some");
    return 0;
}

static int block_in_wait(void)
{
    int status;

    if (fork() == 0) {
        sleep_ticks(ticks);
        _exit(5);
    }
    pid_t pid = wait(&status);
    printf("wait: %s, status %d\n", pid > 0 ? "a child" : strerror(errno), WEXITSTATUS(status));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*block)(void);
    } ways[] = {
        { "sleep", block_in_sleep },           { "read", block_in_read }, { "pipe-read", block_in_pipe_read },
        { "pipe-write", block_in_pipe_write }, { "wait", block_in_wait },
    };

    if (argc > 2)
        ticks = atoi(argv[2]);
    for (unsigned i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
        if (strcmp(argv[1], ways[i].name) == 0) {
            printf("blocking\n");
            return ways[i].block();
        }
    fprintf(stderr, "usage: blocked sleep|read|pipe-read|pipe-write|wait [TICKS]\n");
    return 2;
}
