// fail_kinds [-b BOUND] [-s SEED] KIND...
// fail_kinds -d write|flush -n N KIND...
//
// Takes tests of kinds.c through checkpoints and restores that fail, and says of each "ok KIND", or "FAILED KIND" with
// the reason. "all" in the place of kinds: all (kind.h).
//
// Operations: a checkpoint into a new file, one more into a file that has epochs, a lazy restore, an eager one. The
// resources that fail: memory in small and in frames, the disk's reads and writes. For each pair the n-th use fails,
// n = 1, 2, 3 ... until the operation ends before it would have failed; beyond BOUND (64) n goes on in random steps.
// Each time: an error that names the cause, nothing that lived before is missing or left over, the file is as before.
// Then the process that all this was done to is let go, and has to pass; and a second one is ended, restored from the
// epoch before the first failure, and has to pass.
//
// What the journal can't write ends all writing, by design, and so does a flush that fails. That is tried by -d: all
// the kinds are saved, and saved again while the disk dies at the N-th write or flush. They run on; the machine is left
// like that, for the next start to restore them.
#include "../../user/bin/image_source.h"
#include "kind.h"
#include "lives.h"
#include <stdbool.h>

enum { STEP_MAX = 16 };
enum { BEYOND = 8 };  // successes in a row although something failed: by then it's what was restored that fails

static const struct resource {
    const char *name;
    int id, error;
} resources[] = {
    { "kmalloc", FAIL_KMALLOC, ENOMEM },
    { "frame", FAIL_FRAME, ENOMEM },
    { "read", FAIL_READ, EIO },
    { "write", FAIL_WRITE, EIO },
};

enum { RESOURCES = sizeof(resources) / sizeof(resources[0]) };

static int bound = 64;
static uint32_t seed = 1;
static unsigned places, refusals;

static pid_t family;    // that is saved
static char other[64];  // a second image
static uint64_t known;  // the newest epoch in the first one

// What came of one operation.
struct outcome {
    int error;   // 0: it succeeded
    int failed;  // so many uses of the resource failed
};

static struct ckpt_verifier verifier;

// The newest epoch in the file, after a check of all its bytes; 0: something is wrong.
static uint64_t sound_epoch(const char *path)
{
    struct ckpt_source source;
    int fd = -1;
    bool bad = image_open(path, &fd, &source) || ckpt_verify(&verifier, &source, 0);

    close(fd);
    return bad ? 0 : verifier.reader.header.epoch;
}

static int save(const char *path, uint32_t flags)
{
    struct ckpt_save_args args = {
        .path = (uintptr_t)path, .pid = family, .flags = CKPT_SAVE_TREE | flags, .history = CKPT_HISTORY_ALL
    };

    return ckpt_save(&args, NULL);
}

static struct outcome save_failing(const char *path, const struct resource *r, int n)
{
    struct outcome x = { 0, 0 };

    (void)fail_at(r->id, n);
    if (save(path, 0))
        x.error = errno;
    x.failed = fail_at(r->id, 0);
    return x;
}

// ---- operations

static int save_first(const struct resource *r, int n, struct outcome *x)
{
    struct stat st;

    unlink(other);
    *x = save_failing(other, r, n);
    if (x->error)
        return stat(other, &st) == 0 ? failed("a file is there") : 0;
    bool sound = sound_epoch(other) == 1;
    unlink(other);
    return sound ? 0 : failed("the image is not sound");
}

static int make_room(void)
{
    static char zeros[1 << 20];
    int fd = open(image, O_WRONLY | O_APPEND);
    bool bad = fd < 0 || write(fd, zeros, sizeof(zeros)) != sizeof(zeros) || fsync(fd);

    close(fd);
    return bad;
}

static int save_again(const struct resource *r, int n, struct outcome *x)
{
    // Where the file has blocks for it, the journal has no part in a checkpoint, and all writes are its own.
    if (r->id == FAIL_WRITE && make_room())
        return failed("make room");
    *x = save_failing(image, r, n);
    known += !x->error;
    return sound_epoch(image) == known ? 0 : failed("the image is not as before");
}

