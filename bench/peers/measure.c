// measure: what a kernel with xv6's interface costs its programs. The same binary runs on Amber and on the original.
//
// Nothing is used but xv6's calls and the processor's time-stamp counter, and no library. Lines are "name value", in
// units of 1024 counts of the time-stamp counter; the lines "begin" and "end" show the counter itself, so that who
// reads them with a clock beside him knows how quick it counts.
#include <stdint.h>

#define OPEN_CREATE_RDWR 0x202
#define ROUNDS           7
#define CHILDREN         20
#define PIPE_BYTES       (1024 * 1024)
#define CHUNK            4096
#define FILES            40
#define FILE_CHUNKS      16

// A call's arguments lie where C's callers put them, above the return address.
#define CALL(name, number) __asm__(".globl " #name "\n" #name ": movl $" #number ", %eax\n\tint $0x40\n\tret\n")

int sys_fork(void);
int sys_exit(void) __attribute__((noreturn));
int sys_wait(void);
int sys_pipe(int *ends);
int sys_read(int fd, void *to, int n);
int sys_exec(const char *path, const char *const *argv);
int sys_open(const char *path, int flags);
int sys_write(int fd, const void *from, int n);
int sys_unlink(const char *path);
int sys_close(int fd);
void main(int argc, char **argv);

CALL(sys_fork, 1);
CALL(sys_exit, 2);
CALL(sys_wait, 3);
CALL(sys_pipe, 4);
CALL(sys_read, 5);
CALL(sys_exec, 7);
CALL(sys_open, 15);
CALL(sys_write, 16);
CALL(sys_unlink, 18);
CALL(sys_close, 21);

static char bytes[CHUNK];

static void print(const char *text)
{
    int n = 0;

    while (text[n])
        n++;
    sys_write(1, text, n);
}

static void show(const char *name, uint32_t value)
{
    char text[16], *at = text + sizeof(text);

    *--at = 0;
    *--at = '\n';
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    print(name);
    print(" ");
    print(at);
}

static void must(int is_so, const char *what)
{
    if (is_so)
        return;
    print(what);
    print(" failed\n");
    sys_exit();
}

static uint32_t counter(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low >> 10 | high << 22;
}

static uint32_t fork_exec_wait(void)
{
    static const char *const argv[] = { "measure", "nothing", 0 };
    uint32_t begin = counter();

    for (int i = 0; i < CHILDREN; i++) {
        int pid = sys_fork();
        must(pid >= 0, "fork");
        if (pid == 0) {
            sys_exec("measure", argv);
            must(0, "exec");
        }
        must(sys_wait() == pid, "wait");
    }
    return counter() - begin;
}

static void pipe_write(int fd)
{
    for (int n = 0; n < PIPE_BYTES; n += CHUNK)
        must(sys_write(fd, bytes, CHUNK) == CHUNK, "write");
    sys_exit();
}

static uint32_t pipe_bytes(void)
{
    int ends[2], n, all = 0;

    must(sys_pipe(ends) == 0, "pipe");
    uint32_t begin = counter();
    if (sys_fork() == 0)
        pipe_write(ends[1]);
    sys_close(ends[1]);
    while ((n = sys_read(ends[0], bytes, CHUNK)) > 0)
        all += n;
    uint32_t took = counter() - begin;
    must(all == PIPE_BYTES, "read");
    sys_close(ends[0]);
    sys_wait();
    return took;
}

static char *file_name(int i)
{
    static char name[] = "measured-00";

    name[sizeof(name) - 3] = (char)('0' + i / 10);
    name[sizeof(name) - 2] = (char)('0' + i % 10);
    return name;
}

static uint32_t file_creates(void)
{
    uint32_t begin = counter();

    for (int i = 0; i < FILES; i++) {
        int fd = sys_open(file_name(i), OPEN_CREATE_RDWR);
        must(fd >= 0, "create");
        sys_close(fd);
    }
    uint32_t took = counter() - begin;
    for (int i = 0; i < FILES; i++)
        must(sys_unlink(file_name(i)) == 0, "unlink");
    return took;
}

static uint32_t file_writes(void)
{
    int fd = sys_open(file_name(0), OPEN_CREATE_RDWR);

    must(fd >= 0, "create");
    uint32_t begin = counter();
    for (int i = 0; i < FILE_CHUNKS; i++)
        must(sys_write(fd, bytes, CHUNK) == CHUNK, "write");
    uint32_t took = counter() - begin;
    sys_close(fd);
    sys_unlink(file_name(0));
    return took;
}

void main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        sys_exit();
    show("begin", counter());
    for (int i = 0; i < ROUNDS; i++) {
        show("fork_exec_wait", fork_exec_wait() / CHILDREN);
        show("pipe", pipe_bytes());
        show("create", file_creates() / FILES);
        show("write", file_writes());
    }
    show("end", counter());
    sys_exit();
}
