// Save: a checkpoint from the call to its end.
//
// The caller freezes, collects and thaws. A thread of the kernel's own writes; the caller waits for it, in a sleep that
// a freeze can end: so who saves another can be saved himself meanwhile. A checkpoint has a number, and its figures
// stay for a while when it has ended.
#include "collect.h"
#include "epoch.h"
#include <base/string.h>
#include <ckpt/ckpt.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <proc/proc.h>
#include <sched/wait.h>
#include <uapi/errno.h>

#define REMEMBERED 64

struct save {
    struct list link;
    u32 refs;  // the thread's and the waiters'
    struct ckpt_figures figures;
    struct wait_queue ended;

    // The rest is the caller's until the thread runs, and then the thread's.
    struct ckpt_save_args args;
    _Atomic bool cancelled;
    _Atomic u32 looked_at;  // pages
    u64 start_ns;
    struct store *store;
    struct snapshot *snap;
    struct epoch *epoch;
    bool is_begun;
    bool is_written;  // by the caller, and then:
    int error;
    void *stack;
    struct thread thread;
};

// Guards the list of those being written, the figures of the last ones that have ended, and of each save what stands
// before its `args`.
static struct spinlock lock = SPINLOCK_INIT("checkpoints", RANK_WAIT);
static struct list saves = { &saves, &saves };
static struct ckpt_figures remembered[REMEMBERED] GUARDED_BY(lock);
static u32 ended_count GUARDED_BY(lock);
static u64 last_id GUARDED_BY(lock);

static void save_put(struct save *s)
{
    spin_lock(&lock);
    bool last = --s->refs == 0;
    spin_unlock(&lock);
    if (last)
        kfree(s);
}

static struct save *find(u64 id)
{
    struct save *s, *found = NULL;

    spin_lock(&lock);
    list_for_each(s, &saves, link) {
        if (s->figures.id != id)
            continue;
        s->refs++;
        found = s;
        break;
    }
    spin_unlock(&lock);
    return found;
}

// One that has ended, not too long ago.
static bool recall(u64 id, struct ckpt_figures *figures)
{
    bool found = false;

    spin_lock(&lock);
    for (u32 i = 0; i < REMEMBERED && !found; i++) {
        found = id && remembered[i].id == id;
        if (found)
            *figures = remembered[i];
    }
    spin_unlock(&lock);
    return found;
}

static void end(struct save *s, int err)
{
    spin_lock(&lock);
    s->figures.total_ns = time_ns() - s->start_ns;
    s->figures.error = -err;
    s->figures.ended = true;
    remembered[ended_count++ % REMEMBERED] = s->figures;
    list_remove(&s->link);
    wake_all(&s->ended);
    spin_unlock(&lock);
}

// What the epoch has come to.
static void note_epoch(struct save *s)
{
    const struct epoch *x = s->epoch;

    spin_lock(&lock);
    s->figures.epoch = x->e.epoch;
    s->figures.parent = x->e.parent;
    s->figures.pages_written = x->e.pages_written;
    s->figures.bytes_written = s->store->output.written * CKPT_BLOCK_SIZE;
    s->figures.pages = 0;
    for (u32 i = 0; i < s->snap->member_count; i++)
        s->figures.pages += x->trees[i].pages;
    for (u32 i = 0; i < x->content_count; i++)
        s->figures.pages += x->contents[i].tree.pages;
    s->figures.looked_at = s->looked_at;
    spin_unlock(&lock);
}

static void note_pause(struct save *s)
{
    spin_lock(&lock);
    s->figures.freeze_ns = s->snap->frozen_ns - s->snap->start_ns;
    s->figures.pause_ns = s->snap->pause_ns;
    spin_unlock(&lock);
}

static bool thaws_late(const struct save *s)
{
    return s->args.flags & (CKPT_SAVE_KILL | CKPT_SAVE_STOP);
}

// Those who were to end or to stop have stood still until now.
static void release_family(struct save *s, int err)
{
    if (!s->snap->family)
        return;
    if (!err && s->args.flags & CKPT_SAVE_KILL)
        family_kill(s->snap->family);
    collect_thaw(s->snap, !err && s->args.flags & CKPT_SAVE_STOP);
    note_pause(s);
}

static void release_epoch(struct save *s)
{
    if (s->epoch)
        epoch_destroy(s->epoch);
    s->epoch = NULL;
}

static void release_snapshot(struct save *s)
{
    if (s->snap)
        collect_release(s->snap);
    s->snap = NULL;
}

static void release(struct save *s)
{
    release_epoch(s);
    release_snapshot(s);
    if (s->store)
        store_close(s->store);
    s->store = NULL;
}

static bool is_waited_for(const struct save *s)
{
    return !(s->args.flags & CKPT_SAVE_NOWAIT);
}

// An epoch that nobody waits for is gone on from before it is durable: so the disk's flushes serve several.
static int write_epoch(struct save *s)
{
    bool waits = is_waited_for(s);
    int err = s->is_begun ? 0 : epoch_begin(s->epoch, &s->args);

    if (err)
        return err;
    s->is_begun = true;
    err = epoch_write(s->epoch, waits);
    if (!err && waits)
        err = store_commit(s->store, false);
    if (!err)
        epoch_leave(s->epoch);
    return err;
}

// Nobody waits for it, and so nobody would know.
static void say_failed(struct save *s, int err)
{
    spin_lock(&lock);
    bool alone = s->refs == 1;
    spin_unlock(&lock);
    if (alone)
        printk("%s: process %d was not saved (error %d)\n", s->store->path, s->args.pid, -err);
}

