// What happens to families and their images.
#include "ckpt_life.h"
#include "epoch.h"
#include <base/string.h>
#include <ckpt/ckpt.h>
#include <mm/kmalloc.h>
#include <sched/thread.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

// ---- saving

// What a save is about, for on_freeze().
static struct attempt {
    struct household *h;
    u32 flags;
    struct epoch_model *epoch;
} attempts[4];

static void take_model(struct household *h, u32 count)
{
    for (u32 i = 0; i < ARRAY_SIZE(attempts); i++)
        if (attempts[i].h == h)
            epoch_model_take(attempts[i].epoch, h, count, attempts[i].flags);
}

static void attempt_begin(struct household *h, u32 flags, struct epoch_model *epoch)
{
    u32 i = 0;

    while (attempts[i].h)
        i++;
    attempts[i] = (struct attempt){ h, flags, epoch };
}

static void attempt_end(struct household *h)
{
    for (u32 i = 0; i < ARRAY_SIZE(attempts); i++)
        if (attempts[i].h == h)
            attempts[i].h = NULL;
}

static void start_workers(void *arg)
{
    work_init();
}

void life_prepare(void)
{
    host_run(start_workers, NULL);
}

void life_begin(struct life *l, int pid)
{
    memset(l, 0, sizeof(*l));
    household_create(&l->h, pid);
    l->h.on_freeze = take_model;
    household_change(&l->h, 40);
}

void life_unpin(struct life *l)
{
    if (!l->pin)
        return;
    household_touch(&l->h);
    image_unpin(l->pin);
    inode_writes_allow(l->pinned);
    inode_put(l->pinned);
    l->pin = NULL;
}

void life_end(struct life *l)
{
    life_unpin(l);
    household_destroy(&l->h);
}

struct plan plan_random(void)
{
    static const u32 histories[] = { 1, 2, 3, 8, CKPT_HISTORY_ALL };
    struct plan plan = { .flags = CKPT_SAVE_EXTERNAL, .history = histories[host_random(5)] };

    plan.flags |= host_random(4) ? CKPT_SAVE_TREE : 0;
    plan.flags |= host_random(3) ? 0 : CKPT_SAVE_CONTENTS;
    plan.flags |= host_random(8) ? 0 : CKPT_SAVE_STOP;
    plan.cancel_after = host_random(8) ? NEVER_CANCEL : host_random(400);
    return plan;
}

// A save that somebody may cancel: what save.c does, in one thread.
struct job {
    _Atomic bool cancelled;
    _Atomic u32 looked_at;
    bool ended;
    u32 cancel_after;
    struct store *store;
    struct epoch *epoch;
    struct snapshot *snap;
};

static void cancel(void *arg)
{
    struct job *j = arg;

    for (u32 n = j->cancel_after; n > 0 && !j->ended; n--)
        thread_yield();
    j->cancelled = true;
    while (!j->ended)
        thread_yield();
    free(j);
}

static int job_do(struct job *j, const struct ckpt_save_args *args, const char *path)
{
    struct inode *root = fs_root();
    int err = store_open(root, path, &j->store);

    inode_put(root);
    if (!err)
        err = epoch_create(j->store, &j->looked_at, &j->cancelled, &j->epoch);
    if (!err)
        err = collect(args, j->store, &j->snap);
    if (!err && !epoch_carries(j->snap, args->flags))
        collect_thaw(j->snap, false);
    if (err)
        return err;
    epoch_describe(j->epoch, j->snap);
    err = epoch_begin(j->epoch, args);
    if (!err)
        collect_thaw(j->snap, false);
    if (!err)
        err = epoch_write(j->epoch, true);
    if (!err)
        err = store_commit(j->store, false);
    if (!err)
        epoch_leave(j->epoch);
    if (!err && store_is_long(j->store))
        store_trim(j->store);
    return err;
}

