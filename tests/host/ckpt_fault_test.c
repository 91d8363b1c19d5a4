// The checkpoint engine's writing side over a long time, and when things fail.
//
// Long: images with a bounded history stay bounded over hundreds of epochs, nearly all of them cost two flushes of the
// disk once the file has room, and nothing leaks. Failing: the n-th allocation, the n-th request to the disk, for all n
// that a save comes to: a save that fails leaves what was there, and the next one succeeds.
//
// usage: ckpt_fault_test [SEED]
#include "ckpt_life.h"
#include "image.h"
#include "use.h"
#include <base/string.h>
#include <ckpt/ckpt.h>
#include <kern/time.h>
#include <sched/thread.h>
#include <stdlib.h>
#include <uapi/checkpoint.h>
#include <uapi/errno.h>

#define DISK_BLOCKS   4000
#define LONG_EPOCHS   200
#define WORK_PAGES    8  // of a small epoch
#define EPOCHS_BEFORE 4
#define UNWAITED      5
#define TIMES         30  // with a seed each
#define BEYOND        3   // places of faults that aren't reached, until no more are tried

static struct book book;
static struct life life;
static u64 seed, saves, faults;

static void begin(void)
{
    CHECK_OK(fs_mount(crash_disk));
    book_init(&book, "/a.ckpt");
    life_begin(&life, 100);
}

static void end(void)
{
    life_end(&life);
    books_forget_memos();
    CHECK_OK(fs_unmount());
}

// Run it on a fresh disk; everything is given back at the end.
static void attempt(void (*work)(void *), void *arg)
{
    crash_disk_create(DISK_BLOCKS, 0);
    u64 objects = host_objects();
    u32 frames = host_frames_used();
    host_run(work, arg);
    CHECK(host_objects() == objects && host_frames_used() == frames);
    CHECK(host_fsck() == 0);
    books_free();
}

// ---- long

struct course {
    u32 history;
    bool steady;  // always as many pages change
};

// What the file may hold besides what its epochs use: an epoch more, and a quarter or 1 MiB, so that epochs lie
// together.
static u64 blocks_allowed(u32 used)
{
    return used + MAX(used / 4, 256u) + 128;
}

static void go_on_long(void *arg)
{
    const struct course *course = arg;
    struct plan plan = { CKPT_SAVE_TREE | CKPT_SAVE_EXTERNAL, course->history, NEVER_CANCEL, false };
    struct outcome out;
    u32 used_most = 0, flushes[LONG_EPOCHS] = {}, few = 0;
    u64 blocks_most = 0, file_most = 0;

    begin();
    for (u32 n = 0; n < LONG_EPOCHS; n++) {
        household_change(&life.h, course->steady ? WORK_PAGES : host_random(10) ? host_random(12) : 200);
        if (!course->steady && host_random(10) == 0)
            household_fork(&life.h);
        if (!course->steady && host_random(10) == 0)
            household_exit(&life.h);
        host_record(&crash_log);
        life_save(&life, &book, &plan, &out);
        host_record(NULL);
        host_log_free(&crash_log);
        CHECK(!out.err && out.continued == (n > 0));
        used_most = MAX(used_most, out.used);
        blocks_most = MAX(blocks_most, out.blocks);
        file_most = MAX(file_most, out.file_blocks);
        flushes[n] = out.flushes;
        saves++;
    }
    for (u32 n = LONG_EPOCHS / 2; n < LONG_EPOCHS; n++)
        few += flushes[n] <= 2;
    if (MAX(blocks_most, file_most) > blocks_allowed(used_most))
        host_fail("the file has %llu blocks, of which at most %u were in use", (unsigned long long)file_most,
                  used_most);
    if (few < LONG_EPOCHS / 2 * 4 / 5)
        host_fail("only %u of the last %u epochs cost two flushes of the disk", few, LONG_EPOCHS / 2);
    end();
}

// ---- faults

enum what { MEMORY, READS, WRITES, FLUSHES, WHATS };

struct fault {
    enum what what;
    u32 at;
    bool from_then_on;
    bool reached;
};

static void inject(const struct fault *f, bool on)
{
    static const enum disk_op ops[] = { [READS] = DISK_READ, [WRITES] = DISK_WRITE, [FLUSHES] = DISK_FLUSH };

    if (f->what == MEMORY)
        host_fail_memory(on ? f->at : 0, f->from_then_on);
    else
        host_fail_disk(ops[f->what], on ? f->at : 0, f->from_then_on);
}

