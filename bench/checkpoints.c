// checkpoints MODE ARGUMENTS: what checkpoints and restores cost, measured from inside.
//
//     checkpoints pause MIB      the longest gap that a process with so much memory sees, while another one saves it
//     checkpoints write MIB      time and bytes: all of it, nothing changed, 1 % of the pages changed
//     checkpoints restore MIB    until the first instruction; until all pages have been touched; the same with -a
//     checkpoints rate           durable checkpoints a second of a process of 1 MiB that changes 10 pages each time
//
// Lines are "name value unit".
#include <amber.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE    4096u
#define MIB     (1024u * 1024)
#define SAMPLES 7
#define IMAGE   "/bench.ckpt"
#define WINDOW  (TICKS_PER_SECOND / 2)

static uint32_t *memory;
static uint32_t pages;

static void fill(uint32_t mib)
{
    pages = mib * (MIB / PAGE);
    size_t end = (size_t)sbrk(0);
    if (sbrk((intptr_t)(-end % PAGE)) == (void *)-1)
        err(1, "memory");
    memory = sbrk((intptr_t)(pages * PAGE));
    if (memory == (void *)-1)
        err(1, "memory");
    for (uint32_t i = 0; i < pages; i++)
        for (uint32_t w = 0; w < PAGE / 4; w += 16)
            memory[i * (PAGE / 4) + w] = i * 2654435761u ^ w ^ 1;
}

static void change(uint32_t count)
{
    static uint32_t at;

    for (uint32_t i = 0; i < count; i++, at = (at + 1) % pages)
        memory[at * (PAGE / 4)]++;
}

static uint64_t touch_all(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < pages; i++)
        sum += memory[i * (PAGE / 4)];
    return sum;
}

static void show_ns(const char *name, uint64_t ns)
{
    printf("%s %.1f us\n", name, (double)ns / 1000);
}

static struct ckpt_figures save(pid_t pid, unsigned flags)
{
    struct ckpt_save_args args = { .path = (uintptr_t)IMAGE, .pid = pid, .flags = flags, .history = 2 };
    struct ckpt_figures f = { 0 };

    if (ckpt_save(&args, &f) < 0)
        err(1, "checkpoint");
    return f;
}

static void put(int fd, const void *from, size_t n)
{
    if (write(fd, from, n) != (ssize_t)n)
        err(1, "pipe");
}

static void get(int fd, void *to, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t some = read(fd, (char *)to + done, n - done);
        if (some <= 0)
            errx(1, "pipe: the other side ended");
        done += (size_t)some;
    }
}

// ---- pause

// Look at the clock all the time and tell the longest gap of each window. A twentieth of the memory changes each
// second.
static void watch(int out)
{
    for (;;) {
        uint64_t begin = clock_ns(), last = begin, longest = 0, now;
        uint32_t changed = 0;

        do {
            now = clock_ns();
            if (now - last > longest)
                longest = now - last;
            last = now;
            if (changed < (now - begin) * pages / 20 / 1000000000u) {
                change(1);
                changed++;
            }
        } while (now - begin < WINDOW * (1000000000ull / TICKS_PER_SECOND));
        put(out, &longest, sizeof(longest));
    }
}

static void pause(uint32_t mib)
{
    uint64_t gap;
    int to[2];

    if (pipe(to) < 0)
        err(1, "pipe");
    pid_t child = fork();
    if (child == 0) {
        fill(mib);
        watch(to[1]);
    }
    get(to[0], &gap, sizeof(gap));
    for (int k = 0; k < SAMPLES; k++) {
        get(to[0], &gap, sizeof(gap));
        show_ns("noise", gap);
        sleep_ticks(WINDOW / 5);
        struct ckpt_figures f = save(child, CKPT_SAVE_EXTERNAL);
        show_ns("pause_told", f.pause_ns);
        show_ns("freeze_told", f.freeze_ns);
        get(to[0], &gap, sizeof(gap));
        show_ns("pause", gap);
        sleep_ticks(2 * WINDOW);
        for (int n = 0; n < 2; n++)
            get(to[0], &gap, sizeof(gap));
    }
    kill(child);
    (void)waitpid(-1, NULL, 0);
}