static int save_cancellable(const struct ckpt_save_args *args, const char *path, u32 cancel_after)
{
    struct job *j = calloc(1, sizeof(*j));

    j->cancel_after = cancel_after;
    j->cancelled = cancel_after == 0;
    host_spawn(cancel, j);
    int err = job_do(j, args, path);
    if (j->epoch)
        epoch_destroy(j->epoch);
    if (j->snap)
        collect_release(j->snap);
    if (j->store)
        store_close(j->store);
    j->ended = true;
    return err;
}

static int save(struct life *l, const char *path, const struct plan *plan, struct outcome *out)
{
    struct ckpt_save_args args = { .pid = l->h.pid, .flags = plan->flags, .history = plan->history };
    struct ckpt_figures figures = {};
    u64 resume = 0;

    if (plan->cancel_after != NEVER_CANCEL)
        return save_cancellable(&args, path, plan->cancel_after);
    int err = ckpt_save(&args, path, &resume, &figures);
    out->pages_written = figures.pages_written;
    return err;
}

static struct inode *open_name(const struct book *b, struct inode_identity *id)
{
    struct inode *i = NULL;
    int err = path_lookup(NULL, b->path, &i);

    CHECK(!err || err == -ENOENT);
    if (!err)
        inode_identify(i, id);
    return err ? NULL : i;
}

// How many older epochs the new one has to keep.
static u32 kept_by(const struct life *l, const struct book *b, const struct plan *plan)
{
    const struct image_model *image = b->now;
    u32 most = image->epochs[image->newest]->kept + 1;
    u32 kept = plan->history == CKPT_HISTORY_ALL ? most : MIN(most, plan->history - 1);
    struct inode_identity id;

    if (!l->pin)
        return kept;
    inode_identify(l->pinned, &id);
    bool is_that = id.ino == image->ino && id.generation == image->generation;
    return is_that ? MAX(kept, MIN(most, (u32)(image->newest + 1 - l->pinned_epoch))) : kept;
}

static bool name_is_pinned(const struct life *l, const struct book *b)
{
    struct inode_identity id, pinned;
    struct inode *i = open_name(b, &id);

    if (!i)
        return false;
    inode_put(i);
    if (!l->pin)
        return false;
    inode_identify(l->pinned, &pinned);
    return pinned.ino == id.ino && pinned.generation == id.generation;
}

// The image that the new epoch goes to, and what the epoch has to be.
static struct image_model *expect(const struct life *l, const struct book *b, const struct plan *plan,
                                  struct epoch_model *m)
{
    struct mark_label label;

    m->number = 1;
    if (!b->now || !household_find_mark(&l->h, b->now->ino, b->now->generation, &label))
        return image_model_create();
    CHECK(b->now->newest < EPOCHS_MAX);
    m->number = b->now->newest + 1;
    const struct epoch_model *parent = label.word[2] <= b->now->newest ? b->now->epochs[label.word[2]] : NULL;
    m->parent = parent && parent->digest == label.word[3] ? label.word[2] : 0;
    m->kept = kept_by(l, b, plan);
    return b->now;
}

static void check_error(const struct life *l, const struct book *b, const struct plan *plan, const struct outcome *out)
{
    struct fs_figures figures;

    fs_figures(&figures);
    bool expected = plan->faulty || (out->err == -EINTR && plan->cancel_after != NEVER_CANCEL) ||
                    (out->err == -ETXTBSY && !out->continued && name_is_pinned(l, b)) ||
                    (out->err == -ENOSPC && figures.blocks_free < 1000);
    if (!expected)
        host_fail("%s: the save failed: %d", b->path, out->err);
}

static void note_success(struct book *b, struct event *e)
{
    struct inode_identity id;
    struct inode *i = open_name(b, &id);
    struct image *image = malloc(sizeof(*image));

    CHECK(i);
    image_init(image, i, b->path);
    CHECK(image_open(image, 0, NULL) == CKPT_OK);
    e->ended = crash_log.count;
    e->epoch->digest = image->reader.header.digest;
    e->image->ino = id.ino;
    e->image->generation = id.generation;
    e->image->newest = e->epoch->number;
    e->image->epochs[e->epoch->number] = e->epoch;
    b->now = e->image;
    inode_put(i);
    free(image);
}

