// fail_each OPERATION KIND [FROM [STEP]]: checkpoints and restores a family while the n-th use of a resource fails, for
// n = FROM, FROM + STEP... until an operation ends before it would have failed.
//
//     OPERATION    first, again (into the same file), lazy, eager
//     KIND         frame, kmalloc, read
//
// Each operation succeeds or says why not, and in both cases: the family runs on and is unharmed, the file is as before
// or has the new epoch, verified; nothing that lived before is missing or left over; and the next operation succeeds.
//
// The family looks after itself: processes that pass numbers through a full pipe, use one offset together, keep a file
// that has no name any more, and memory that has to stay as it is. It ends with 0 when it is told to, if all was right.
#include "lives.h"
#include <amber.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGE     "/each.img"
#define STOP_FILE "/each.stop"
#define PAGES     24
#define PAGE      4096
#define MEMBERS   3
#define REPEATS   40  // of a round that left kernel objects behind: a leak does so each time, a cache or marks do not

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("fail: line %d: %s: ", __LINE__, #condition);                                                       \
            printf(__VA_ARGS__);                                                                                       \
            printf(" (errno: %s)\n", strerror(errno));                                                                 \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

// ---- the family

static uint32_t memory[PAGES * PAGE / 4];

static bool told_to_stop(void)
{
    int fd = open(STOP_FILE, O_RDONLY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void fill_memory(uint32_t key)
{
    for (size_t i = 0; i < sizeof(memory) / 4; i++)
        memory[i] = (uint32_t)i * 2654435761u ^ key;
}

static bool memory_is_right(uint32_t key)
{
    for (size_t i = 1; i < sizeof(memory) / 4; i++)
        if (memory[i] != ((uint32_t)i * 2654435761u ^ key))
            return false;
    return true;
}

// Numbers into the pipe, more than fit, until it is told to stop.
static void produce(int to)
{
    fill_memory(1);
    for (uint32_t n = 1; !told_to_stop(); n++) {
        uint32_t burst[700];
        for (uint32_t i = 0; i < 700; i++)
            burst[i] = n * 700 + i;
        if (write(to, burst, sizeof(burst)) != sizeof(burst) || !memory_is_right(1))
            _exit(41);
    }
    _exit(0);
}

// The offset is shared with the parent, which never moves it while this one lives.
static void use_offset(int shared)
{
    fill_memory(2);
    while (!told_to_stop()) {
        int64_t at = 0;
        if (lseek(shared, 3, SEEK_SET) != 3 || (at = lseek(shared, 0, SEEK_CUR)) != 3 || !memory_is_right(2))
            _exit(42);
        memory[0]++;
        sleep_ticks(1);
    }
    _exit(lseek(shared, 17, SEEK_SET) == 17 ? 0 : 43);
}

static int make_file(const char *path, const char *text)
{
    int fd = open(path, O_RDWR | O_CREATE | O_TRUNC);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (int)strlen(text), "%s", path);
    return fd;
}

static bool nameless_is_right(int fd)
{
    char text[8] = "";

    return lseek(fd, 0, SEEK_SET) == 0 && read(fd, text, 7) == 7 && strcmp(text, "unnamed") == 0;
}

static bool numbers_go_on(int from, uint32_t *next)
{
    uint32_t numbers[100];
    int n = read(from, numbers, sizeof(numbers));

    for (int i = 0; n > 0 && i < n / 4; i++)
        if (numbers[i] != (*next)++)
            return false;
    return n % 4 == 0;
}

static bool child_ended_well(pid_t pid)
{
    int status = -1;

    return waitpid(pid, &status, 0) == pid && status == 0;
}

static void be_family(void)
{
    int ends[2], shared = make_file("/each.shared", "twenty characters are here"), nameless;
    uint32_t next = 700;

    CHECK(pipe(ends) == 0, "pipe");
    fill_memory(3);
    pid_t producer = fork();
    if (producer == 0) {
        close(ends[0]);
        produce(ends[1]);
    }
    close(ends[1]);
    pid_t user = fork();
    if (user == 0) {
        close(ends[0]);
        use_offset(shared);
    }
    nameless = make_file("/each.nameless", "unnamed");
    unlink("/each.nameless");
    while (!told_to_stop()) {
        memory[0]++;
        if (!numbers_go_on(ends[0], &next) || !nameless_is_right(nameless) || !memory_is_right(3))
            _exit(44);
        sleep_ticks(1);
    }
    while (numbers_go_on(ends[0], &next) && read(ends[0], &(uint32_t){ 0 }, 4) == 4)
        next++;
    bool well = child_ended_well(producer) && child_ended_well(user);
    _exit(well && lseek(shared, 0, SEEK_CUR) == 17 ? 0 : 45);
}

// ---- looking at it from outside

static struct proc_info list[512];

/* The pids of `root` and its children, as long as they aren't zombies. */
static int members_of(pid_t root, pid_t *pids, int32_t state)
{
    int n = proc_list(list, 512), found = 0;

    for (int i = 0; i < n && i < 512 && found < MEMBERS; i++)
        if ((list[i].pid == root || list[i].ppid == root) && list[i].state != PS_ZOMBIE &&
            (!state || list[i].state == state))
            pids[found++] = list[i].pid;
    return found;
}

static uint64_t time_of(pid_t pid)
{
    int n = proc_list(list, 512);

    for (int i = 0; i < n && i < 512; i++)
        if (list[i].pid == pid)
            return list[i].cpu_ns;
    return 0;
}

static void halt_family(pid_t root)
{
    pid_t pids[MEMBERS];
    int n = members_of(root, pids, 0);

    CHECK(n == MEMBERS, "the family has %d members", n);
    for (int i = 0; i < n; i++)
        CHECK(stop_at(pids[i], EVENT_TICK, 1) == 0, "stop_at %d", pids[i]);
    for (int i = 0; members_of(root, pids, PS_STOPPED) < MEMBERS; i++) {
        CHECK(i < 1000, "they don't stop");
        sleep_ticks(1);
    }
}

static void let_run(pid_t root)
{
    pid_t pids[MEMBERS];
    int n = members_of(root, pids, 0);

    CHECK(n == MEMBERS, "the family has %d members", n);
    for (int i = 0; i < n; i++)
        (void)cont(pids[i]);
}

/* All of them get somewhere. */
static void expect_progress(pid_t root)
{
    pid_t pids[MEMBERS];
    uint64_t before[MEMBERS];

    CHECK(members_of(root, pids, 0) == MEMBERS, "the family is not whole");
    for (int k = 0; k < MEMBERS; k++)
        before[k] = time_of(pids[k]);
    for (int k = 0; k < MEMBERS; k++)
        for (int i = 0; time_of(pids[k]) == before[k]; i++) {
            CHECK(i < 2000, "process %d stands still", pids[k]);
            sleep_ticks(1);
        }
}

static pid_t start_family(void)
{
    pid_t pid, pids[MEMBERS];

    unlink(STOP_FILE);
    fflush(stdout);
    pid = fork();
    CHECK(pid >= 0, "fork");
    if (pid == 0)
        be_family();
    while (members_of(pid, pids, 0) < MEMBERS)
        sleep_ticks(1);
    sleep_ticks(10);
    return pid;
}

static int end_family(pid_t pid)
{
    int status = -1;

    close(open(STOP_FILE, O_RDWR | O_CREATE));
    CHECK(waitpid(pid, &status, 0) == pid, "the family is lost");
    unlink(STOP_FILE);
    return status;
}

// ---- what lives

static void expect_same(const struct sysinfo *before, int n)
{
    struct sysinfo now;
    const struct live *l = left_over(before, &now);

    CHECK(!l, "n = %d: %s: %llu, then %llu", n, l->name, figure(before, l), figure(&now, l));
}

// ---- operations

static int kind;
static int failed_with;  // 0: the operation succeeded
static pid_t family;

static bool makes_sense(int error)
{
    return error == (kind == FAIL_READ ? EIO : ENOMEM);
}

static void verify_image(int n)
{
    pid_t pid = fork();
    int status = -1;

    CHECK(pid >= 0, "fork");
    if (pid == 0) {
        close(1);
        (void)open("/each.log", O_RDWR | O_CREATE | O_TRUNC);
        char *const argv[] = { "ckptinfo", "-v", IMAGE, NULL };
        execv("/ckptinfo", argv);
        _exit(99);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0, "n = %d: the image is not sound: status %x", n, status);
}

static int save(uint32_t flags, struct ckpt_figures *figures)
{
    struct ckpt_save_args args = {
        .path = (uintptr_t)IMAGE, .pid = family, .flags = CKPT_SAVE_TREE | flags, .history = 4
    };

    return ckpt_save(&args, figures);
}

// Returns how often the fault point failed.
static int save_failing(int n, struct ckpt_figures *figures)
{
    int result, failed;

    failed_with = 0;
    errno = 0;
    (void)fail_at(kind, n);
    result = save(0, figures);
    if (result)
        failed_with = errno;
    failed = fail_at(kind, 0);
    CHECK(result == 0 || (failed && makes_sense(failed_with)), "n = %d: result %d", n, result);
    return failed;
}

static int first_round(int n)
{
    struct ckpt_figures figures;
    struct stat st;

    unlink(IMAGE);
    int failed = save_failing(n, &figures);
    if (failed_with)
        CHECK(stat(IMAGE, &st) == -1, "n = %d: a file is there", n);
    else
        verify_image(n);
    return failed;
}

static uint64_t newest;

static int again_round(int n)
{
    struct ckpt_figures figures;
    int failed = save_failing(n, &figures);

    verify_image(n);
    if (!failed_with) {
        CHECK(figures.epoch == newest + 1 || figures.epoch == 1, "n = %d: epoch %llu", n, figures.epoch);
        newest = figures.epoch;
    }
    return failed;
}

static void prepare_checkpoint(void)
{
    struct ckpt_figures figures;

    family = start_family();
    unlink(IMAGE);
    CHECK(save(0, &figures) == 0, "the first checkpoint");
    CHECK(save(0, &figures) == 0, "the second checkpoint");
    newest = figures.epoch;
}

static void restore(int n, bool eager, int tell)
{
    struct ckpt_restore_args args = { .path = (uintptr_t)IMAGE, .flags = eager ? CKPT_RESTORE_EAGER : 0 };
    int ends[2], file = open("/", O_RDONLY), before = getpid();
    char byte = 0;

    CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1, "pipe");
    fill_memory(7);
    (void)fail_at(kind, n);
    int result = ckpt_restore(&args);
    int error = errno;
    int failed = fail_at(kind, 0);
    // The caller is as before.
    CHECK(result == -1 && failed && makes_sense(error), "n = %d: result %d, error %s", n, result, strerror(error));
    CHECK(getpid() == before && memory_is_right(7) && close(file) == 0, "n = %d: changed", n);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x', "n = %d: pipe", n);
    CHECK(write(tell, "back", 1) == 1, "pipe");
    exit(77);
}

// What is left of a family whose first process has ended. Nothing else runs while a restore is tried.
static void end_orphans(void)
{
    int n = 512;

    close(open(STOP_FILE, O_RDWR | O_CREATE));
    for (int i = 0; n > 0 && i < 1000; i++) {
        int jobs = 0;
        n = proc_list(list, 512);
        for (int k = 0; k < n && k < 512; k++)
            jobs += list[k].job != 0;
        n = jobs;
        sleep_ticks(n ? 1 : 0);
    }
    CHECK(n == 0, "%d of the restored family don't end", n);
    unlink(STOP_FILE);
}

// It may fail to restore; or later, when memory doesn't come, and then some of the family end.
static int restore_round(int n, bool eager)
{
    int status = -1, ends[2];
    char byte;

    unlink(STOP_FILE);
    fflush(stdout);
    CHECK(pipe(ends) == 0, "pipe");
    pid_t pid = fork();
    CHECK(pid >= 0, "fork");
    if (pid == 0)
        restore(n, eager, ends[1]);
    // It says so when it has come back; its end is closed when it is somebody else.
    close(ends[1]);
    bool is_back = read(ends[0], &byte, 1) == 1;
    close(ends[0]);
    if (is_back)
        CHECK(waitpid(pid, &status, 0) == pid, "n = %d: the child is lost", n);
    for (int i = 0; i < 20 && !is_back && waitpid(pid, &status, WNOHANG) == 0; i++)
        sleep_ticks(1);
    if (status != -1) {
        // fail_at() was called in the child if it came back.
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 77) {
            int late = fail_at(kind, 0);
            CHECK(late && (!WIFEXITED(status) || WEXITSTATUS(status) > 40), "n = %d: status %x", n, status);
        }
        failed_with = 1;
        end_orphans();
        return 1;
    }
    int failed = fail_at(kind, 0);
    status = end_family(pid);
    end_orphans();
    CHECK(status == 0 || failed, "n = %d: the restored family's status is %x", n, status);
    failed_with = status;
    return failed;
}

