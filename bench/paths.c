// paths [NAME...]: go the kernel's main paths between marks, so that the counting plugin of QEMU (bench/plugin) can
// tell what each costs in instructions. For each pair of marks a line "name operations"; without a plugin it tells
// nothing more.
//
// A path is gone several times; whoever reads the counts takes the least.
#include "mark.h"
#include <amber.h>
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE    4096u
#define KIB     1024u
#define MIB     (1024u * 1024)
#define ROUNDS  4
#define IMAGE   "/paths.ckpt"
#define SCRATCH "/paths.tmp"

static char buf[64 * KIB];

// Pages of this program's file, which nothing else touches.
#define FILE_PAGES 64
static const char file_pages[FILE_PAGES * PAGE] __attribute__((aligned(4096))) = { [0 ... FILE_PAGES * PAGE - 1] = 1 };

#define MARK(which) __asm__ volatile(".byte %c0, %c1, %c2, %c3, %c4, %c5, %c6, %c7" : : MARK_OPERANDS(which) : "memory")

// The counting starts, and ends.
static inline void begin(void)
{
    MARK(MARK_BEGIN);
}

static inline void end(void)
{
    MARK(MARK_END);
}

static void told(const char *name, int operations)
{
    printf("%s %d\n", name, operations);
    fflush(stdout);
}

static void must(int result, const char *what)
{
    if (result < 0)
        err(1, "%s", what);
}

static int forked(void)
{
    pid_t pid = fork();

    must(pid, "fork");
    return pid;
}

static void *more_memory(size_t pages)
{
    size_t top = (size_t)sbrk(0);
    must(sbrk((intptr_t)(-top % PAGE)) == (void *)-1 ? -1 : 0, "memory");
    char *p = sbrk((intptr_t)(pages * PAGE));

    must(p == (void *)-1 ? -1 : 0, "memory");
    return p;
}

static void touch(volatile char *p, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++)
        p[i * PAGE] = (char)(i | 1);
}

static char look(const volatile char *p, unsigned pages)
{
    char sum = 0;

    for (unsigned i = 0; i < pages; i++)
        sum ^= p[i * PAGE];
    return sum;
}

// ---- calls and processes

static void system_call(void)
{
    begin();
    for (int i = 0; i < 1000; i++)
        getpid();
    end();
    told("system_call", 1000);
}

static void context_switch(void)
{
    int to[2], from[2];
    char byte = 0;

    must(pipe(to), "pipe");
    must(pipe(from), "pipe");
    if (forked() == 0) {
        close(to[1]);
        while (read(to[0], &byte, 1) == 1)
            write(from[1], &byte, 1);
        _exit(0);
    }
    write(to[1], &byte, 1);
    read(from[0], &byte, 1);
    begin();
    for (int i = 0; i < 100; i++) {
        write(to[1], &byte, 1);
        read(from[0], &byte, 1);
    }
    end();
    close(to[1]);
    close(to[0]);
    close(from[0]);
    close(from[1]);
    wait(NULL);
    told("context_switch", 200);
}

static void fork_wait(void)
{
    begin();
    for (int i = 0; i < 10; i++) {
        if (forked() == 0)
            _exit(0);
        wait(NULL);
    }
    end();
    told("fork_exit_wait", 10);
}

static void fork_exec_wait(void)
{
    begin();
    for (int i = 0; i < 10; i++) {
        if (forked() == 0) {
            execv("/true", (char *[]){ "true", NULL });
            _exit(1);
        }
        wait(NULL);
    }
    end();
    told("fork_exec_wait", 10);
}

// ---- page faults

static void fault_zero(void)
{
    char *p = more_memory(256);

    begin();
    touch(p, 256);
    end();
    sbrk(-256 * (intptr_t)PAGE);
    told("fault_zero", 256);
}

static void fault_copy(void)
{
    char *p = more_memory(256);

    touch(p, 256);
    if (forked() == 0) {
        begin();
        touch(p, 256);
        end();
        _exit(0);
    }
    wait(NULL);
    sbrk(-256 * (intptr_t)PAGE);
    told("fault_copy", 256);
}

static void fault_file(void)
{
    if (forked() == 0) {
        begin();
        look(file_pages, FILE_PAGES);
        end();
        _exit(0);
    }
    wait(NULL);
    told("fault_file", FILE_PAGES);
}

// ---- pipes and files