void life_settle(struct book *b)
{
    struct event *e = &b->events[b->event_count - 1];
    struct inode_identity id;
    struct inode *i = open_name(b, &id);
    bool is_now = i && b->now && id.ino == b->now->ino && id.generation == b->now->generation;
    struct image *image = malloc(sizeof(*image));

    if (i) {
        image_init(image, i, b->path);
        bool is_image = image_open(image, 0, NULL) == CKPT_OK;
        if (is_image && (!is_now || image->reader.header.epoch == b->now->newest + 1))
            note_success(b, e);
        inode_put(i);
    }
    free(image);
}

void life_check(struct book *b, struct outcome *out)
{
    struct inode_identity id;
    struct inode *i = open_name(b, &id);

    if (b->now) {
        CHECK(i && id.ino == b->now->ino && id.generation == b->now->generation);
        out->used = image_check(i, b->now, b->now->epochs[b->now->newest], NULL, &out->blocks);
        CHECK(id.size >= out->blocks * 4096);
        out->file_blocks = id.size / 4096;
    }
    if (i)
        inode_put(i);
}

static u32 flushes_since(size_t position)
{
    u32 n = 0;

    for (size_t k = position; k < crash_log.count; k++)
        n += crash_log.writes[k].flush;
    return n;
}

// What is looked at from here on must not fail.
static void faults_end(void)
{
    host_fail_memory(0, false);
    host_fail_disk(DISK_READ, 0, false);
}

void life_save(struct life *l, struct book *b, const struct plan *plan, struct outcome *out)
{
    struct epoch_model *m = epoch_model_create();
    struct image_model *image = expect(l, b, plan, m);
    struct event *e = book_event(b, image, m);

    *out = (struct outcome){ .continued = image == b->now };
    attempt_begin(&l->h, plan->flags, m);
    out->err = save(l, b->path, plan, out);
    faults_end();
    attempt_end(&l->h);
    out->flushes = flushes_since(e->begun);
    if (!out->err) {
        note_success(b, e);
        stills_begin(&l->h);
    } else {
        e->gone = crash_log.count;
        check_error(l, b, plan, out);
    }
    if (!plan->faulty)
        life_check(b, out);
}

// ---- without waiting

void life_save_unwaited(struct life *l, struct book *b, const struct plan *plan)
{
    struct ckpt_save_args args = { .pid = l->h.pid, .flags = plan->flags | CKPT_SAVE_NOWAIT, .history = plan->history };
    struct epoch_model *m = epoch_model_create();
    struct ckpt_figures figures = {};

    m->number = b->now->newest + 1;
    m->parent = b->now->newest;
    m->kept = kept_by(l, b, plan);
    (void)book_event(b, b->now, m);
    attempt_begin(&l->h, plan->flags, m);
    CHECK(l->unwaited_count < UNWAITED_MAX && b->now->newest < EPOCHS_MAX);
    CHECK_OK(ckpt_save(&args, b->path, &l->unwaited[l->unwaited_count], &figures));
    attempt_end(&l->h);
    l->unwaited_count++;
    b->now->newest++;
    b->now->epochs[m->number] = m;
}

void life_give_up(struct life *l, struct book *b, const struct plan *plan)
{
    struct ckpt_save_args args = { .pid = l->h.pid, .flags = plan->flags, .history = plan->history };

    CHECK(save_cancellable(&args, b->path, 0) == -EINTR);
}

