// What the system's basic operations cost, measured from inside. One line each: name, value, unit. Best of five rounds.
#include <amber.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 5
#define MIB    (1024 * 1024)

static char buf[65536];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void calls(int n)
{
    while (n--)
        getpid();
}

static void copies(int n)
{
    static char other[sizeof(buf) + 64];

    while (n--)
        memcpy(other + 64, buf, sizeof(buf));
}

static void forks(int n)
{
    while (n--) {
        pid_t pid = fork();
        if (pid < 0)
            fail("fork");
        if (pid == 0)
            _exit(0);
        wait(NULL);
    }
}

static void fork_execs(int n)
{
    while (n--) {
        pid_t pid = fork();
        if (pid < 0)
            fail("fork");
        if (pid == 0) {
            execv("/true", (char *[]){ "true", NULL });
            _exit(1);
        }
        wait(NULL);
    }
}

static void pipe_bytes(int n)
{
    int fds[2];

    if (pipe(fds) < 0)
        fail("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        while (n--)
            if (write(fds[1], buf, sizeof(buf)) != sizeof(buf))
                fail("write");
        _exit(0);
    }
    close(fds[1]);
    while (read(fds[0], buf, sizeof(buf)) > 0)
        ;
    close(fds[0]);
    wait(NULL);
}

static void ping_pongs(int n)
{
    int to[2], from[2];
    char byte = 0;

    if (pipe(to) < 0 || pipe(from) < 0)
        fail("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(to[1]);
        while (read(to[0], &byte, 1) == 1)
            write(from[1], &byte, 1);
        _exit(0);
    }
    while (n--) {
        write(to[1], &byte, 1);
        read(from[0], &byte, 1);
    }
    close(to[1]);
    close(to[0]);
    close(from[0]);
    close(from[1]);
    wait(NULL);
}

static void file_writes(int n)
{
    int fd = open("bench.tmp", O_CREATE | O_WRONLY | O_TRUNC);

    if (fd < 0)
        fail("bench.tmp");
    while (n--)
        if (write(fd, buf, sizeof(buf)) != sizeof(buf))
            fail("write");
    if (fsync(fd) < 0)
        fail("fsync");
    close(fd);
}

static void file_reads(int n)
{
    int fd = open("bench.tmp", O_RDONLY);

    if (fd < 0)
        fail("bench.tmp");
    while (n--)
        if (read(fd, buf, sizeof(buf)) != sizeof(buf))
            fail("read");
    close(fd);
}

static void file_creates(int n)
{
    char name[16];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "bench%d", i);
        int fd = open(name, O_CREATE | O_WRONLY);
        if (fd < 0)
            fail(name);
        close(fd);
    }
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "bench%d", i);
        unlink(name);
    }
}

static void page_faults(int n)
{
    char *memory = sbrk(n * 4096);

    if (memory == (void *)-1)
        fail("sbrk");
    for (int i = 0; i < n; i++)
        memory[i * 4096] = 1;
    sbrk(-n * 4096);
}

static double best_ns(void (*work)(int), int n)
{
    double best = 0;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t begin = clock_ns();
        work(n);
        double ns = (double)(clock_ns() - begin);
        if (i == 0 || ns < best)
            best = ns;
    }
    return best;
}

static void show_each(const char *name, void (*work)(int), int n)
{
    printf("%s %.3f us\n", name, best_ns(work, n) / n / 1000);
}

static void show_rate(const char *name, void (*work)(int), int n)
{
    printf("%s %.1f MB/s\n", name, (double)n * sizeof(buf) * 1000 / best_ns(work, n));
}

int main(void)
{
    memset(buf, 'b', sizeof(buf));
    show_each("syscall", calls, 20000);
    show_rate("memcpy", copies, 500);
    show_each("page_fault", page_faults, 2000);
    show_each("fork_wait", forks, 50);
    show_each("fork_exec_wait", fork_execs, 20);
    show_each("pipe_round_trip", ping_pongs, 500);
    show_rate("pipe", pipe_bytes, 200);
    show_rate("file_write_fsync", file_writes, 16 * MIB / (int)sizeof(buf));
    show_rate("file_read", file_reads, 16 * MIB / (int)sizeof(buf));
    show_each("create_unlink", file_creates, 100);
    unlink("bench.tmp");
    return 0;
}