static void pipe_bytes(void)
{
    int fds[2];

    must(pipe(fds), "pipe");
    if (forked() == 0) {
        close(fds[0]);
        for (int i = 0; i < 16; i++)
            write(fds[1], buf, sizeof(buf));
        _exit(0);
    }
    close(fds[1]);
    begin();
    while (read(fds[0], buf, sizeof(buf)) > 0)
        ;
    end();
    close(fds[0]);
    wait(NULL);
    told("pipe_KiB", 16 * sizeof(buf) / KIB);
}

static void file_bytes(void)
{
    int fd = open(SCRATCH, O_CREATE | O_RDWR | O_TRUNC);

    must(fd, SCRATCH);
    sync();
    begin();
    for (int i = 0; i < 16; i++)
        write(fd, buf, sizeof(buf));
    end();
    told("write_KiB", 16 * sizeof(buf) / KIB);
    must((int)lseek(fd, 0, SEEK_SET), "seek");
    begin();
    for (int i = 0; i < 16; i++)
        write(fd, buf, sizeof(buf));
    end();
    told("overwrite_KiB", 16 * sizeof(buf) / KIB);
    must((int)lseek(fd, 0, SEEK_SET), "seek");
    begin();
    for (int i = 0; i < 16; i++)
        read(fd, buf, sizeof(buf));
    end();
    told("read_KiB", 16 * sizeof(buf) / KIB);
    close(fd);
    unlink(SCRATCH);
}

static void create_unlink(void)
{
    begin();
    for (int i = 0; i < 20; i++) {
        int fd = open(SCRATCH, O_CREATE | O_WRONLY);
        must(fd, SCRATCH);
        close(fd);
        unlink(SCRATCH);
    }
    end();
    told("create_unlink", 20);
}

static void remove_file(void)
{
    int fd = open(SCRATCH, O_CREATE | O_WRONLY);

    must(fd, SCRATCH);
    for (int i = 0; i < 128; i++)
        must((int)write(fd, buf, sizeof(buf)), SCRATCH);
    must(fsync(fd), SCRATCH);
    close(fd);
    begin();
    unlink(SCRATCH);
    end();
    told("remove_MiB", 128 * sizeof(buf) / MIB);
}

// ---- checkpoints

static struct ckpt_figures save(pid_t pid, unsigned flags)
{
    struct ckpt_save_args args = { .path = (uintptr_t)IMAGE, .pid = pid, .flags = flags, .history = 2 };
    struct ckpt_figures f = { 0 };

    must(ckpt_save(&args, &f), IMAGE);
    return f;
}

// A process with so many pages of memory, descriptors more than others, and children, that waits for a byte at `in`.
struct subject {
    pid_t pid;
    int go[2], ready[2];
};

static void subject_live(const struct subject *s, unsigned pages, int descriptors, int children)
{
    char byte = 'r';
    char *p = more_memory(pages);

    touch(p, pages);
    for (int i = 0; i < descriptors; i++)
        must(open("/", O_RDONLY), "/");
    for (int i = 0; i < children; i++)
        if (forked() == 0) {
            write(s->ready[1], &byte, 1);
            read(s->go[0], &byte, 1);
            _exit(0);
        }
    write(s->ready[1], &byte, 1);
    read(s->go[0], &byte, 1);
    // Here it is when it was restored.
    end();
    begin();
    byte = look(p, pages);
    end();
    write(s->ready[1], &byte, 1);
    while (children--)
        wait(NULL);
    _exit(0);
}

static void subject_start(struct subject *s, unsigned pages, int descriptors, int children)
{
    char byte;

    must(pipe(s->go), "pipe");
    must(pipe(s->ready), "pipe");
    s->pid = forked();
    if (s->pid == 0) {
        close(s->go[1]);
        close(s->ready[0]);
        subject_live(s, pages, descriptors, children);
    }
    for (int i = 0; i <= children; i++)
        read(s->ready[0], &byte, 1);
}

static void subject_end(struct subject *s)
{
    close(s->go[0]);
    close(s->go[1]);
    close(s->ready[0]);
    close(s->ready[1]);
}

// The first checkpoint finds all pages changed, and no mark; the others find a mark, and nothing changed. Told in
// nanoseconds: with -icount these are instructions.
static void pause_of(const char *name, unsigned pages, int descriptors, int children)
{
    struct subject s;

    subject_start(&s, pages, descriptors, children);
    for (int i = 0; i < ROUNDS; i++) {
        struct ckpt_figures f = save(s.pid, CKPT_SAVE_EXTERNAL | CKPT_SAVE_TREE);
        printf("%s%s %llu ns\n", name, i ? "_again" : "", f.pause_ns);
    }
    fflush(stdout);
    kill(s.pid);
    subject_end(&s);
    wait(NULL);
    unlink(IMAGE);
}

