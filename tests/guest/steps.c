// steps NAME [TIMES]: a small program that does the same in each run: computes, or uses files, pipes, children, sleeps
// or the console, and tells of each step on standard output.
//
// What they print must not depend on time, pids or who runs first: cutter.c compares.
#include <amber.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// A line, at once.
#define say(...) dprintf(1, __VA_ARGS__)

static char buffer[100000];

static uint32_t checksum(const char *bytes, size_t n)
{
    uint32_t sum = 2166136261u;

    for (size_t k = 0; k < n; k++)
        sum = (sum ^ (unsigned char)bytes[k]) * 16777619u;
    return sum;
}

static void fill(size_t n, unsigned seed)
{
    for (size_t k = 0; k < n; k++)
        buffer[k] = (char)(seed = seed * 1103515245 + 12345);
}

static int exit_status(pid_t pid)
{
    int status = -1;

    if (waitpid(pid, &status, 0) != pid)
        say("child lost: %s\n", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// ---- computing

static void sieve(void)
{
    int count = 0;

    for (int round = 0; round < 10; round++) {
        memset(buffer, 0, sizeof(buffer));
        count = 0;
        for (int n = 2; n < (int)sizeof(buffer); n++) {
            if (buffer[n])
                continue;
            count++;
            for (int k = n * 2; k < (int)sizeof(buffer); k += n)
                buffer[k] = 1;
            if (count % 4000 == 0)
                say("round %d: prime %d is %d\n", round, count, n);
        }
    }
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void words(void)
{
    char *list[300];

    for (int k = 0; k < 300; k++) {
        list[k] = malloc(20);
        snprintf(list[k], 20, "word-%u", (unsigned)(k * 7919 % 1000));
    }
    qsort(list, 300, sizeof(*list), compare_words);
    say("first %s, last %s\n", list[0], list[299]);
    for (int k = 0; k < 300; k += 2)
        free(list[k]);
    char *large = malloc(50000);
    memset(large, 'x', 50000);
    say("sum %u\n", checksum(large, 50000));
    free(large);
    say("middle %s\n", list[151]);
}

static void matrix(void)
{
    enum { N = 24 };
    static double a[N][N], b[N][N], c[N][N];

    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = 1.0 / (i + j + 1);
            b[i][j] = i - j + 0.5;
        }
    for (int round = 0; round < 25; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                c[i][j] = 0;
                for (int k = 0; k < N; k++)
                    c[i][j] += a[i][k] * b[k][j];
            }
        if (round % 5 == 0)
            say("round %d: %.15g\n", round, c[3][7]);
        memcpy(b, c, sizeof(b));
    }
}

static void series(void)
{
    double pi = 0, sign = 4, root = 2;

    for (int k = 0; k < 200000; k++) {
        pi += sign / (2 * k + 1);
        sign = -sign;
        if (k % 40000 == 39999)
            say("%d terms: %.12f\n", k + 1, pi);
    }
    for (int k = 0; k < 8; k++) {
        root = (root + 2 / root) / 2;
        say("root %.16g\n", root);
    }
}

static unsigned ackermann(unsigned m, unsigned n)
{
    return !m ? n + 1 : !n ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

static void recursion(void)
{
    for (unsigned n = 1; n < 8; n++)
        say("a(2, %u) = %u, a(3, %u) = %u\n", n, ackermann(2, n), n, ackermann(3, n));
}

static void life(void)
{
    enum { W = 32, H = 20 };
    static char world[H][W], next[H][W];

    memcpy(&world[5][5], "\1\1\0\1\1\1\0\1\1", 9);
    memcpy(&world[6][5], "\0\1\1\1\0\0\1\1\0", 9);
    for (int g = 0; g < 300; g++) {
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                int n = 0;
                for (int d = 0; d < 9; d++)
                    n += d != 4 && world[(y + d / 3 + H - 1) % H][(x + d % 3 + W - 1) % W];
                next[y][x] = n == 3 || (n == 2 && world[y][x]);
            }
        memcpy(world, next, sizeof(world));
        if (g % 30 == 0)
            say("generation %d: %u\n", g, checksum(&world[0][0], sizeof(world)));
    }
}

// ---- memory

static void heap(void)
{
    char *base = sbrk(0);

    for (int k = 1; k <= 8; k++) {
        char *at = sbrk(5000 * k);
        memset(at, k, (size_t)(5000 * k));
        say("grown by %d at +%d\n", 5000 * k, (int)(at - base));
    }
    say("sum %u\n", checksum(base, 180000));
    sbrk(-100000);
    char *at = sbrk(100000);
    unsigned zeros = 0;
    for (int k = 4096; k < 100000; k++)
        zeros += at[k] == 0;
    say("zeros %u, at +%d\n", zeros, (int)(at - base));
}

static void copies(void)
{
    fill(40000, 1);
    for (int k = 0; k < 3; k++) {
        pid_t pid = fork();
        if (pid == 0) {
            fill(20000, (unsigned)k + 10);
            _exit((int)(checksum(buffer, 40000) % 100));
        }
        fill(10000, (unsigned)k + 20);
        say("child %d: %d, parent: %u\n", k, exit_status(pid), checksum(buffer, 40000));
    }
}

// ---- files

static void files(void)
{
    struct stat st;

    for (int k = 0; k < 3; k++) {
        char name[8] = { 'f', (char)('0' + k) };
        int fd = open(name, O_CREATE | O_TRUNC | O_RDWR);
        fill(9000, (unsigned)k);
        say("write %d\n", (int)write(fd, buffer, 9000));
        lseek(fd, 4000 + k, SEEK_SET);
        say("read %d\n", (int)read(fd, buffer, 3000));
        fstat(fd, &st);
        say("size %u, links %d, sum %u\n", st.size, st.nlink, checksum(buffer, 3000));
        close(fd);
    }
    say("rename %d\n", rename("f0", "f2"));
    say("unlink %d %d %d\n", unlink("f0"), unlink("f1"), unlink("f2"));
}

static void append(void)
{
    int log = open("log", O_CREATE | O_TRUNC | O_WRONLY | O_APPEND);

    for (int k = 0; k < 10; k++) {
        dprintf(log, "entry %d\n", k);
        if (k == 5)
            say("truncate %d\n", ftruncate(log, 20));
    }
    int fd = open("log", O_RDONLY);
    ssize_t n = read(fd, buffer, sizeof(buffer));
    say("%d bytes:\n%.*s", (int)n, (int)n, buffer);
    close(fd);
    close(log);
    unlink("log");
}

static void holes(void)
{
    int fd = open("holes", O_CREATE | O_TRUNC | O_RDWR);

    for (int k = 0; k < 4; k++) {
        lseek(fd, k * 21000, SEEK_SET);
        write(fd, "hole", 4);
    }
    ftruncate(fd, 90000);
    lseek(fd, 0, SEEK_SET);
    ssize_t n = read(fd, buffer, sizeof(buffer));
    say("%d bytes, sum %u\n", (int)n, checksum(buffer, (size_t)n));
    close(fd);
    say("unlink %d\n", unlink("holes"));
}

static void unlinked(void)
{
    int fd = open("gone", O_CREATE | O_TRUNC | O_RDWR);

    say("unlink %d\n", unlink("gone"));
    for (int k = 0; k < 5; k++) {
        fill(7000, (unsigned)k);
        say("write %d\n", (int)write(fd, buffer, 7000));
    }
    lseek(fd, 100, SEEK_SET);
    ssize_t n = read(fd, buffer, sizeof(buffer));
    say("%d bytes, sum %u\n", (int)n, checksum(buffer, (size_t)n));
    say("it is gone: %d\n", open("gone", O_RDONLY));
}

static void folders(void)
{
    char path[PATH_LEN];

    say("mkdir %d %d\n", mkdir("top"), mkdir("top/below"));
    say("chdir %d\n", chdir("top/below"));
    close(open("here", O_CREATE | O_WRONLY));
    say("cwd %s\n", getcwd(path, sizeof(path)));
    say("chdir %d\n", chdir("../.."));
    DIR *d = opendir("top/below");
    for (struct dirent *e; (e = readdir(d));)
        say("entry %s\n", e->d_name);
    closedir(d);
    say("rmdir %d\n", rmdir("top"));
    say("remove %d %d %d\n", unlink("top/below/here"), rmdir("top/below"), rmdir("top"));
}

static void links(void)
{
    struct stat st;
    int fd = open("one", O_CREATE | O_TRUNC | O_WRONLY);

    for (int k = 0; k < 4; k++) {
        char name[8] = { 'l', (char)('0' + k) };
        say("link %d\n", link("one", name));
        fstat(fd, &st);
        say("links %d\n", st.nlink);
    }
    for (int k = 0; k < 4; k++) {
        char name[8] = { 'l', (char)('0' + k) };
        unlink(name);
    }
    unlink("one");
    fstat(fd, &st);
    say("links %d\n", st.nlink);
}

static void descriptors(void)
{
    int fd = open("d", O_CREATE | O_TRUNC | O_RDWR);

    for (int k = 0; k < 6; k++)
        say("dup %d\n", dup(fd));
    close(fd + 2);
    say("lowest %d\n", dup(fd));
    say("dup2 %d\n", dup2(fd, 40));
    write(40, "abc", 3);
    say("offset %d\n", (int)lseek(fd, 0, SEEK_CUR));
    for (int k = fd; k < OPEN_MAX; k++)
        close(k);
    say("closed: %d\n", (int)write(40, "x", 1));
    unlink("d");
}

// Parent and child write to one description in turns.
static void shared_offset(void)
{
    int there[2], back[2], fd = open("s", O_CREATE | O_TRUNC | O_RDWR);
    char turn;

    pipe(there);
    pipe(back);
    pid_t pid = fork();
    if (pid == 0) {
        close(there[1]);
        while (read(there[0], &turn, 1) == 1) {
            dprintf(fd, "child %c\n", turn);
            write(back[1], &turn, 1);
        }
        _exit(0);
    }
    close(there[0]);
    for (turn = 'a'; turn < 'g'; turn++) {
        dprintf(fd, "parent %c\n", turn);
        write(there[1], &turn, 1);
        read(back[0], buffer, 1);
    }
    close(there[1]);
    say("child: %d\n", exit_status(pid));
    lseek(fd, 0, SEEK_SET);
    ssize_t n = read(fd, buffer, sizeof(buffer));
    say("%.*s", (int)n, buffer);
    unlink("s");
}

// ---- pipes

static void own_pipe(void)
{
    int fds[2];

    pipe(fds);
    for (int k = 0; k < 6; k++) {
        fill(5000, (unsigned)k);
        say("write %d\n", (int)write(fds[1], buffer, 5000));
        say("read %d", (int)read(fds[0], buffer, 3000));
        say(" %u\n", checksum(buffer, 3000));
        say("read %d\n", (int)read(fds[0], buffer + 3000, 2000));
    }
    close(fds[1]);
    say("end %d\n", (int)read(fds[0], buffer, 1));
}

static size_t read_all(int fd)
{
    size_t n = 0;

    for (ssize_t part; (part = read(fd, buffer + n, sizeof(buffer) - n)) > 0;)
        n += (size_t)part;
    return n;
}

// The child writes in one go, many times what a pipe holds.
static void flood(void)
{
    int fds[2];

    pipe(fds);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        fill(90000, 4);
        _exit(write(fds[1], buffer, 90000) == 90000 ? 3 : 4);
    }
    close(fds[1]);
    size_t n = read_all(fds[0]);
    say("%u bytes, sum %u\n", (unsigned)n, checksum(buffer, n));
    say("child: %d\n", exit_status(pid));
}

