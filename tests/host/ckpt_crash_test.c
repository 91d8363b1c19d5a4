// Crash anywhere: checkpoints in progress.
//
// The engine's writing side (kernel/ckpt) saves families made up by ckpt_people.c into images on kernel/fs: epochs that
// go on from the newest or an older one, whole ones, histories of every length, carried contents, replaced and removed
// files, cancelled saves, pinned epochs, a disk that becomes full. After every save the image keeps and holds what the
// model says. Then the power fails in many places: the file system must be sound, and each name must mean the image
// with the last epoch that was reported durable, or the one that was being written, with all that it keeps; the files
// that a family writes are as they were when it was saved, if it hasn't written since.
//
// usage: ckpt_crash_test [SEED [STATES [FIRST]]]
#include "ckpt_life.h"
#include <base/string.h>
#include <sched/thread.h>
#include <uapi/checkpoint.h>

#define DISK_BLOCKS  3000
#define TIGHT_BLOCKS 700
#define STEPS        14
#define STEADY_STEPS 60
#define STRIDE       6

static struct book books[BOOKS];
static struct life lives[BOOKS];
static u32 life_count;

static void begin(void)
{
    CHECK_OK(fs_mount(crash_disk));
    book_init(&books[0], "/a.ckpt");
    book_init(&books[1], "/b.ckpt");
}

static void end(void)
{
    books_forget_memos();
    CHECK_OK(fs_sync());
    CHECK_OK(fs_unmount());
}

static void live(struct life *l, struct book *b, struct book *other)
{
    struct outcome out;

    for (u32 n = 0; n < STEPS; n++) {
        struct book *to = host_random(6) ? b : other;
        struct plan plan = plan_random();
        life_step(l, to);
        life_save(l, to, &plan, &out);
    }
}

// One family, two names.
static void work_alone(void *arg)
{
    begin();
    life_begin(&lives[0], 100);
    live(&lives[0], &books[0], &books[1]);
    life_end(&lives[0]);
    end();
}

// Small epochs, one after the other, until they fit into what the file has: then the disk is flushed twice for each,
// and nothing else becomes durable by the way.
static void work_steadily(void *arg)
{
    struct plan plan = { CKPT_SAVE_TREE | CKPT_SAVE_EXTERNAL, 2, NEVER_CANCEL, false };
    struct outcome out;

    begin();
    life_begin(&lives[0], 100);
    for (u32 n = 0; n < STEADY_STEPS; n++) {
        household_change(&lives[0].h, 4);
        if (host_random(3) == 0)
            life_write(&lives[0]);
        life_save(&lives[0], &books[0], &plan, &out);
    }
    life_end(&lives[0]);
    end();
}

// Epochs that nobody waits for, one on the other: what is written while the disk is flushed becomes durable together.
static void work_unwaited(void *arg)
{
    static const u32 histories[] = { 1, 2, 5, CKPT_HISTORY_ALL };
    struct plan plan = { CKPT_SAVE_TREE | CKPT_SAVE_EXTERNAL, histories[host_random(4)], NEVER_CANCEL, false };
    struct outcome out;
    u32 epochs = 0, flushes = 0;

    begin();
    life_begin(&lives[0], 100);
    life_save(&lives[0], &books[0], &plan, &out);
    host_slow_flushes(100);
    for (u32 n = 0; n < STEADY_STEPS / 4; n++) {
        u32 count = 1 + host_random(UNWAITED_MAX);
        for (u32 k = 0; k < count; k++) {
            household_change(&lives[0].h, host_random(8));
            if (host_random(3) == 0)
                thread_yield();
            life_save_unwaited(&lives[0], &books[0], &plan);
        }
        flushes += life_await(&lives[0], &books[0]);
        epochs += count;
    }
    host_slow_flushes(0);
    CHECK(flushes < 2 * epochs);
    life_end(&lives[0]);
    end();
}