static uint64_t base;  // the epoch that is restored

// The child's part of a restore: it becomes the image, or tells what came of it.
static _Noreturn void become(const struct resource *r, int n, uint32_t flags, int tell)
{
    struct ckpt_restore_args args = { .path = (uintptr_t)image, .epoch = base, .flags = flags };
    int before = getpid();

    (void)fail_at(r->id, n);
    ckpt_restore(&args);
    struct outcome x = { errno, 0 };
    x.failed = fail_at(r->id, 0);
    if (getpid() == before)
        write(tell, &x, sizeof(x));
    _exit(0);
}

// End all that was restored, and whoever was waiting for it.
static int end_restored(pid_t pid)
{
    static struct proc_info list[256];

    for (int end = uptime() + KIND_PATIENCE, alive = 1; alive; sleep_ticks(alive > 0)) {
        int n = proc_list(list, 256);
        alive = 0;
        for (int k = 0; k < n && k < 256; k++)
            if (list[k].job && list[k].state != PS_ZOMBIE) {
                alive++;
                kill(list[k].pid);
            }
        if (uptime() > end)
            return failed("what was restored doesn't end");
    }
    return waitpid(pid, NULL, 0) == pid ? 0 : failed("the restored process is lost");
}

// While it is tried nobody else takes memory: the parent sleeps in a pipe that the child's end closes, or its new life.
// A restored one that finds no memory ends, and others may say so in their output: -f accept.
static int restore(const struct resource *r, int n, uint32_t flags, struct outcome *x)
{
    int ends[2];

    if (pipe(ends))
        return failed("pipe");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        become(r, n, flags | CKPT_RESTORE_ACCEPT, ends[1]);
    close(ends[1]);
    *x = (struct outcome){ 0, 0 };
    bool refused = read(ends[0], x, sizeof(*x)) == sizeof(*x);
    if (!refused)
        x->failed = fail_at(r->id, 0);
    close(ends[0]);
    if (!refused)
        return end_restored(pid);
    return waitpid(pid, NULL, 0) == pid ? 0 : failed("who tried to restore is lost");
}

static int restore_lazy(const struct resource *r, int n, struct outcome *x)
{
    return restore(r, n, 0, x);
}

static int restore_eager(const struct resource *r, int n, struct outcome *x)
{
    return restore(r, n, CKPT_RESTORE_EAGER, x);
}

struct operation {
    const char *name;
    int (*run)(const struct resource *r, int n, struct outcome *x);
};

static const struct operation first = { "first", save_first }, again = { "again", save_again },
                              lazy = { "lazy", restore_lazy }, eager = { "eager", restore_eager };

// ---- places

static int complain(const struct operation *op, const struct resource *r, int n, const char *what)
{
    char text[100];

    snprintf(text, sizeof(text), "%s, %s %d: %s", op->name, r->name, n, what);
    return failed(text);
}

static int try(const struct operation *op, const struct resource *r, int n, struct outcome *x)
{
    struct sysinfo before, now;

    sysinfo(&before);
    if (op->run(r, n, x))
        return complain(op, r, n, "see above");
    errno = x->error;
    if (x->error && (!x->failed || x->error != r->error))
        return complain(op, r, n, x->failed ? "an error that makes no sense" : "an error for no reason");
    const struct live *l = left_over(&before, &now);
    return l ? complain(op, r, n, l->name) : 0;
}

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % limit;
}

static int sweep(const struct operation *op, const struct resource *r)
{
    struct outcome x = { 0, 1 };
    int n, beyond = 0;

    if (r->id == FAIL_WRITE)
        sync();  // so that the journal has nothing to write meanwhile
    for (n = 1; x.failed && beyond < BEYOND; n += n < bound ? 1 : 1 + (int)random_below(STEP_MAX)) {
        if (try(op, r, n, &x))
            return 1;
        places++;
        refusals += x.error != 0;
        beyond = x.error ? 0 : beyond + 1;
    }
    return 0;
}