// ---- write

static void show_save(const char *name)
{
    struct ckpt_figures f = save(getpid(), 0);

    printf("%s_us %.1f us\n%s_bytes %llu bytes\n%s_pages %llu pages\n", name, (double)f.total_ns / 1000, name,
           f.bytes_written, name, f.pages_written);
}

static void write_modes(uint32_t mib)
{
    fill(mib);
    for (int k = 0; k < SAMPLES; k++) {
        unlink(IMAGE);
        sync();
        show_save("full");
        show_save("idle");
        change(pages / 100 ? pages / 100 : 1);
        show_save("changed");
    }
}

// ---- restore

// Saved while it waits for a word at fd 4; answers at fd 3 when it runs, and when it has touched all of its memory.
static void sleeper(int in, int out)
{
    char byte;

    get(in, &byte, 1);
    put(out, "r", 1);
    byte = touch_all() ? 't' : 'T';
    put(out, &byte, 1);
    _exit(0);
}

static void restore_once(const int there[2], const int back[2], int in, int out, unsigned flags, const char *first,
                         const char *all)
{
    char byte;

    put(there[1], "g", 1);
    uint64_t begin = clock_ns();
    pid_t child = fork();
    if (child == 0) {
        struct ckpt_restore_args args = { .path = (uintptr_t)IMAGE, .flags = flags, .inherits = 2 };
        args.inherit[0].saved = in, args.inherit[0].theirs = there[0];
        args.inherit[1].saved = out, args.inherit[1].theirs = back[1];
        ckpt_restore(&args);
        err(1, "restore");
    }
    get(back[0], &byte, 1);
    uint64_t running = clock_ns();
    get(back[0], &byte, 1);
    show_ns(first, running - begin);
    show_ns(all, clock_ns() - begin);
    (void)waitpid(-1, NULL, 0);
}

static void restore(uint32_t mib)
{
    int there[2], back[2];

    if (pipe(there) < 0 || pipe(back) < 0)
        err(1, "pipe");
    pid_t child = fork();
    if (child == 0) {
        fill(mib);
        put(back[1], "f", 1);
        close(there[1]);
        close(back[0]);
        sleeper(there[0], back[1]);
    }
    char byte;
    get(back[0], &byte, 1);
    unlink(IMAGE);
    save(child, CKPT_SAVE_EXTERNAL | CKPT_SAVE_KILL);
    (void)waitpid(-1, NULL, 0);
    for (int k = 0; k < SAMPLES; k++) {
        restore_once(there, back, there[0], back[1], 0, "first", "all");
        restore_once(there, back, there[0], back[1], CKPT_RESTORE_EAGER, "eager_first", "eager_all");
    }
}

// ---- rate

static void rate(void)
{
    struct sysinfo before, after;

    fill(1);
    unlink(IMAGE);
    for (int k = 0; k < 20; k++) {
        change(10);
        save(getpid(), 0);
    }
    for (int k = 0; k < SAMPLES; k++) {
        int n = 0;
        sysinfo(&before);
        uint64_t begin = clock_ns(), end;
        do {
            change(10);
            save(getpid(), 0);
            n++;
            end = clock_ns();
        } while (end - begin < 1000000000ull);
        sysinfo(&after);
        printf("rate %.1f per_s\n", n * 1e9 / (double)(end - begin));
        printf("flushes %.2f each\n", (double)(after.disk_flushes - before.disk_flushes) / n);
        printf("writes %.2f each\n", (double)(after.disk_writes - before.disk_writes) / n);
    }
}

int main(int argc, char **argv)
{
    uint32_t mib = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;

    if (argc < 2)
        usage("checkpoints pause | write | restore | rate [MIB]");
    if (!strcmp(argv[1], "pause"))
        pause(mib);
    else if (!strcmp(argv[1], "write"))
        write_modes(mib);
    else if (!strcmp(argv[1], "restore"))
        restore(mib);
    else if (!strcmp(argv[1], "rate"))
        rate();
    else
        usage("checkpoints pause | write | restore | rate [MIB]");
    unlink(IMAGE);
    return 0;
}