// The other way round: the program itself is blocked in the write.
static void flood_child(void)
{
    int fds[2];

    pipe(fds);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[1]);
        size_t n = read_all(fds[0]);
        say("child has %u bytes, sum %u\n", (unsigned)n, checksum(buffer, n));
        _exit(5);
    }
    close(fds[0]);
    fill(90000, 5);
    int n = (int)write(fds[1], buffer, 90000);
    close(fds[1]);
    int status = exit_status(pid);
    say("wrote %d, child: %d\n", n, status);
}

// source | upper | sum
static void pipeline(void)
{
    int a[2], b[2], c;
    pid_t pids[2];

    pipe(a);
    if ((pids[0] = fork()) == 0) {
        close(a[0]);
        for (int k = 0; k < 200; k++)
            dprintf(a[1], "line number %d\n", k);
        _exit(1);
    }
    close(a[1]);
    pipe(b);
    if ((pids[1] = fork()) == 0) {
        FILE *in = fdopen(a[0], "r"), *out = fdopen(b[1], "w");
        close(b[0]);
        while ((c = getc(in)) != EOF)
            putc(c >= 'a' && c <= 'z' ? c - 32 : c, out);
        fclose(out);
        _exit(2);
    }
    close(a[0]);
    close(b[1]);
    size_t n = read_all(b[0]);
    say("%u bytes, sum %u, begins %.12s\n", (unsigned)n, checksum(buffer, n), buffer);
    int first = exit_status(pids[0]);
    say("statuses %d %d\n", first, exit_status(pids[1]));
}