// Now that they can be read.
static void note_digests(struct book *b)
{
    struct image_model *image = b->now;
    struct image *file = malloc(sizeof(*file));
    struct inode_identity id;
    struct inode *i = open_name(b, &id);

    image_init(file, i, b->path);
    for (u32 k = 0; k <= image->epochs[image->newest]->kept; k++) {
        CHECK(image_open(file, image->newest - k, NULL) == CKPT_OK);
        image->epochs[image->newest - k]->digest = file->reader.header.digest;
    }
    inode_put(i);
    free(file);
}

u32 life_await(struct life *l, struct book *b)
{
    struct event *first = &b->events[b->event_count - l->unwaited_count];
    struct ckpt_figures figures;
    struct outcome out;

    for (u32 k = 0; k < l->unwaited_count; k++) {
        CHECK_OK(ckpt_wait(l->unwaited[k], NEVER, &figures));
        CHECK(figures.ended && !figures.error);
        first[k].ended = crash_log.count;
    }
    memset(l->unwaited, 0, sizeof(l->unwaited));
    l->unwaited_count = 0;
    note_digests(b);
    life_check(b, &out);
    return flushes_since(first->begun);
}

// ---- the rest

static int pin(struct life *l, struct inode *i, const struct image_model *image, u64 epoch)
{
    struct image_use *use;
    int err = inode_writes_deny(i);

    if (err)
        return err;
    CHECK_OK(image_use_get(image->ino, image->generation, &use));
    CHECK_OK(image_use_lock(use));
    CHECK_OK(image_pin(use, epoch, &l->pin));
    image_use_unlock(use);
    image_use_put(use);
    l->pinned = inode_get(i);
    l->pinned_epoch = epoch;
    return 0;
}

void life_restore(struct life *l, struct book *b)
{
    struct image_model *image = b->now;

    life_unpin(l);
    if (!image)
        return;
    u64 epoch = image->newest - host_random(image->epochs[image->newest]->kept + 1);
    const struct epoch_model *m = image->epochs[epoch];
    struct mark_label label = { { image->ino, image->generation, epoch, m->digest, 0, 0 } };
    struct inode_identity id;
    struct inode *i = open_name(b, &id);

    CHECK_OK(pin(l, i, image, epoch));
    household_revive(&l->h, m->space, m->spaces, &label);
    inode_put(i);
}

static void replace_by_other(struct book *b)
{
    struct piece piece = { "something else", 14 };
    struct file *f;
    size_t done;

    struct event *e = book_event(b, NULL, NULL);
    CHECK_OK(path_create_unnamed(&f));
    CHECK_OK(inode_write(file_inode(f), 0, &piece, 1, &done));
    CHECK_OK(path_publish(NULL, b->path, f));
    file_put(f);
    e->ended = crash_log.count;
    b->now = NULL;
}

static void remove_image(struct book *b)
{
    struct event *e = book_event(b, NULL, NULL);
    int err = path_unlink(NULL, b->path);

    CHECK(!err || err == -ENOENT);
    if (host_random(2)) {
        CHECK_OK(fs_sync());
        e->ended = crash_log.count;
    }
    b->now = NULL;
}

void life_write(struct life *l)
{
    stills_end(&l->h);
    CHECK_OK(household_write(&l->h));
}

void life_step(struct life *l, struct book *b)
{
    l->h.changes = host_random(3) ? 0 : host_random(10);
    household_change(&l->h, host_random(3) ? host_random(6) : host_random(60));
    if (host_random(3) == 0)
        life_write(l);
    switch (host_random(24)) {
    case 0:
    case 1:
        household_fork(&l->h);
        break;
    case 2:
        household_exit(&l->h);
        break;
    case 3:
    case 4:
        life_restore(l, b);
        break;
    case 5:
    case 6:
    case 7:
        life_unpin(l);
        break;
    case 8:
        household_forget(&l->h, host_random(2));
        break;
    case 9:
        if (!name_is_pinned(l, b))
            replace_by_other(b);
        break;
    case 10:
        remove_image(b);
        break;
    default:
        break;
    }
}