static int lazy_round(int n)
{
    return restore_round(n, false);
}

static int eager_round(int n)
{
    return restore_round(n, true);
}

static void prepare_restore(void)
{
    struct ckpt_figures figures;
    struct sysinfo before, now;

    sysinfo(&before);
    family = start_family();
    unlink(IMAGE);
    CHECK(save(CKPT_SAVE_KILL, &figures) == 0, "the checkpoint");
    CHECK(waitpid(family, NULL, 0) == family, "the family");
    family = 0;
    do {
        sleep_ticks(10);
        sysinfo(&now);
    } while (now.procs_live > before.procs_live);
}

static const struct operation {
    const char *name;
    void (*prepare)(void);
    int (*round)(int n);
} operations[] = {
    { "first", prepare_checkpoint, first_round },
    { "again", prepare_checkpoint, again_round },
    { "lazy", prepare_restore, lazy_round },
    { "eager", prepare_restore, eager_round },
};

// ---- rounds

static int play(const struct operation *op, int n)
{
    struct sysinfo before;

    if (family)
        halt_family(family);
    sysinfo(&before);
    int failed = op->round(n);
    if (op->round != first_round)
        expect_same(&before, n);
    if (family)
        let_run(family);
    return failed;
}

/* Does each such round leave something behind? Caches may grow, but not each time. */
static void look_for_leaks(const struct operation *op, int n, int64_t before)
{
    int64_t now = kernel_objects();

    for (int i = 0; i < REPEATS; i++) {
        if (now <= before)
            return;
        before = now;
        (void)play(op, n);
        (void)play(op, 0);
        now = kernel_objects();
    }
    if (now > before)
        printf("leak? n = %d: %lld kernel objects, then %lld\n", n, before, now);
}