// The file system became read-only. Mounted anew it is as the disk says; the family goes on from its image.
static void remount(bool failed)
{
    life_end(&life);
    books_forget_memos();
    (void)!fs_unmount();
    CHECK_OK(fs_mount(crash_disk));
    if (failed)
        life_settle(&book);
    life_begin(&life, 100);
    life_restore(&life, &book);
}

static void live_a_little(void)
{
    struct plan plan = plan_random();
    struct outcome out;

    plan.cancel_after = NEVER_CANCEL;
    for (u32 n = 1 + host_random(EPOCHS_BEFORE); n > 0; n--) {
        life_save(&life, &book, &plan, &out);
        household_change(&life.h, host_random(60));
        CHECK_OK(household_write(&life.h));
    }
    if (host_random(4) == 0)
        household_forget(&life.h, true);
    else if (host_random(3) == 0)
        life_restore(&life, &book);
    household_fork(&life.h);
    household_change(&life.h, host_random(20));
}

static bool is_read_only(void)
{
    struct file *f;
    int err = path_create_unnamed(&f);

    if (!err)
        file_put(f);
    CHECK(!err || err == -EROFS || err == -EIO);
    return err;
}

static void fail_a_save(void *arg)
{
    struct fault *f = arg;
    struct plan plan = plan_random();
    struct outcome out, after;

    begin();
    live_a_little();
    plan.cancel_after = NEVER_CANCEL;
    plan.faulty = true;
    life_unpin(&life);
    inject(f, true);
    life_save(&life, &book, &plan, &out);
    f->reached = f->what == MEMORY ? host_memory_failed() : host_disk_failed();
    inject(f, false);
    bool dead = is_read_only();
    if (dead && out.err && out.continued)
        life_settle(&book);
    if (!dead || out.continued)
        life_check(&book, &after);
    if (dead)
        remount(out.err != 0);
    life_check(&book, &after);
    plan.faulty = false;
    life_save(&life, &book, &plan, &out);
    CHECK(!out.err);
    end();
}

// The newest epoch of the name's file, when all that it keeps is sound.
static u64 sound_epoch(void)
{
    struct ckpt_verifier *v = malloc(sizeof(*v));
    struct image *image = malloc(sizeof(*image));
    struct inode *i;

    CHECK_OK(path_lookup(NULL, book.path, &i));
    image_init(image, i, book.path);
    enum ckpt_error error = ckpt_verify(v, &image->source, 0);
    u64 newest = v->reader.header.epoch;
    while (!error)
        error = ckpt_verify_previous(v);
    if (error != CKPT_NO_EPOCH)
        host_fail("epoch %llu: %s", (unsigned long long)v->reader.header.epoch, ckpt_error_text(error));
    inode_put(i);
    free(image);
    free(v);
    return newest;
}

// Returns the newest epoch that was reported durable.
static u64 save_some_unwaited(void)
{
    struct ckpt_save_args args = { .pid = life.h.pid, .flags = CKPT_SAVE_EXTERNAL | CKPT_SAVE_NOWAIT, .history = 3 };
    u64 ids[UNWAITED] = {}, durable = 0;
    struct ckpt_figures figures[UNWAITED] = {};
    int errs[UNWAITED];

    for (u32 k = 0; k < UNWAITED; k++) {
        household_change(&life.h, k == 2 ? 80 : 5);
        errs[k] = ckpt_save(&args, book.path, &ids[k], &figures[k]);
    }
    for (u32 k = 0; k < UNWAITED; k++) {
        if (errs[k] && !ids[k])
            continue;
        CHECK_OK(ckpt_wait(ids[k], NEVER, &figures[k]));
        CHECK(figures[k].ended);
        if (!figures[k].error)
            durable = MAX(durable, figures[k].epoch);
    }
    return durable;
}

// Of several that are under way when something fails, some may fail: none that was reported durable is lost, what is in
// the file is sound, and the next one succeeds.
static void fail_unwaited(void *arg)
{
    struct fault *f = arg;
    struct plan plan = { CKPT_SAVE_EXTERNAL, 3, NEVER_CANCEL, false };
    struct outcome out;

    begin();
    for (u32 n = 0; n < 4; n++) {
        household_change(&life.h, 10);
        life_save(&life, &book, &plan, &out);
    }
    host_slow_flushes(host_random(40));
    inject(f, true);
    u64 durable = save_some_unwaited();
    f->reached = f->what == MEMORY ? host_memory_failed() : host_disk_failed();
    inject(f, false);
    host_slow_flushes(0);
    CHECK(sound_epoch() >= MAX(durable, 4));
    if (!is_read_only()) {
        durable = save_some_unwaited();
        CHECK(durable && sound_epoch() == durable);
    }
    life_end(&life);
    books_forget_memos();
    (void)!fs_unmount();
}

