// states: what a disk may hold after a crash, from a log of what was written to it, and whether it's all right.
//
// The log is QEMU's blklogwrites' (dm-log-writes): the writes and flushes of a machine, in order. What was written
// before a flush is on the disk after it; of what was written since, any part may be, in any order, and of each write
// any of its sectors. So for each window between two flushes the states are: all of it, the first k writes of it, and
// samples of what is legal besides. Each is checked by fsck, which must find nothing but a journal to replay, and by
// contents.c; some are repaired by fsck and checked again.
//
// Exit status: 0 all states are right, 1 some are not, 2 this did not work.
#include "contents.h"
#include <base/byteorder.h>
#include <fcntl.h>
#include <fsck/fsck.h>
#include <getopt.h>
#include <inttypes.h>
#include <lib/tool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_MAGIC    0x6a736677736872ull
#define LOG_FLUSH    1u
#define LOG_FUA      2u
#define LOG_DISCARD  4u
#define LOG_MARK     8u
#define SECTOR       512
#define BAD_SHOWN    5  // states that are told
#define REPAIR_EVERY 8

static const char usage_text[] =
    "usage: states [-s SEED] [-n STATES] [-p PART/PARTS] [-k KEEP -d FOLDER] DISK LOG EXPECTATIONS\n"
    "Check the states in which a crash may leave the disk, whose beginning is DISK. LOG -: there was none, and DISK is "
    "the state.\n"
    "\n"
    "  -n STATES      about so many between flushes, besides one at each flush (1000)\n"
    "  -p PART/PARTS  only the states of this part, 0 to PARTS - 1\n"
    "  -k KEEP        keep so many states, evenly spread, as FOLDER/state-NUMBER.img\n";

struct write {
    u64 sector, count;  // count 0: a flush
    const u8 *bytes;
};

struct log {
    struct write *writes;
    size_t count, room;
    u64 total;  // writes
};

struct sweep {
    struct log log;
    struct contents *contents;
    u8 *base;   // all that is durable
    u8 *state;  // the disk that is looked at, as a file in memory
    int fd;
    char path[64];
    size_t size;
    u64 seed, random;
    u64 budget;
    u32 part, parts;
    u64 turn;  // counts the states of all parts
    u64 states, repaired, bad;
    u64 keep, kept;
    const char *folder;
};

static void PRINTF_LIKE(1, 2) give_up(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

static u64 random_next(struct sweep *s)
{
    // xorshift64*: Vigna, 2016
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return s->random * 2685821657736338717ull;
}

static u64 random_below(struct sweep *s, u64 n)
{
    return random_next(s) % n;
}

static u8 *map_file(const char *path, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &st) || !st.st_size)
        give_up("%s: cannot be read", path);
    u8 *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        give_up("%s: cannot be mapped", path);
    close(fd);
    *size = (size_t)st.st_size;
    return bytes;
}

// The log.

static void log_add(struct log *l, struct write w)
{
    tool_grow((void **)&l->writes, &l->room, l->count + 1, sizeof(w));
    l->writes[l->count++] = w;
    l->total += w.count != 0;
}

static void log_read(struct log *l, const char *path, size_t disk_size)
{
    size_t size, at = SECTOR;
    const u8 *log;

    if (strcmp(path, "-") == 0)
        return;
    log = map_file(path, &size);
    if (size < SECTOR || le64(log) != LOG_MAGIC || le32(log + 24) != SECTOR)
        give_up("%s: not a log of writes to sectors of %d bytes", path, SECTOR);
    for (u64 left = le64(log + 16); left > 0; left--) {
        if (size - at < SECTOR)
            give_up("%s: shorter than it says", path);
        struct write w = { le64(log + at), le64(log + at + 8), log + at + SECTOR };
        u64 flags = le64(log + at + 16);
        at += SECTOR;
        if (flags & LOG_FLUSH)
            w.count = 0;
        else if (!w.count || flags & (LOG_FUA | LOG_DISCARD | LOG_MARK))
            give_up("%s: entry %zu is neither a write nor a flush", path, l->count);
        if (w.count > (size - at) / SECTOR || w.sector > disk_size / SECTOR || w.count > disk_size / SECTOR - w.sector)
            give_up("%s: a write that does not fit", path);
        at += w.count * SECTOR;
        log_add(l, w);
    }
}

// Building a state in s->state.

static void apply_sectors(u8 *disk, const struct write *w, u64 from, u64 n)
{
    memcpy(disk + (w->sector + from) * SECTOR, w->bytes + from * SECTOR, n * SECTOR);
}