static void ring(void)
{
    enum { N = 4 };
    int fds[N][2], token = 0;
    pid_t pids[N];

    for (int k = 0; k < N; k++)
        pipe(fds[k]);
    for (int k = 1; k < N; k++)
        if ((pids[k] = fork()) == 0) {
            for (int j = 0; j < 12; j++) {
                read(fds[k][0], &token, sizeof(token));
                token = token * 3 + k;
                write(fds[(k + 1) % N][1], &token, sizeof(token));
            }
            _exit(k);
        }
    for (int j = 0; j < 12; j++) {
        write(fds[1][1], &token, sizeof(token));
        read(fds[0][0], &token, sizeof(token));
        say("token %d\n", token);
    }
    for (int k = 1; k < N; k++)
        say("member %d\n", exit_status(pids[k]));
}

static void broken_pipe(void)
{
    int fds[2];

    pipe(fds);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[1]);
        read(fds[0], buffer, 10);
        _exit(6);
    }
    close(fds[0]);
    write(fds[1], "ten bytes.", 10);
    say("child: %d\n", exit_status(pid));
    ssize_t n = write(fds[1], "x", 1);
    say("write %d: %s\n", (int)n, n < 0 ? strerror(errno) : "");
}

// ---- families

static void children(void)
{
    for (int k = 0; k < 6; k++) {
        pid_t pid = fork();
        if (pid == 0)
            exit(k * 11);
        say("child %d: %d\n", k, exit_status(pid));
    }
    say("no more: %d\n", (int)wait(NULL));
}

