// trouble WHAT: processes that are hard to checkpoint or restore, and who troubles those that do.
//
//     churn MIB            changes all of its memory again and again, and looks whether it is as it should be
//     storm                processes that fork and end as fast as they can, until the file "go" is there
//     pair MIB             a parent, and a child that looks at its memory when the file "go" is there
//     crowd N              takes places of processes until only N are left; gives them back when the file "go" is there
//     hoard N FILES        N processes that open a file FILES times each; ends when the file "go" is there
//     saver PID FILE       saves by the plain call
//     spoil FILE           tries to change a file in every way; says what it could do
//     flip FILE OFFSET     changes a byte
//     litter           empty files until there is room for no more
//     become FILE          restart(), and looks whether it is as it was when that fails
#include <amber.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1 << 20)

static uint32_t pattern(size_t i, uint32_t key)
{
    return (uint32_t)i * 2654435761u ^ key * 40503u;
}

static void fill(uint32_t *memory, size_t words, uint32_t key)
{
    for (size_t i = 0; i < words; i++)
        memory[i] = pattern(i, key);
}

static void expect(const uint32_t *memory, size_t words, uint32_t key)
{
    for (size_t i = 0; i < words; i++)
        if (memory[i] != pattern(i, key))
            errx(1, "word %u is %x", (unsigned)i, memory[i]);
}

static uint32_t *allocate(const char *mib, size_t *words)
{
    *words = (size_t)atoi(mib) * MIB / 4;
    uint32_t *memory = malloc(*words * 4);

    if (!memory)
        err(1, "%s MiB", mib);
    return memory;
}

static void churn(char **argv)
{
    size_t words;
    uint32_t *memory = allocate(argv[0], &words);

    for (uint32_t key = 1;; key++) {
        fill(memory, words, key);
        if (key == 1)
            printf("filled\n");
        expect(memory, words, key);
        sleep_ticks(1);
    }
}

static int is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static void storm(char **argv)
{
    printf("storm\n");
    for (int n = 0; n % 64 || !is_there("/go"); n++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (n % 2 && fork() == 0)
                _exit(1);
            _exit(2);
        }
        if (n % 4 == 3)
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
        if (pid < 0)
            wait(NULL);
    }
    while (wait(NULL) >= 0)
        ;
    printf("calm\n");
}

static void wait_for_go(void)
{
    while (!is_there("/go"))
        sleep_ticks(1);
}

static void pair(char **argv)
{
    size_t words;
    uint32_t *memory = allocate(argv[0], &words);
    int status = 0;

    pid_t pid = fork();
    if (pid == 0) {
        fill(memory, words, 7);
        printf("filled\n");
        wait_for_go();
        expect(memory, words, 7);
        exit(7);
    }
    wait(&status);
    printf("the child's status is %x, the parent lives\n", status);
}

static void crowd(char **argv)
{
    static pid_t pids[1000];
    int n = 0, spare = atoi(argv[0]);

    while ((pids[n] = fork()) > 0)
        n++;
    if (pids[n] == 0) {
        wait_for_go();
        _exit(0);
    }
    printf("fork: %s\n", strerror(errno));
    for (int i = 0; i < spare && n > 0; i++) {
        kill(pids[--n]);
        waitpid(pids[n], NULL, 0);
    }
    printf("crowded\n");
    wait_for_go();
    while (wait(NULL) >= 0)
        ;
}

// Ends with an error if a descriptor isn't good any more.
static void hold_files(int files, int tell)
{
    int fds[OPEN_MAX];
    char byte;

    for (int i = 0; i < files; i++) {
        fds[i] = open("/echo", O_RDONLY);
        if (fds[i] < 0)
            err(1, "/echo");
    }
    close(tell);
    wait_for_go();
    for (int i = 0; i < files; i++)
        if (read(fds[i], &byte, 1) != 1)
            err(1, "descriptor %d", fds[i]);
}

static void hoard(char **argv)
{
    int processes = atoi(argv[0]), files = atoi(argv[1]), status, wrong, ends[2];
    char byte;

    if (pipe(ends))
        err(1, "pipe");
    for (int i = 0; i < processes; i++)
        if (fork() == 0) {
            close(ends[0]);
            hold_files(files, ends[1]);
            _exit(0);
        }
    close(ends[1]);
    wrong = read(ends[0], &byte, 1) != 0;
    printf("hoarded\n");
    while (wait(&status) >= 0)
        wrong += status != 0;
    printf("hoard: %d wrong\n", wrong);
}

static void saver(char **argv)
{
    if (checkpoint(atoi(argv[0]), argv[1]) < 0)
        err(1, "%s", argv[1]);
    printf("saved\n");
}

static void spoil(char **argv)
{
    const char *path = argv[0];
    int fd = open(path, O_WRONLY), reading = open(path, O_RDONLY);

    printf("open for writing: %s\n", fd >= 0 ? "done" : strerror(errno));
    printf("open to truncate: %s\n", open(path, O_RDWR | O_TRUNC) >= 0 ? "done" : strerror(errno));
    printf("truncate: %s\n", ftruncate(reading, 0) == 0 ? "done" : strerror(errno));
    printf("write: %s\n", write(reading, "x", 1) == 1 ? "done" : strerror(errno));
    printf("rename over: %s\n", rename("/echo.copy", path) == 0 ? "done" : strerror(errno));
}

static void flip(char **argv)
{
    int fd = open(argv[0], O_RDWR);
    unsigned char byte;

    if (fd < 0 || lseek(fd, atoi(argv[1]), SEEK_SET) < 0 || read(fd, &byte, 1) != 1)
        err(1, "%s", argv[0]);
    byte ^= 0x40;
    if (lseek(fd, atoi(argv[1]), SEEK_SET) < 0 || write(fd, &byte, 1) != 1)
        err(1, "%s", argv[0]);
}

static void litter(char **argv)
{
    char name[16];
    int n = 0, fd;

    (void)argv;
    mkdir("/litter");
    do {
        snprintf(name, sizeof(name), "/litter/%d", n++);
        fd = open(name, O_RDWR | O_CREATE);
        if (fd >= 0)
            close(fd);
    } while (fd >= 0);
    printf("%d files\n", n - 1);
}

static void become(char **argv)
{
    size_t words;
    uint32_t *memory = allocate("1", &words);
    int pid = getpid(), parent = getppid(), ends[2];
    char byte = 0;

    fill(memory, words, 9);
    if (pipe(ends) || write(ends[1], "x", 1) != 1)
        err(1, "pipe");
    int result = restart(argv[0]), reason = errno;
    expect(memory, words, 9);
    if (result != -1 || getpid() != pid || getppid() != parent || read(ends[0], &byte, 1) != 1 || byte != 'x')
        errx(1, "changed");
    printf("not restored: %s; as before\n", strerror(reason));
}

static const struct {
    const char *name;
    void (*run)(char **argv);
    int arguments;
} troubles[] = {
    { "churn", churn, 1 }, { "storm", storm, 0 }, { "pair", pair, 1 }, { "crowd", crowd, 1 },   { "hoard", hoard, 2 },
    { "saver", saver, 2 }, { "spoil", spoil, 1 }, { "flip", flip, 2 }, { "become", become, 1 }, { "litter", litter, 0 },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(troubles) / sizeof(troubles[0]); i++)
        if (strcmp(argv[1], troubles[i].name) == 0 && argc == 2 + troubles[i].arguments) {
            troubles[i].run(argv + 2);
            return 0;
        }
    fprintf(stderr, "usage: trouble churn|storm|pair|crowd|hoard|saver|spoil|flip|become|litter ARGUMENT...\n");
    return 2;
}