// ---- on what is under way

static void change_and_save(const struct plan *plan, u32 pages)
{
    struct outcome out;

    household_change(&life.h, pages);
    life_save(&life, &book, plan, &out);
    CHECK(!out.err);
}

// One that is large, and whose blocks are spare then.
static void save_a_few(void)
{
    struct plan plan = { CKPT_SAVE_EXTERNAL, 1, NEVER_CANCEL, false };

    change_and_save(&plan, WORK_PAGES);
    change_and_save(&plan, 300);
    change_and_save(&plan, WORK_PAGES);
}

static void save_unwaited(const struct plan *plan)
{
    household_change(&life.h, WORK_PAGES);
    life_save_unwaited(&life, &book, plan);
}

// The file's newest epoch isn't durable and has fewer blocks than the durable one. What would go on from it is given
// up, and cuts off what it had put out.
static void give_up_after_shorter(void *arg)
{
    struct plan plan = { CKPT_SAVE_EXTERNAL, 1, NEVER_CANCEL, false };

    begin();
    save_a_few();
    host_slow_flushes(1000);
    save_unwaited(&plan);
    life_give_up(&life, &book, &plan);
    CHECK(sound_epoch() >= 3);
    host_slow_flushes(0);
    (void)life_await(&life, &book);
    end();
}

// Who waits is told of his own failure only: what others began before becomes durable.
static void fail_a_waited_one(void *arg)
{
    struct plan plan = { CKPT_SAVE_EXTERNAL, 2, NEVER_CANCEL, false };
    struct ckpt_save_args args = { .pid = 100, .flags = plan.flags, .history = plan.history };
    struct ckpt_figures figures;
    u64 resume = 0;

    begin();
    save_a_few();
    change_and_save(&plan, WORK_PAGES);
    host_slow_flushes(1000);
    for (u32 k = 0; k < 2; k++) {  // one is being committed, the other waits for that
        save_unwaited(&plan);
        for (u32 n = 0; n < 50; n++)
            thread_yield();
    }
    household_change(&life.h, WORK_PAGES);
    host_fail_disk(DISK_WRITE, 1, false);
    CHECK(ckpt_save(&args, book.path, &resume, &figures) == -EIO && host_disk_failed());
    host_fail_disk(DISK_WRITE, 0, false);
    host_slow_flushes(0);
    (void)life_await(&life, &book);
    end();
}

static struct image_use *use_image(void)
{
    struct image_use *use;
    struct inode_identity id;
    struct inode *i;

    CHECK_OK(path_lookup(NULL, book.path, &i));
    inode_identify(i, &id);
    CHECK_OK(image_use_get(id.ino, id.generation, &use));
    inode_put(i);
    return use;
}

static u64 begin_unwaited(u32 pages)
{
    struct ckpt_save_args args = { .pid = 100, .flags = CKPT_SAVE_EXTERNAL | CKPT_SAVE_NOWAIT, .history = 2 };
    struct ckpt_figures figures;
    u64 id = 0;

    household_change(&life.h, pages);
    CHECK_OK(ckpt_save(&args, book.path, &id, &figures));
    return id;
}

// An epoch that can't become durable doesn't wait for others before it says so: they would go on from it.
static void fail_at_once(void *arg)
{
    struct ckpt_figures figures;

    begin();
    save_a_few();
    struct image_use *use = use_image();  // that it remembers when the last commit was
    CHECK_OK(ckpt_wait(begin_unwaited(WORK_PAGES), NEVER, &figures));
    CHECK(figures.ended && !figures.error);
    host_fail_disk(DISK_WRITE, 1, false);
    u64 id = begin_unwaited(WORK_PAGES);
    for (u32 n = 0; n < 500; n++)
        thread_yield();  // no time passes meanwhile
    CHECK(host_disk_failed());
    host_fail_disk(DISK_WRITE, 0, false);
    CHECK_OK(ckpt_wait(id, time_ns(), &figures));
    CHECK(figures.ended && figures.error == EIO);
    image_use_put(use);
    end();
}

static void let_writes_go(void *arg)
{
    for (u32 n = 0; n < 3000; n++)
        thread_yield();
    host_hold_writes(false);
}

