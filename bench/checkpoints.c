// checkpoints MODE ARGUMENTS: what checkpoints and restores cost, measured from inside, beside other ways to do it.
//
//     checkpoints pause KIB      the gaps that a process with so much memory sees, while another one saves it
//     checkpoints fork KIB       the same while it forks and the child writes the memory to a file and fsyncs; its time
//     checkpoints save KIB       time and bytes: all of it, nothing changed, 1 % of the pages changed; the raw disk's
//     checkpoints share KIB      time and bytes of epochs with more and more of the pages changed
//     checkpoints restore KIB    until the first instruction; until all pages have been touched; the same with -a
//     checkpoints copy KIB       so much memory copied
//     checkpoints rate KIB       checkpoints a second of a process that changes 10 pages each time: durable ones, and
//                                without waiting for that
//     checkpoints slowdown KIB   work done with a checkpoint a second, beside that without
//
// The raw disk is the second one. Lines are "name value unit".
#include "workload.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SAMPLES     7
#define FEW_SAMPLES 5
#define FEW_ABOVE   (256 * MIB / PAGE)  // pages
#define HISTORY     2
#define CALL        MIB  // bytes a call on the raw disk and by fork's child
#define RAW         "/raw"
#define DISK_MAJOR  2
#define RAW_MINOR   1
#define COPY        "/copy"

static int samples(void)
{
    return pages > FEW_ABOVE ? FEW_SAMPLES : SAMPLES;
}

static uint64_t touch_all(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < pages; i++)
        sum += memory[i * PAGE_WORDS];
    return sum;
}

static int opened(const char *path, int flags)
{
    int fd = open(path, flags);

    if (fd < 0)
        err(1, "%s", path);
    return fd;
}

static void write_memory(int fd, uint32_t size)
{
    for (uint32_t at = 0; at < size; at += CALL) {
        uint32_t n = size - at < CALL ? size - at : CALL;
        if (write(fd, (char *)memory + at, n) != (ssize_t)n)
            err(1, "write");
    }
}

static void flush(int fd)
{
    if (fsync(fd) < 0)
        err(1, "fsync");
}

// False if there was no memory for it: what changes meanwhile is there twice, which may be too much on a busy host.
static bool becomes_durable(struct ckpt_figures *f)
{
    if (ckpt_wait(&f->id, 60 * TICKS_PER_SECOND, f) < 0)
        err(1, "checkpoint, %llu pages written", f->pages_written);
    errno = f->error;
    if (f->error && f->error != ENOMEM)
        err(1, "checkpoint");
    return !f->error;
}

static int raw_disk(int flags)
{
    unlink(RAW);
    if (mknod(RAW, DISK_MAJOR, RAW_MINOR) < 0)
        err(1, RAW);
    return opened(RAW, flags);
}

// ---- pause

#define PERIOD    (SECOND / 100)
#define LONG      (SECOND / 50000)  // gaps shorter than this are everywhere
#define LONG_ONES 16

// A time in which a process did not see the clock.
struct gap {
    uint64_t begin, end;
};

// A period in which it does nothing but look at it, the longest gap, and those that are long. A full list may lack
// some.
struct window {
    uint64_t begin, end, gap;
    uint32_t count;
    struct gap gaps[LONG_ONES];
};