static int descend(int level)
{
    int sum = level;

    for (int k = 0; k < 2 && level < 4; k++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(descend(level + 1));
        sum += exit_status(pid);
    }
    return sum;
}

static void tree(void)
{
    say("sum of levels %d\n", descend(1));
}

// All are zombies before the first one is waited for, backward.
static void zombies(void)
{
    pid_t pids[5];
    int fds[2];

    pipe(fds);
    for (int k = 0; k < 5; k++)
        if ((pids[k] = fork()) == 0)
            _exit(k + 20);
    close(fds[1]);
    read(fds[0], buffer, 1);  // its end: all have ended
    for (int k = 4; k >= 0; k--)
        say("zombie %d: %d\n", k, exit_status(pids[k]));
}

static void kills(void)
{
    for (int k = 0; k < 3; k++) {
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                if (k)
                    sleep_ticks(100);
        if (k == 2)
            sleep_ticks(2);
        say("kill %d\n", kill(pid));
        say("status %d\n", exit_status(pid));
        say("again %d\n", kill(pid));
    }
}

static void pids(void)
{
    pid_t me = getpid(), parent = getppid();

    for (int k = 0; k < 8; k++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(getppid() == me && getpid() != me ? 1 : 2);
        say("family %d, I am %s, my parent %s\n", exit_status(pid), getpid() == me ? "I" : "another",
            getppid() == parent || parent != me ? "is one" : "is me");
    }
}

static void executes(void)
{
    char *const vector[] = { "steps", "links", NULL };

    pid_t pid = fork();
    if (pid == 0) {
        execv("/steps", vector);
        _exit(1);
    }
    say("child: %d\n", exit_status(pid));
    say("and now the same here\n");
    execv("/steps", vector);
}