// A child's pages are looked for in its parent's tree, whose blocks are still under way.
static void fork_on_the_way(void *arg)
{
    struct plan plan = { CKPT_SAVE_TREE | CKPT_SAVE_EXTERNAL, 2, NEVER_CANCEL, false };

    begin();
    for (u32 n = 0; n < 8; n++)
        change_and_save(&plan, WORK_PAGES);
    for (u32 n = 0; n < 20; n++) {
        host_hold_writes(true);
        host_spawn(let_writes_go, NULL);
        save_unwaited(&plan);
        household_fork(&life.h);
        life_save_unwaited(&life, &book, &plan);
        (void)life_await(&life, &book);
        household_exit(&life.h);
    }
    end();
}

// ---- answers that are lost

struct loss {
    u32 lost;  // the write that is carried out and fails
    u32 cut;   // and the one, of the next save, at which the power goes
    bool reached_lost, reached_cut;
};

static void save_larger(const struct plan *plan, u32 pages)
{
    struct ckpt_save_args args = { .pid = 100, .flags = plan->flags, .history = plan->history };
    struct ckpt_figures figures;
    u64 resume = 0;

    household_change(&life.h, pages);
    (void)!ckpt_save(&args, book.path, &resume, &figures);
}

// A header may be on the disk although it says that it isn't, nor can it be taken back. What it tells of stays until
// there is another one in its place.
static void lose_an_answer(void *arg)
{
    struct plan plan = { CKPT_SAVE_EXTERNAL, 8, NEVER_CANCEL, false };
    struct loss *l = arg;

    begin();
    change_and_save(&plan, WORK_PAGES);
    change_and_save(&plan, WORK_PAGES);
    host_lose_write(l->lost);
    save_larger(&plan, 60);
    l->reached_lost = host_disk_failed();
    host_lose_write(0);
    host_fail_disk(DISK_WRITE, l->cut, true);
    save_larger(&plan, 300);
    l->reached_cut = host_disk_failed();
    life_end(&life);
    books_forget_memos();
    (void)!fs_unmount();
    host_fail_disk(DISK_WRITE, 0, false);
    CHECK_OK(fs_mount(crash_disk));
    CHECK(sound_epoch() >= 2);
    CHECK_OK(fs_unmount());
}

static void lose_answers(void)
{
    struct loss l = { .reached_lost = true };

    for (l.lost = 1; l.reached_lost; l.lost++)
        for (l.cut = 1, l.reached_cut = true; l.reached_cut; l.cut++) {
            host_set_place("ckpt_fault_test: lost answer %u, cut at %u", l.lost, l.cut);
            host_seed(seed * 1000 + l.lost * 100 + l.cut);
            attempt(lose_an_answer, &l);
            faults += l.reached_lost;
        }
}

static void fail_everywhere(void (*work)(void *), enum what what, bool from_then_on)
{
    u32 beyond = 0;

    for (u32 n = 1; beyond < BEYOND; n += 1 + n / 40) {
        struct fault f = { what, n, from_then_on, false };
        host_set_place("ckpt_fault_test: fault %u at %u%s", what, n, from_then_on ? " and after" : "");
        host_seed(seed * 1000000 + what * 100000 + n * 2 + from_then_on);
        attempt(work, &f);
        beyond = f.reached ? 0 : beyond + 1;
        faults += f.reached;
    }
}

int main(int argc, char **argv)
{
    static const struct course courses[] = { { 1, true },  { 2, true },  { 8, true },
                                             { 1, false }, { 3, false }, { 8, false } };
    static void (*const under_way[])(void *) = { give_up_after_shorter, fail_a_waited_one, fail_at_once,
                                                 fork_on_the_way };

    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    host_set_memory(1000);
    life_prepare();
    for (u32 i = 0; i < ARRAY_SIZE(courses); i++) {
        host_set_place("ckpt_fault_test: course %u", i);
        host_seed(seed * 1000 + i);
        attempt(go_on_long, (void *)&courses[i]);
    }
    for (u32 i = 0; i < ARRAY_SIZE(under_way) * TIMES; i++) {
        host_set_place("ckpt_fault_test: under way %u", i);
        host_seed(seed * 1000 + i);
        attempt(under_way[i % ARRAY_SIZE(under_way)], NULL);
    }
    lose_answers();
    for (enum what what = MEMORY; what < WHATS; what++)
        for (u32 on = 0; on < 2; on++)
            for (u32 unwaited = 0; unwaited < 2; unwaited++)
                fail_everywhere(unwaited ? fail_unwaited : fail_a_save, what, on);
    host_disk_destroy();
    printf("ckpt_fault_test: seed %llu, %llu epochs, %llu faults, all good\n", (unsigned long long)seed,
           (unsigned long long)saves, (unsigned long long)faults);
    return 0;
}