static void expect_health(const struct operation *op)
{
    if (family)
        expect_progress(family);
    (void)play(op, 0);
    CHECK(!failed_with, "without a fault: error %d", failed_with);
}

static void run(const struct operation *op, int from, int step)
{
    int n = from, refused = 0;

    op->prepare();
    for (int i = 0; i < 3; i++)
        expect_health(op);
    for (;; n += step) {
        int64_t before = kernel_objects();
        int failed = play(op, n);
        refused += failed_with != 0;
        bool done = !failed && !failed_with;
        if (n % 8 == 1 || done)
            expect_health(op);
        if (failed_with)
            look_for_leaks(op, n, before);
        if (done)
            break;
    }
    expect_health(op);
    if (family)
        CHECK(end_family(family) == 0, "the family is harmed");
    printf("pass: %d places, %d refused\n", (n - from) / step, refused);
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = { [FAIL_FRAME] = "frame", [FAIL_KMALLOC] = "kmalloc", [FAIL_READ] = "read" };

    for (int k = FAIL_FRAME; argc > 2 && k <= FAIL_READ; k++)
        if (strcmp(argv[2], kinds[k]) == 0)
            kind = k;
    for (size_t i = 0; kind && i < sizeof(operations) / sizeof(operations[0]); i++)
        if (strcmp(argv[1], operations[i].name) == 0) {
            run(&operations[i], argc > 3 ? atoi(argv[3]) : 1, argc > 4 ? atoi(argv[4]) : 1);
            return 0;
        }
    fprintf(stderr, "usage: fail_each first|again|lazy|eager frame|kmalloc|read [FROM [STEP]]\n");
    return 2;
}