// Two grandchildren by two children, who end in the order in which they are told to.
static void relay(void)
{
    int fds[5][2];
    char baton = 'a';

    for (int k = 0; k < 5; k++)
        pipe(fds[k]);
    pid_t first = fork();
    if (first == 0) {
        pid_t below = fork();
        int k = below ? 0 : 1;
        read(fds[k][0], &baton, 1);
        baton++;
        say("%s has %c\n", below ? "child" : "grandchild", baton);
        write(fds[k + 1][1], &baton, 1);
        _exit(below ? exit_status(below) + 1 : 30);
    }
    pid_t second = fork();
    if (second == 0) {
        pid_t below = fork();
        int k = below ? 2 : 3;
        read(fds[k][0], &baton, 1);
        baton++;
        say("second %s has %c\n", below ? "child" : "grandchild", baton);
        write(fds[k + 1][1], &baton, 1);
        _exit(below ? exit_status(below) + 1 : 40);
    }
    write(fds[0][1], &baton, 1);
    read(fds[4][0], &baton, 1);
    say("it comes back as %c\n", baton);
    say("first %d\n", exit_status(first));
    say("second %d\n", exit_status(second));
}

// ---- time and the console

static void sleeps(void)
{
    for (int k = 1; k < 7; k++) {
        int before = uptime();
        int result = sleep_ticks(k);
        say("sleep %d: %d, %s\n", k, result, uptime() - before >= k ? "long enough" : "too short");
    }
}

static void child_sleeps(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        int before = uptime();
        sleep_ticks(12);
        _exit(uptime() - before >= 12 ? 8 : 9);
    }
    sleep_ticks(3);
    say("child: %d\n", exit_status(pid));
}

static void clocks(void)
{
    int ticks = uptime(), backward = 0;
    uint64_t ns = clock_ns(), wall = wall_clock_ns();

    for (int k = 0; k < 40; k++) {
        backward += uptime() < ticks;
        ticks = uptime();
        backward += clock_ns() < ns;
        ns = clock_ns();
        backward += wall_clock_ns() < wall;
        wall = wall_clock_ns();
    }
    say("went back %d times\n", backward);
}

static void console(void)
{
    int fd = open("/console", O_RDWR);

    for (int k = 0; k < 5; k++)
        say("console %d %d\n", isatty(fd), (int)write(fd, ".", 1));
    close(fd);
}

static void fails(void)
{
    say("open %d: %s\n", open("no such file", O_RDONLY), strerror(errno));
    say("write %d: %s\n", (int)write(50, "x", 1), strerror(errno));
    say("wait %d: %s\n", (int)wait(NULL), strerror(errno));
    say("chdir %d: %s\n", chdir("nowhere"), strerror(errno));
    say("exec %d: %s\n", execv("/console", (char *[]){ "x", NULL }), errno ? "refused" : "");
    say("and it touches what isn't there\n");
    *(volatile int *)0x70000000 = 1;
}

static const struct {
    const char *name;
    void (*run)(void);
} steps[] = {
    { "sieve", sieve },
    { "words", words },
    { "matrix", matrix },
    { "series", series },
    { "recursion", recursion },
    { "life", life },
    { "heap", heap },
    { "copies", copies },
    { "files", files },
    { "append", append },
    { "holes", holes },
    { "unlinked", unlinked },
    { "folders", folders },
    { "links", links },
    { "descriptors", descriptors },
    { "shared", shared_offset },
    { "pipe", own_pipe },
    { "flood", flood },
    { "flood_child", flood_child },
    { "pipeline", pipeline },
    { "ring", ring },
    { "broken_pipe", broken_pipe },
    { "children", children },
    { "tree", tree },
    { "zombies", zombies },
    { "kills", kills },
    { "pids", pids },
    { "executes", executes },
    { "relay", relay },
    { "sleeps", sleeps },
    { "child_sleeps", child_sleeps },
    { "clocks", clocks },
    { "console", console },
    { "fails", fails },
};

int main(int argc, char **argv)
{
    int n = sizeof(steps) / sizeof(steps[0]), times = argc > 2 ? atoi(argv[2]) : 1;

    for (int k = 0; argc > 1 && k < n; k++) {
        if (strcmp(argv[1], steps[k].name) != 0)
            continue;
        while (times-- > 0) {
            steps[k].run();
            for (int fd = 3; times && fd < OPEN_MAX; fd++)
                close(fd);
        }
        return k + 1;
    }
    return 99;
}