static int sweep_all(const struct operation *op)
{
    for (int k = 0; k < RESOURCES; k++)
        if ((op != &first || resources[k].id != FAIL_WRITE) && sweep(op, &resources[k]))
            return 1;
    return 0;
}

// ---- a kind

// It stands still from now on: the n-th use is to be the checkpoint's.
static int prepare(void)
{
    family = kind_start();
    snprintf(other, sizeof(other), "%s/other", folder);
    if (wait_for_ready(family))
        return failed("it doesn't get ready");
    if (save(image, CKPT_SAVE_STOP))
        return failed("checkpoint");
    known = base = sound_epoch(image);
    return base == 1 ? 0 : failed("the image is not sound");
}

static int save_and_go_on(void)
{
    if (prepare() || sweep_all(&again) || sweep_all(&first))
        return 1;
    cont(family);
    return kind_finish(family);
}

// End the family: its members are gone when this returns.
static int end_family(uint32_t procs)
{
    struct sysinfo now;

    if (save(other, CKPT_SAVE_KILL) || waitpid(family, NULL, 0) != family || unlink(other))
        return failed("it can't be ended");
    for (int end = uptime() + KIND_PATIENCE; uptime() < end; sleep_ticks(1)) {
        sysinfo(&now);
        if (now.procs_live == procs)
            return 0;
    }
    return failed("some of it don't end");
}

static int restore_and_go_on(void)
{
    struct sysinfo before;

    sysinfo(&before);
    if (prepare() || sweep(&again, &resources[0]) || end_family(before.procs_live) || sweep_all(&lazy) ||
        sweep_all(&eager))
        return 1;
    return kind_finish(kind_restore(base, CKPT_RESTORE_ACCEPT));
}

static int test_kind(void)
{
    return save_and_go_on() || restore_and_go_on();
}

// ---- the disk dies

static pid_t families[KINDS_MAX];
static int family_count;
static unsigned survivors;

static int prepare_one_more(void)
{
    if (prepare())
        return 1;
    families[family_count++] = family;
    return 0;
}

static int save_one_more(void)
{
    family = families[family_count++];
    if (save(image, 0) == 0)
        survivors++;
    else if (errno != EIO && errno != EROFS)
        return failed("an error that makes no sense");
    cont(family);
    return 0;
}

static int look_at_one_more(void)
{
    int status;

    return waitpid(families[family_count++], &status, WNOHANG) == 0 ? 0 : failed("it has ended");
}

static int let_disk_die(int resource, int n, char **list, int count)
{
    int failures = for_each_kind(list, count, prepare_one_more);

    if (failures)
        return 1;
    family_count = 0;
    (void)fail_at(resource, -n);
    failures += for_each_kind(list, count, save_one_more);
    sleep_ticks(20);
    family_count = 0;
    failures += for_each_kind(list, count, look_at_one_more);
    printf("%u saved before the disk died\n", survivors);
    return failures != 0;
}

int main(int argc, char **argv)
{
    int letter, dying = 0, n = 1;

    while ((letter = getopt(argc, argv, "b:s:d:n:")) != -1) {
        if (letter == 'b')
            bound = atoi(optarg);
        else if (letter == 's')
            seed = (uint32_t)atoi(optarg);
        else if (letter == 'd')
            dying = strcmp(optarg, "flush") == 0 ? FAIL_FLUSH : FAIL_WRITE;
        else if (letter == 'n')
            n = atoi(optarg);
        else
            optind = argc;
    }
    if (optind >= argc)
        errx(2, "usage: fail_kinds [-b BOUND] [-s SEED] KIND... | fail_kinds -d write|flush -n N KIND...");
    if (dying)
        return let_disk_die(dying, n, argv + optind, argc - optind);
    printf("seed %u\n", seed);
    int failures = for_each_kind(argv + optind, argc - optind, test_kind);
    printf("%u places, %u refused\n", places, refusals);
    return failures != 0;
}