static void pauses(void)
{
    pause_of("pause_1MiB", MIB / PAGE, 0, 0);
    pause_of("pause_65MiB", 65 * MIB / PAGE, 0, 0);
    pause_of("pause_40_descriptors", MIB / PAGE, 40, 0);
    pause_of("pause_16_children", MIB / PAGE, 0, 16);
}

static void saved(const char *name)
{
    begin();
    save(getpid(), 0);
    end();
    told(name, 1);
}

// Each of them after one that isn't counted: so the caches, the file and its spare blocks are what they usually are.
static void checkpoints(const char *name, unsigned changed, bool anew)
{
    char *p = more_memory(256);

    touch(p, 256);
    unlink(IMAGE);
    save(getpid(), 0);
    for (int i = 0; i < ROUNDS; i++) {
        save(getpid(), 0);
        if (anew) {
            unlink(IMAGE);
            sync();
        }
        touch(p, changed);
        saved(name);
    }
    sbrk(-256 * (intptr_t)PAGE);
    unlink(IMAGE);
}

static void checkpoint_all(void)
{
    checkpoints("checkpoint_1MiB", 0, true);
}

static void checkpoint_idle(void)
{
    checkpoints("checkpoint_idle", 0, false);
}

static void checkpoint_changed(void)
{
    checkpoints("checkpoint_10_pages", 10, false);
}

static void restored(struct subject *s, unsigned pages, unsigned flags, const char *first, const char *all)
{
    char byte = 'g';

    write(s->go[1], &byte, 1);
    if (forked() == 0) {
        struct ckpt_restore_args args = { .path = (uintptr_t)IMAGE, .flags = flags, .inherits = 2 };
        args.inherit[0].saved = s->go[0], args.inherit[0].theirs = s->go[0];
        args.inherit[1].saved = s->ready[1], args.inherit[1].theirs = s->ready[1];
        begin();
        ckpt_restore(&args);
        err(1, "restore");
    }
    read(s->ready[0], &byte, 1);
    wait(NULL);
    told(first, flags & CKPT_RESTORE_EAGER ? (int)pages : 1);
    told(all, (int)pages);
}

static void restores(unsigned pages, unsigned flags, const char *first, const char *all)
{
    struct subject s;

    subject_start(&s, pages, 0, 0);
    unlink(IMAGE);
    save(s.pid, CKPT_SAVE_EXTERNAL | CKPT_SAVE_KILL);
    wait(NULL);
    for (int i = 0; i < ROUNDS; i++)
        restored(&s, pages, flags, first, all);
    subject_end(&s);
    unlink(IMAGE);
}

static void restore(void)
{
    restores(4 * MIB / PAGE, 0, "restore_first", "restore_page");
}

static void restore_small(void)
{
    restores(4, 0, "restore_first_small", "restore_page_small");
}

static void restore_eager(void)
{
    restores(4 * MIB / PAGE, CKPT_RESTORE_EAGER, "restore_eager_page", "restored_look_page");
}

static const struct path {
    const char *name;
    void (*go)(void);
    int rounds;
} paths[] = {
    { "call", system_call, ROUNDS },     { "switch", context_switch, ROUNDS }, { "fork", fork_wait, ROUNDS },
    { "exec", fork_exec_wait, ROUNDS },  { "zero", fault_zero, ROUNDS },       { "copy", fault_copy, ROUNDS },
    { "file", fault_file, ROUNDS },      { "pipe", pipe_bytes, ROUNDS },       { "write", file_bytes, ROUNDS },
    { "create", create_unlink, ROUNDS }, { "remove", remove_file, ROUNDS },    { "pause", pauses, 1 },
    { "checkpoint", checkpoint_all, 1 }, { "idle", checkpoint_idle, 1 },       { "changed", checkpoint_changed, 1 },
    { "restore", restore, 1 },           { "first", restore_small, 1 },        { "eager", restore_eager, 1 },
};

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], name))
            return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    memset(buf, 'b', sizeof(buf));
    for (unsigned i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        for (int k = 0; wanted(paths[i].name, argc, argv) && k < paths[i].rounds; k++)
            paths[i].go();
    return 0;
}