// A twentieth of the memory changes each second.
static void keep_changing(uint64_t now)
{
    static uint64_t begin, changed;

    if (!begin)
        begin = now;
    if (changed < (now - begin) * pages / 20 / SECOND) {
        change(1);
        changed++;
    }
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void note_gap(struct window *w, uint64_t begin, uint64_t end)
{
    w->gap = longer(w->gap, end - begin);
    if (end - begin >= LONG && w->count < LONG_ONES)
        w->gaps[w->count++] = (struct gap){ begin, end };
}

// Look at the clock for a while. `last` goes from call to call, so that no gap falls between two.
static struct window watch(uint64_t *last)
{
    struct window w = { .begin = *last };

    do {
        keep_changing(*last);
        w.end = clock_ns();
        note_gap(&w, *last, w.end);
        *last = w.end;
    } while (w.end - w.begin < PERIOD);
    return w;
}

static void watch_for_ever(int out)
{
    for (uint64_t last = clock_ns();;) {
        struct window w = watch(&last);
        put(out, &w, sizeof(w));
    }
}

struct seen {
    uint64_t before;  // the longest gap in the half second before the call
    uint64_t stop;    // from the call until the state was taken
    uint64_t worst;   // until all was durable
};

// The longest gap of which some lies between the two times.
static uint64_t gap_between(const struct window *w, uint64_t from, uint64_t to)
{
    uint64_t longest = 0;

    if (w->end < from || w->begin > to)
        return 0;
    if (w->count == LONG_ONES)
        return w->gap;
    for (uint32_t i = 0; i < w->count; i++)
        if (w->gaps[i].end >= from && w->gaps[i].begin <= to)
            longest = longer(longest, w->gaps[i].end - w->gaps[i].begin);
    return longest;
}

static void note(struct seen *s, const struct window *w, uint64_t called, uint64_t taken)
{
    if (w->end >= called)
        s->worst = longer(s->worst, w->gap);
    else if (w->begin >= called - SECOND / 2)
        s->before = longer(s->before, w->gap);
    s->stop = longer(s->stop, gap_between(w, called, taken));
}

// Until the checkpoint has ended, and the process has told of the time until then.
static struct seen listen(int in, uint64_t called, uint64_t taken, struct ckpt_figures *f)
{
    struct seen s = { 0 };
    struct window w = { 0 };
    uint64_t ended = 0;

    while (!ended || w.end < ended) {
        get(in, &w, sizeof(w));
        note(&s, &w, called, taken);
        if (!ended && ckpt_wait(&f->id, 0, f) == 0)
            ended = clock_ns();
    }
    return s;
}

static void pause_once(int in, pid_t child, const char *suffix)
{
    sleep_ticks(TICKS_PER_SECOND / 2);
    uint64_t called = clock_ns();
    struct ckpt_figures f = save(child, CKPT_SAVE_EXTERNAL | CKPT_SAVE_NOWAIT, HISTORY);
    struct seen s = listen(in, called, clock_ns(), &f);
    if (becomes_durable(&f))
        printf("worst%s %.1f us\n", suffix, (double)s.worst / 1000);
    printf("before%s %.1f us\npause%s %.1f us\n", suffix, (double)s.before / 1000, suffix, (double)s.stop / 1000);
    printf("told%s %.1f us\nfreeze%s %.1f us\n", suffix, (double)f.pause_ns / 1000, suffix, (double)f.freeze_ns / 1000);
}

static void pause(uint32_t kib)
{
    struct window w;
    int to[2];

    make_pipe(to);
    pid_t child = fork_child();
    if (child == 0) {
        fill(kib);
        watch_for_ever(to[1]);
    }
    close(to[1]);
    get(to[0], &w, sizeof(w));
    pages = kib * KIB / PAGE;
    for (int k = 0; k < samples(); k++) {
        remove_image();
        pause_once(to[0], child, "");
        pause_once(to[0], child, "_again");
    }
    end_child(child);
}

// ---- fork

static void write_copy(uint64_t begin)
{
    int fd = opened(COPY, O_CREATE | O_WRONLY);

    write_memory(fd, pages * PAGE);
    flush(fd);
    show_ns("fork_save", clock_ns() - begin);
    exit(0);
}

static void fork_and_write(uint32_t kib)
{
    fill(kib);
    for (int k = 0; k < samples(); k++) {
        unlink(COPY);
        sync();
        uint64_t begin = clock_ns(), worst = 0;
        pid_t child = fork_child();
        if (child == 0)
            write_copy(begin);
        uint64_t last = clock_ns();
        show_ns("fork_pause", last - begin);
        do
            worst = longer(worst, watch(&last).gap);
        while (waitpid(child, NULL, WNOHANG) == 0);
        show_ns("fork_worst", worst);
    }
    unlink(COPY);
}

// ---- save

// As many bytes as the memory has, in large calls, and a flush.
static void raw_write(void)
{
    int fd = raw_disk(O_WRONLY);
    uint64_t begin = clock_ns();

    write_memory(fd, pages * PAGE);
    flush(fd);
    show_ns("raw_write", clock_ns() - begin);
    close(fd);
}

// The least that an epoch can cost: its pages and a flush, a block that makes it valid and a flush.
static void raw_epoch(const char *name, uint32_t bytes)
{
    int fd = raw_disk(O_WRONLY);
    uint64_t begin = clock_ns();

    write_memory(fd, bytes);
    flush(fd);
    write_memory(fd, PAGE);
    flush(fd);
    printf("%s_raw %.1f us\n", name, (double)(clock_ns() - begin) / 1000);
    close(fd);
}

static struct ckpt_figures show_save(const char *name)
{
    struct ckpt_figures f = save(getpid(), 0, HISTORY);

    printf("%s_time %.1f us\n%s_bytes %llu bytes\n%s_pages %llu pages\n", name, (double)f.total_ns / 1000, name,
           f.bytes_written, name, f.pages_written);
    return f;
}

// Not the first epochs after a full one, or after others that changed more: they look for the blocks that those left.
static void show_epoch(const char *name, uint32_t changed)
{
    for (int k = 0; k < HISTORY; k++) {
        change(changed);
        save(getpid(), 0, HISTORY);
    }
    change(changed);
    struct ckpt_figures f = show_save(name);
    raw_epoch(name, (uint32_t)f.pages_written * PAGE);
}

static void save_modes(uint32_t kib)
{
    fill(kib);
    raw_write();
    for (int k = 0; k < samples(); k++) {
        remove_image();
        raw_write();
        show_save("full");
        show_epoch("changed", pages >= 100 ? pages / 100 : 1);
        show_epoch("idle", 0);
    }
}

static void shares(uint32_t kib)
{
    static const uint32_t percents[] = { 0, 1, 5, 10, 25, 50, 100 };
    char name[16];

    fill(kib);
    remove_image();
    save(getpid(), 0, HISTORY);
    for (int k = 0; k < FEW_SAMPLES; k++) {
        for (uint32_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
            snprintf(name, sizeof(name), "share_%u", percents[i]);
            show_epoch(name, (uint32_t)((uint64_t)pages * percents[i] / 100));
        }
    }
}

// ---- restore

// Saved while it waits for a byte; answers when it runs, and when it has touched all of its memory.
static void sleeper(const struct talk *t)
{
    be_told(t);
    answer(t, 'r');
    answer(t, touch_all() ? 't' : 'T');
    _exit(0);
}

static void restore_once(const struct talk *t, unsigned flags, const char *first, const char *all)
{
    uint64_t begin = restore_begin(t, t, flags, 0);

    hear(t);
    uint64_t running = clock_ns();
    hear(t);
    uint64_t end = clock_ns();
    show_ns(first, running - begin);
    show_ns(all, end - begin);
    (void)waitpid(restored, NULL, 0);
}

static void raw_read(uint32_t kib)
{
    static _Alignas(PAGE) char buffer[CALL];
    int fd = raw_disk(O_RDONLY);
    uint64_t begin = clock_ns();

    for (uint32_t at = 0; at < kib * KIB; at += CALL)
        get(fd, buffer, CALL);
    show_ns("raw_read", clock_ns() - begin);
    close(fd);
}

static void restore(uint32_t kib)
{
    struct talk t;

    pid_t child = talk_fork(&t);
    if (child == 0) {
        fill(kib);
        answer(&t, 'f');
        sleeper(&t);
    }
    hear(&t);
    remove_image();
    save(child, CKPT_SAVE_EXTERNAL | CKPT_SAVE_KILL, HISTORY);
    (void)waitpid(child, NULL, 0);
    for (int k = 0; k < SAMPLES; k++) {
        raw_read(kib);
        restore_once(&t, 0, "first", "all");
        restore_once(&t, CKPT_RESTORE_EAGER, "eager_first", "eager_all");
    }
}

// ---- copy

#define SKEW (37 * PAGE)  // else source and target would share their places in an emulator's table of pages

static void copy(uint32_t kib)
{
    fill(kib);
    size_t size = pages * PAGE;
    char *target = sbrk((intptr_t)(size + SKEW));
    if (target == (void *)-1)
        err(1, "memory");
    for (int k = 0; k <= SAMPLES; k++) {
        uint64_t begin = clock_ns();
        memcpy(target + SKEW, memory, size);
        uint64_t end = clock_ns();
        if (k > 0)  // the first one meets pages that aren't there yet
            show_ns("copy", end - begin);
    }
}

// ---- rate

// Back to back for a second. Those that nobody waits for count from the first call to the last one's return.
static void rate_once(const char *name, unsigned flags)
{
    struct sysinfo before, after;
    struct ckpt_figures f;
    int n = 0;

    sysinfo(&before);
    uint64_t begin = clock_ns(), end;
    do {
        change(10);
        f = save(getpid(), flags, HISTORY);
        n++;
        end = clock_ns();
    } while (end - begin < SECOND);
    if (!becomes_durable(&f))
        errx(1, "out of memory");
    sysinfo(&after);
    printf("%s %.1f per_s\n", name, n * 1e9 / (double)(end - begin));
    printf("%s_flushes %.2f each\n", name, (double)(after.disk_flushes - before.disk_flushes) / n);
    printf("%s_writes %.2f each\n", name, (double)(after.disk_writes - before.disk_writes) / n);
}

static void rate(uint32_t kib)
{
    fill(kib);
    remove_image();
    for (int k = 0; k < 20; k++) {
        change(10);
        save(getpid(), 0, HISTORY);
    }
    for (int k = 0; k < SAMPLES; k++) {
        rate_once("durable", 0);
        rate_once("nondurable", CKPT_SAVE_NOWAIT);
    }
}

// ---- slowdown

#define PIECE 1000  // steps of work between two looks at the clock

// How many pieces of work were done in a second, while a twentieth of the memory changed.
static uint32_t work(void)
{
    static volatile uint32_t x;
    uint64_t begin = clock_ns(), elapsed;
    uint32_t done = 0, changed = 0;

    do {
        for (int i = 0; i < PIECE; i++)
            x = x * 1664525 + 1013904223;
        done++;
        elapsed = clock_ns() - begin;
        uint32_t due = (uint32_t)(elapsed * pages / 20 / SECOND);
        change(due - changed);
        changed = due;
    } while (elapsed < SECOND);
    return done;
}

static double work_of(const struct talk *t, pid_t child, bool saved)
{
    uint32_t done;

    tell(t);
    if (saved)
        save(child, CKPT_SAVE_EXTERNAL, HISTORY);
    get(t->back[0], &done, sizeof(done));
    return done;
}

// The seconds with a checkpoint lie between those without: what else the host does weighs on both alike.
static void slowdown(uint32_t kib)
{
    struct talk t;

    pid_t child = talk_fork(&t);
    if (child == 0) {
        for (fill(kib);;) {
            be_told(&t);
            uint32_t done = work();
            put(t.back[1], &done, sizeof(done));
        }
    }
    for (int k = 0; k < 3; k++)
        (void)work_of(&t, child, true);
    for (int k = 0; k < SAMPLES; k++) {
        double without = work_of(&t, child, false);
        double with = work_of(&t, child, true) + work_of(&t, child, true);
        without += work_of(&t, child, false);
        printf("slowdown %.2f percent\n", 100 * (1 - with / without));
    }
    end_child(child);
}

static const struct mode modes[] = {
    { "pause", pause }, { "fork", fork_and_write }, { "save", save_modes },   { "share", shares },
    { "copy", copy },   { "restore", restore },     { "slowdown", slowdown }, { "rate", rate },
};

int main(int argc, char **argv)
{
    run_mode(modes, sizeof(modes) / sizeof(modes[0]), argc, argv);
    usage("checkpoints pause | fork | save | share | restore | copy | rate | slowdown KIB");
}
