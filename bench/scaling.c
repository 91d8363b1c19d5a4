// scaling WHAT N: how the costs of checkpoints and restores grow with what.
//
//     scaling size KIB         of memory
//     scaling family N         processes, each with some memory of its own
//     scaling descriptors N    open files
//     scaling history N        epochs kept, up to N; 1 % of 16 MiB changes from one to the next
//
// Each of the first three prints the pause, the time of a full epoch and of one in which nothing changed, and how long
// a restore takes to the first instruction. Lines are "name value unit".
#include "workload.h"
#include <fcntl.h>
#include <sys/stat.h>

#define SAMPLES    5
#define HISTORY    2
#define MEMBER_KIB 16

// Does so much each time that it is told, and says so before and after.
static void serve(const struct talk *t, uint32_t changes)
{
    for (;;) {
        be_told(t);
        answer(t, 'r');
        change(changes);
        answer(t, 'c');
    }
}

static pid_t start(struct talk *t, void (*prepare)(uint32_t n), uint32_t n, uint32_t changes)
{
    pid_t child = talk_fork(t);

    if (child == 0) {
        prepare(n);
        answer(t, 'p');
        serve(t, changes);
    }
    hear(t);
    return child;
}

static void show(const char *prefix, const char *name, uint64_t ns)
{
    printf("%s%s %.1f us\n", prefix, name, (double)ns / 1000);
}

static void save_and_show(pid_t child, const char *prefix)
{
    struct ckpt_figures f = save(child, CKPT_SAVE_TREE | CKPT_SAVE_EXTERNAL, HISTORY);

    show(prefix, "pause", f.pause_ns);
    show(prefix, "time", f.total_ns);
}

// The image's processes that are left end when the first one does: none of one round is there in the next.
static void wait_until_alone(uint32_t procs)
{
    struct sysinfo info;

    for (;;) {
        sysinfo(&info);
        if (info.procs_live <= procs)
            return;
        sleep_ticks(1);
    }
}

static void measure(void (*prepare)(uint32_t n), uint32_t n)
{
    struct sysinfo info;
    struct talk t;

    sysinfo(&info);
    pid_t child = start(&t, prepare, n, 0);
    for (int k = 0; k < SAMPLES; k++) {
        remove_image();
        save_and_show(child, "full_");
        save_and_show(child, "idle_");
    }
    end_child(child);
    for (int k = 0; k < SAMPLES; k++) {
        wait_until_alone(info.procs_live);
        uint64_t begin = restore_begin(&t, &t, 0, 0);
        hear(&t);
        show("", "first", clock_ns() - begin);
        hear(&t);
        end_child(restored);
    }
}

// ---- family

// Lives until the first process of the family has ended.
static void member(const int life[2], int up)
{
    char byte = 'u';

    fill(MEMBER_KIB);
    put(up, &byte, 1);
    close(up);
    close(life[1]);
    _exit((int)read(life[0], &byte, 1));
}

static void make_family(uint32_t n)
{
    int life[2], up[2];
    char byte;

    make_pipe(life);
    make_pipe(up);
    fill(MEMBER_KIB);
    for (uint32_t k = 1; k < n; k++)
        if (fork_child() == 0)
            member(life, up[1]);
    for (uint32_t k = 1; k < n; k++)
        get(up[0], &byte, 1);
    close(up[0]);
    close(up[1]);
    close(life[0]);
}

// ---- descriptors

// So many in all; the first ones are there already.
static void open_files(uint32_t n)
{
    char name[8];
    int fd;

    do {
        static uint32_t count;
        snprintf(name, sizeof(name), "/d%u", count++);
        fd = open(name, O_CREATE | O_RDWR);
        if (fd < 0)
            err(1, "%s", name);
    } while (fd + 1 < (int)n);
}

// ---- history

#define HISTORY_KIB   (16 * KIB)
#define HISTORY_PAGES (HISTORY_KIB * KIB / PAGE / 100)
#define EPOCHS        50  // at each length: every once in a while one looks for the blocks that dropped ones leave

static struct ckpt_figures next_epoch(const struct talk *t, pid_t child, uint32_t keep)
{
    tell(t);
    hear(t);
    hear(t);
    return save(child, CKPT_SAVE_EXTERNAL, keep);
}

static void show_history(const struct talk *t, pid_t child, uint32_t keep, uint64_t *newest)
{
    char prefix[32];
    struct stat st;

    snprintf(prefix, sizeof(prefix), "kept_%u_", keep);
    for (int k = 0; k < EPOCHS; k++) {
        struct ckpt_figures f = next_epoch(t, child, keep);
        show(prefix, "time", f.total_ns);
        printf("%spause %.1f us\n%sbytes %llu bytes\n", prefix, (double)f.pause_ns / 1000, prefix, f.bytes_written);
    }
    for (int k = 0; k < SAMPLES; k++) {
        struct ckpt_figures f = save(child, CKPT_SAVE_EXTERNAL, keep);
        show(prefix, "idle", f.total_ns);
        *newest = f.epoch;
    }
    if (stat(IMAGE, &st) < 0)
        err(1, IMAGE);
    printf("%sfile %llu bytes\n", prefix, (unsigned long long)st.size);
}

static void show_restore(const struct talk *t, uint32_t keep, const char *name, uint64_t epoch)
{
    struct talk own;

    talk_open(&own);
    for (int k = 0; k < SAMPLES; k++) {
        uint64_t begin = restore_begin(t, &own, 0, epoch);
        hear(&own);
        printf("kept_%u_%s %.1f us\n", keep, name, (double)(clock_ns() - begin) / 1000);
        hear(&own);
        end_child(restored);
    }
    close(own.there[0]), close(own.there[1]);
    close(own.back[0]), close(own.back[1]);
}

static void history(uint32_t most)
{
    static const uint32_t lengths[] = { 1, 3, 10, 30, 100, 300, 1000 };
    uint64_t newest = 0;
    struct talk t;

    remove_image();
    pid_t child = start(&t, fill, HISTORY_KIB, HISTORY_PAGES);
    for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]) && lengths[i] <= most; i++) {
        for (uint32_t kept = i ? lengths[i - 1] : 0; kept < lengths[i]; kept++)
            (void)next_epoch(&t, child, lengths[i]);
        show_history(&t, child, lengths[i], &newest);
        show_restore(&t, lengths[i], "first", newest);
        show_restore(&t, lengths[i], "first_of_oldest", newest - lengths[i] + 1);
    }
    end_child(child);
}

static void sizes(uint32_t n)
{
    measure(fill, n);
}

static void families(uint32_t n)
{
    measure(make_family, n);
}

static void descriptors(uint32_t n)
{
    measure(open_files, n);
}

static const struct mode modes[] = {
    { "size", sizes }, { "family", families }, { "descriptors", descriptors }, { "history", history }
};

int main(int argc, char **argv)
{
    run_mode(modes, sizeof(modes) / sizeof(modes[0]), argc, argv);
    usage("scaling size | family | descriptors | history N");
}
