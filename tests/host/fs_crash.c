// From what was recorded to the states after a crash.
#include "fs_crash.h"
#include <base/format.h>
#include <base/string.h>
#include <fsfmt/fsfmt.h>
#include <stdarg.h>
#include <stdlib.h>

#define INODES     64
#define JOURNAL    64
#define SECTOR     512
#define SAMPLES    3   // states at each place, besides the one with all that was written
#define CUT_ONE_IN 40  // states whose recovery is cut short, too
#define LOG_SHOWN  40

struct disk *crash_disk;
struct host_log crash_log;
static struct fs_super super;
static void (*examine)(void *crash);
static u64 states_tried, states_wanted, recoveries_cut;

void crash_disk_create(u64 blocks, u64 formatted)
{
    crash_disk = host_disk_create(blocks);
    host_format(formatted, INODES, JOURNAL);
    CHECK(fs_super_decode(host_disk_bytes(), blocks, &super) == FS_OK);
}

// Telling.

static void show_write(size_t at, const struct host_write *w)
{
    struct fs_descriptor d;
    struct fs_commit commit;
    struct fs_journal_head head;

    if (w->flush)
        fprintf(stderr, "%zu: flush\n", at);
    else if (fs_descriptor_decode(w->bytes, &super, &d) == FS_OK)
        fprintf(stderr, "%zu: %llu, descriptor of %llu, %u blocks\n", at, (unsigned long long)w->block,
                (unsigned long long)d.sequence, d.count);
    else if (fs_commit_decode(w->bytes, &commit) == FS_OK)
        fprintf(stderr, "%zu: %llu, commit of %llu\n", at, (unsigned long long)w->block,
                (unsigned long long)commit.sequence);
    else if (fs_journal_head_decode(w->bytes, &super, &head) == FS_OK)
        fprintf(stderr, "%zu: %llu, head: %llu at %llu\n", at, (unsigned long long)w->block,
                (unsigned long long)head.sequence, (unsigned long long)head.start);
    else
        fprintf(stderr, "%zu: %llu\n", at, (unsigned long long)w->block);
}

void crash_fail(const struct crash *c, const char *format, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, format);
    (void)format_text_va(text, sizeof(text), format, ap);
    va_end(ap);
    for (size_t k = MAX(c->position, LOG_SHOWN) - LOG_SHOWN; k < c->position; k++)
        show_write(k, &crash_log.writes[k]);
    host_fail("after a crash at %zu of %zu (%s): %s", c->position, crash_log.count, c->kind, text);
}

// Checking one state, which the disk holds.

static void check_state(struct crash c)
{
    if (host_fsck())
        crash_fail(&c, "fsck objects");
    host_run(examine, &c);
    states_tried++;
}

static void mount_only(void *arg)
{
    CHECK_OK(fs_mount(crash_disk));
    CHECK_OK(fs_unmount());
}

// The power fails again while the state on the disk is recovered. Leaves the state as it was.
static void cut_recovery(struct crash c)
{
    u64 size = crash_disk->blocks * FS_BLOCK_SIZE;
    u8 *image = memcpy(malloc(size), host_disk_bytes(), size);
    struct host_log log = {};

    host_record(&log);
    host_run(mount_only, NULL);
    host_record(NULL);
    size_t cut = host_random((u32)log.count + 1), flushed = cut;
    while (flushed > 0 && !log.writes[flushed - 1].flush)
        flushed--;
    host_disk_set(image);
    for (size_t k = 0; k < cut; k++)
        if (!log.writes[k].flush && (k < flushed || host_random(4)))
            host_disk_write(log.writes[k].block, 0, log.writes[k].bytes, FS_BLOCK_SIZE);
    host_log_free(&log);
    c.kind = "a second one during recovery";
    check_state(c);
    recoveries_cut++;
    host_disk_set(image);
    free(image);
}

// Making states.

enum kind { ALL, HALF, ONE_LOST, ONE_ONLY, LOW_LOST, TORN, KINDS };
static const char *const kind_names[] = { "a prefix",
                                          "any half of the last writes",
                                          "one of the last writes lost",
                                          "one of the last writes only",
                                          "the last writes below a place lost",
                                          "some of the last writes torn" };

static void write_torn(const struct host_write *w)
{
    for (u32 at = 0; at < FS_BLOCK_SIZE; at += SECTOR)
        if (host_random(2))
            host_disk_write(w->block, at, w->bytes + at, SECTOR);
}

// Put writes [from, to) of the log, which no flush separates, onto the disk, or a part of them.
static void apply_window(size_t from, size_t to, enum kind kind)
{
    size_t one = from + (to > from ? host_random((u32)(to - from)) : 0);
    u64 place = to > from ? crash_log.writes[one].block : 0;

    for (size_t k = from; k < to; k++) {
        const struct host_write *w = &crash_log.writes[k];
        if (w->flush)
            continue;
        if (kind == TORN && (k == one || host_random(4) == 0))
            write_torn(w);
        else if (kind == ALL || (kind == ONE_LOST && k != one) || (kind == ONE_ONLY && k == one) ||
                 (kind == LOW_LOST && w->block >= place) || ((kind == HALF || kind == TORN) && host_random(2)))
            host_disk_write(w->block, 0, w->bytes, FS_BLOCK_SIZE);
    }
}

static void crash_at(size_t at, size_t flushed, enum kind kind)
{
    struct crash c = { at, kind_names[kind] };

    apply_window(flushed, at, kind);
    if (host_random(CUT_ONE_IN) == 0)
        cut_recovery(c);
    check_state(c);
    host_disk_revert();
}

// The disk holds what it did at the beginning.
static void crash_everywhere(u32 stride)
{
    size_t flushed = 0;  // what host_disk_revert() goes back to

    for (size_t at = 0; at <= crash_log.count && states_tried < states_wanted; at++) {
        if (at > 0 && crash_log.writes[at - 1].flush) {
            apply_window(flushed, at, ALL);
            host_disk_keep();
            flushed = at;
        }
        if (host_random(stride))
            continue;
        crash_at(at, flushed, ALL);
        for (u32 n = 0; n < SAMPLES && at > flushed; n++)
            crash_at(at, flushed, at > flushed + 1 ? 1 + host_random(KINDS - 1) : TORN);
    }
}

void crash_try(void (*work)(void *), void (*examiner)(void *crash), u32 stride)
{
    examine = examiner;
    host_disk_keep();
    host_set_preemption(host_random(2) ? 0 : 4);
    host_record(&crash_log);
    host_run(work, NULL);
    host_record(NULL);
    host_set_preemption(0);
    if (host_fsck())
        host_fail("fsck objects to the end of a workload");
    host_disk_revert();
    crash_everywhere(stride);
    host_log_free(&crash_log);
}

int crash_main(int argc, char **argv, const char *name, void (*const workloads[])(void), u32 count)
{
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, first = argc > 3 ? strtoull(argv[3], NULL, 0) : 0, tried = 0;

    states_wanted = argc > 2 ? strtoull(argv[2], NULL, 0) : 10000;
    host_set_memory(700);
    for (; states_tried < states_wanted; tried++) {
        host_set_place("%s: seed %llu, workload %llu", name, (unsigned long long)seed,
                       (unsigned long long)(first + tried));
        host_seed(seed * 100000 + first + tried);
        workloads[(first + tried) % count]();
    }
    host_disk_destroy();
    printf("%s: seed %llu, %llu crash states of %llu workloads, %llu recoveries cut short, all good\n", name,
           (unsigned long long)seed, (unsigned long long)states_tried, (unsigned long long)tried,
           (unsigned long long)recoveries_cut);
    return 0;
}