static void run(void *arg)
{
    struct save *s = arg;
    int err = s->is_written ? s->error : write_epoch(s);

    if (s->is_begun)
        note_epoch(s);
    release_epoch(s);
    // Without the snapshot a page is the process's own, who may write to it while the disk still reads it.
    store_await_blocks(s->store);
    if (!thaws_late(s))
        release_snapshot(s);
    if (!err && !is_waited_for(s))
        err = store_commit(s->store, !thaws_late(s));
    if (s->snap)
        release_family(s, err);
    if (err)
        say_failed(s, err);
    struct store *too_long = !err && store_is_long(s->store) ? s->store : NULL;
    if (too_long)
        s->store = NULL;
    release(s);
    end(s, err);
    // Nobody waits for that.
    if (too_long) {
        store_trim(too_long);
        store_close(too_long);
    }
    thread_exit();
}

static void run_ended(struct thread *t)
{
    struct save *s = container_of(t, struct save, thread);

    kfree(s->stack);
    save_put(s);
}

static int create(const struct ckpt_save_args *args, struct save **out)
{
    struct save *s = kzalloc(sizeof(*s));
    void *stack = kmalloc(KERNEL_STACK_SIZE);

    if (!s || !stack) {
        kfree(stack);
        kfree(s);
        return -ENOMEM;
    }
    s->refs = 1;
    s->args = *args;
    s->start_ns = time_ns();
    s->stack = stack;
    wait_queue_init(&s->ended);
    *out = s;
    return 0;
}

// Everything that is done in the calling process.
static int take(struct save *s, const char *path)
{
    int err = store_open(proc_cwd(proc_self()), path, &s->store);

    if (!err)
        err = epoch_create(s->store, &s->looked_at, &s->cancelled, &s->epoch);
    if (!err)
        err = collect(&s->args, s->store, &s->snap);
    if (err)
        return err;
    s->is_begun = epoch_carries(s->snap, s->args.flags);
    if (!s->is_begun && !thaws_late(s))
        collect_thaw(s->snap, false);
    epoch_describe(s->epoch, s->snap);
    if (s->is_begun)
        err = epoch_begin(s->epoch, &s->args);
    if (err)
        return err;
    if (!thaws_late(s))
        collect_thaw(s->snap, false);
    note_pause(s);
    return 0;
}

// Numbers are unlike those of an earlier life of the machine: a call that was saved in the middle may ask for one.
static void enlist(struct save *s)
{
    u64 now = time_wall_ns();

    spin_lock(&lock);
    last_id = MAX(last_id + 1, now);
    s->figures.id = last_id;
    s->figures.processes = s->snap->member_count;
    s->figures.pages_due = s->epoch->pages_due;
    list_push(&saves, &s->link);
    s->refs++;
    spin_unlock(&lock);
}

static int begin(const struct ckpt_save_args *args, const char *path, struct save **out)
{
    struct save *s;
    int err = create(args, &s);

    if (err)
        return err;
    err = take(s, path);
    if (err) {
        release(s);
        kfree(s->stack);
        save_put(s);
        return err;
    }
    enlist(s);
    s->is_written = !is_waited_for(s) && !thaws_late(s) && epoch_is_small(s->epoch);
    if (s->is_written)
        s->error = write_epoch(s);
    thread_init(&s->thread, "checkpoint", s->stack, run, s);
    s->thread.on_dead = run_ended;
    thread_start(&s->thread);
    *out = s;
    return 0;
}

static int await(struct save *s, u64 deadline)
{
    int err = 0;

    spin_lock(&lock);
    while (!s->figures.ended && !err)
        err = wait_on(&s->ended, &lock, WAIT_INTERRUPTIBLE, deadline, "checkpoint");
    spin_unlock(&lock);
    return err;
}

static void tell(struct save *s, struct ckpt_figures *figures)
{
    spin_lock(&lock);
    *figures = s->figures;
    spin_unlock(&lock);
    figures->looked_at = s->looked_at;
}

static int check(const struct ckpt_save_args *args)
{
    bool both = (args->flags & CKPT_SAVE_KILL) && (args->flags & CKPT_SAVE_STOP);

    return args->pid <= 0 || args->flags & ~CKPT_SAVE_FLAGS || both || args->unused ? -EINVAL : 0;
}

// Wait as it was asked for, and tell.
static int follow(struct save *s, bool waits, struct ckpt_figures *figures)
{
    int err = waits ? await(s, NEVER) : 0;

    if (err && proc_killed(proc_self()))
        s->cancelled = true;
    tell(s, figures);
    return !err && figures->ended ? -figures->error : err;
}

int ckpt_save(const struct ckpt_save_args *args, const char *path, u64 *resume, struct ckpt_figures *figures)
{
    struct save *s = find(*resume);
    int err = check(args);

    if (!s && recall(*resume, figures))
        return -figures->error;
    if (!err && !s)
        err = begin(args, path, &s);
    if (err)
        return err;
    *resume = s->figures.id;
    err = follow(s, !(args->flags & CKPT_SAVE_NOWAIT), figures);
    save_put(s);
    return err;
}

int ckpt_wait(u64 id, u64 deadline, struct ckpt_figures *figures)
{
    struct save *s = find(id);

    if (!s)
        return recall(id, figures) ? 0 : -ESRCH;
    int err = await(s, deadline);
    tell(s, figures);
    save_put(s);
    return err;
}