// Some of these epochs are large, so that the file becomes shorter after them; families fork, so that pages are looked
// for in what is under way; and saves that are to be waited for are given up meanwhile.
static void work_given_up(void *arg)
{
    struct plan plan = { CKPT_SAVE_TREE | CKPT_SAVE_EXTERNAL, 1 + host_random(2), NEVER_CANCEL, false };
    struct outcome out;

    begin();
    life_begin(&lives[0], 100);
    life_save(&lives[0], &books[0], &plan, &out);
    host_slow_flushes(100);
    for (u32 n = 0; n < STEADY_STEPS / 2; n++) {
        for (u32 k = 1 + host_random(3); k > 0; k--) {
            household_change(&lives[0].h, host_random(4) ? host_random(8) : 150);
            if (host_random(8) == 0)
                host_random(2) ? household_fork(&lives[0].h) : household_exit(&lives[0].h);
            life_save_unwaited(&lives[0], &books[0], &plan);
            if (host_random(2) == 0)
                life_give_up(&lives[0], &books[0], &plan);
        }
        (void)life_await(&lives[0], &books[0]);
    }
    host_slow_flushes(0);
    life_end(&lives[0]);
    end();
}

// Two families that take turns and share the names.
static void work_in_turns(void *arg)
{
    struct outcome out;

    begin();
    for (u32 i = 0; i < BOOKS; i++)
        life_begin(&lives[i], 100 * (int)(i + 1));
    for (u32 n = 0; n < STEPS; n++) {
        struct life *l = &lives[host_random(BOOKS)];
        struct book *b = &books[host_random(8) ? l - lives : host_random(BOOKS)];
        struct plan plan = plan_random();
        life_unpin(&lives[l == lives]);
        life_step(l, b);
        life_save(l, b, &plan, &out);
    }
    for (u32 i = 0; i < BOOKS; i++)
        life_end(&lives[i]);
    end();
}

static void live_at_once(void *arg)
{
    u32 i = life_count++;

    live(&lives[i], &books[i], &books[i]);
}

// Two families at once, each with its own name.
static void work_at_once(void *arg)
{
    begin();
    life_count = 0;
    for (u32 i = 0; i < BOOKS; i++)
        life_begin(&lives[i], 100 * (int)(i + 1));
    for (u32 i = 0; i < BOOKS; i++)
        host_spawn(live_at_once, NULL);
    host_join();
    for (u32 i = 0; i < BOOKS; i++)
        life_end(&lives[i]);
    end();
}

static void examine(void *arg)
{
    const struct crash *c = arg;

    CHECK_OK(fs_mount(crash_disk));
    for (u32 i = 0; i < BOOKS; i++)
        book_check(&books[i], c);
    stills_check(c);
    CHECK_OK(fs_unmount());
}

static void attempt(u64 blocks, void (*work)(void *))
{
    crash_disk_create(blocks, 0);
    u64 objects = host_objects();
    crash_try(work, examine, STRIDE);
    CHECK(host_objects() == objects);
    books_free();
}

static void try_alone(void)
{
    attempt(DISK_BLOCKS, work_alone);
}

static void try_full_disk(void)
{
    attempt(TIGHT_BLOCKS, work_alone);
}

static void try_steadily(void)
{
    attempt(DISK_BLOCKS, work_steadily);
}

static void try_unwaited(void)
{
    attempt(DISK_BLOCKS, work_unwaited);
}

static void try_given_up(void)
{
    attempt(DISK_BLOCKS, work_given_up);
}

static void try_in_turns(void)
{
    attempt(DISK_BLOCKS, work_in_turns);
}

static void try_at_once(void)
{
    attempt(DISK_BLOCKS, work_at_once);
}

int main(int argc, char **argv)
{
    static void (*const workloads[])(void) = { try_alone,    try_in_turns, try_full_disk, try_at_once,
                                               try_steadily, try_unwaited, try_given_up };

    life_prepare();
    return crash_main(argc, argv, "ckpt_crash_test", workloads, ARRAY_SIZE(workloads));
}