static void apply(u8 *disk, const struct write *w)
{
    apply_sectors(disk, w, 0, w->count);
}

enum tear { FIRST, LAST, SCATTERED, TEARS };

// Some of its sectors: the first ones, the last ones, or here and there.
static void apply_torn(struct sweep *s, const struct write *w)
{
    u64 cut = random_below(s, w->count + 1);

    switch ((enum tear)random_below(s, TEARS)) {
    case FIRST:
        apply_sectors(s->state, w, 0, cut);
        break;
    case LAST:
        apply_sectors(s->state, w, cut, w->count - cut);
        break;
    default:
        for (u64 k = 0; k < w->count; k++)
            if (random_next(s) >> 63)
                apply_sectors(s->state, w, k, 1);
    }
}

// Undo what a state has from the window [from, to).
static void revert(struct sweep *s, size_t from, size_t to)
{
    for (size_t k = from; k < to; k++) {
        const struct write *w = &s->log.writes[k];
        memcpy(s->state + w->sector * SECTOR, s->base + w->sector * SECTOR, w->count * SECTOR);
    }
}

static void shuffle(struct sweep *s, size_t *order, size_t n)
{
    for (size_t k = n; k > 1; k--) {
        size_t other = random_below(s, k), swap = order[k - 1];
        order[k - 1] = order[other];
        order[other] = swap;
    }
}

enum kind { PREFIX, ALL_BUT_ONE, SUBSET, TORN, KINDS };
static const char *const kind_names[] = { "the first writes", "all writes but one", "some writes",
                                          "some writes, some of them torn" };

/* A state in which the writes [from, to) were on their way. */
static void build(struct sweep *s, enum kind kind, size_t from, size_t to)
{
    size_t n = to - from, *order = tool_alloc(n + 1, sizeof(*order));
    u64 chance = (u64[]){ 10, 50, 90 }[random_below(s, 3)];
    size_t missing = from + (n ? random_below(s, n) : 0);

    for (size_t k = 0; k < n; k++)
        order[k] = from + k;
    if (kind != PREFIX)
        shuffle(s, order, n);
    for (size_t k = 0; k < n; k++) {
        const struct write *w = &s->log.writes[order[k]];
        if (kind == PREFIX || (kind == ALL_BUT_ONE && order[k] != missing))
            apply(s->state, w);
        else if (kind == TORN && random_below(s, 100) < 40)
            apply_torn(s, w);
        else if (kind >= SUBSET && random_below(s, 100) < chance)
            apply(s->state, w);
    }
    free(order);
}

// Checking.

/* fsck, and a look at the contents; returns how much is wrong, and tells on `out`. `write`: repair, as fsck -y. */
static u64 look(struct sweep *s, u64 entries, bool write, FILE *out)
{
    struct fsck_result result;
    struct image img;

    if (!image_open(&img, s->path, write))
        give_up("%s: cannot be opened", s->path);
    bool done = fsck_run(&img, write, out, &result) && !img.failed;
    u64 wrong = done ? result.found : 1;
    if (done)
        wrong += contents_check(s->contents, &img, entries, out);
    if (write && done && !image_flush(&img))
        wrong++;
    image_close(&img);
    return wrong;
}

static void keep_state(struct sweep *s)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/state-%" PRIu64 ".img", s->folder, s->turn);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0666);
    if (fd < 0 || write(fd, s->state, s->size) != (ssize_t)s->size || close(fd))
        give_up("%s: cannot be written", path);
}

static void tell(struct sweep *s, const char *kind, size_t from, u64 entries, const char *text)
{
    printf("entries up to %zu are durable, crash after %" PRIu64 ": %s:\n%s", from, entries, kind, text);
    if (s->folder && s->bad <= BAD_SHOWN)
        keep_state(s);
}

/* Check the state, and leave it as it was. The crash came after `entries`, of which the window began with `from`. */
static void check(struct sweep *s, const char *kind, size_t from, u64 entries)
{
    bool repair = s->states % REPAIR_EVERY == 0;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (s->kept < s->keep && s->turn * s->keep >= (s->kept + 1) * s->budget) {
        keep_state(s);
        s->kept++;
    }
    u64 wrong = look(s, entries, false, out);
    if (!wrong && repair) {
        wrong = look(s, entries, true, out);
        if (!wrong)
            wrong = look(s, entries, false, out);
        s->repaired++;
    }
    fclose(out);
    s->states++;
    if (wrong && ++s->bad <= BAD_SHOWN)
        tell(s, kind, from, entries, text);
    if (repair)
        memcpy(s->state, s->base, s->size);
    free(text);
}

static void learn(struct sweep *s, size_t from, u64 entries)
{
    struct fsck_result result;
    struct image img;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    build(s, PREFIX, from, entries);
    if (!image_open(&img, s->path, false))
        give_up("%s: cannot be opened", s->path);
    if (fsck_run(&img, false, out, &result))
        contents_learn(s->contents, &img, entries);
    image_close(&img);
    fclose(out);
    free(text);
    revert(s, from, entries);
}

/* Between two flushes: the entries [from, to). */
static void window(struct sweep *s, size_t from, size_t to)
{
    u64 n = to - from, samples = n ? (s->budget * n + random_below(s, s->log.total)) / s->log.total : 0;

    if (n == 1)
        samples = MIN(samples, 3);  // there is not more to tear
    for (u64 k = 0; k < samples; k++) {
        s->random = s->seed * 6364136223846793005ull + s->turn * 1442695040888963407ull + 1;
        if (s->turn++ % s->parts != s->part)
            continue;
        enum kind kind = n == 1 ? TORN : (enum kind)(k % KINDS);
        size_t crash = from + 1 + random_below(s, n);
        build(s, kind, from, crash);
        check(s, kind_names[kind], from, crash);
        revert(s, from, crash);
    }
    if (s->turn++ % s->parts != s->part)
        return;
    build(s, PREFIX, from, to);
    check(s, "all writes", from, to);
}

static void advance(struct sweep *s, size_t from, size_t to)
{
    for (size_t k = from; k < to; k++)
        apply(s->base, &s->log.writes[k]);
    for (size_t k = from; k < to; k++)
        apply(s->state, &s->log.writes[k]);
}

static void sweep_all(struct sweep *s)
{
    size_t from = 0;

    for (size_t to = 0; to <= s->log.count; to++) {
        if (to < s->log.count && s->log.writes[to].count)
            continue;
        for (size_t k = from; k <= to; k++)
            if (contents_wants(s->contents, k))
                learn(s, from, k);
        window(s, from, to);
        advance(s, from, to);
        from = to + 1;
    }
}

static void disks_prepare(struct sweep *s, const char *path)
{
    const u8 *disk = map_file(path, &s->size);

    s->fd = memfd_create("state", 0);
    if (s->fd < 0 || ftruncate(s->fd, (off_t)s->size))
        give_up("no memory for a disk");
    s->state = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    s->base = tool_alloc(1, s->size);
    if (s->state == MAP_FAILED)
        give_up("no memory for a disk");
    memcpy(s->base, disk, s->size);
    memcpy(s->state, disk, s->size);
    munmap((void *)disk, s->size);
    snprintf(s->path, sizeof(s->path), "/proc/self/fd/%d", s->fd);
}

static bool options_read(struct sweep *s, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "s:n:p:k:d:")) != -1) {
        if (c == 's')
            s->seed = strtoull(optarg, NULL, 10);
        else if (c == 'n')
            s->budget = strtoull(optarg, NULL, 10);
        else if (c == 'k')
            s->keep = strtoull(optarg, NULL, 10);
        else if (c == 'd')
            s->folder = optarg;
        else if (c != 'p' || sscanf(optarg, "%u/%u", &s->part, &s->parts) != 2 || s->part >= s->parts)
            return false;
    }
    return argc - optind == 3 && (!s->keep || s->folder);
}

int main(int argc, char **argv)
{
    static struct sweep s = { .seed = 1, .budget = 1000, .parts = 1 };
    struct image img;

    if (!options_read(&s, argc, argv)) {
        fputs(usage_text, stderr);
        return 2;
    }
    disks_prepare(&s, argv[optind]);
    log_read(&s.log, argv[optind + 1], s.size);
    if (!image_open_to_read(&img, s.path))
        give_up("%s: cannot be read", argv[optind]);
    s.contents = contents_create(&img, argv[optind + 2]);
    image_close(&img);
    sweep_all(&s);
    printf("%" PRIu64 " states of %" PRIu64 " writes and %" PRIu64 " flushes, %" PRIu64
           " repaired and checked again: %" PRIu64 " bad\n",
           s.states, s.log.total, s.log.count - s.log.total, s.repaired, s.bad);
    return s.bad ? 1 : 0;
}
