// Commit: whoever waits first does it, for all that have been written by then.
//
// Two flushes order it: what the header tells of is durable before the header is written, and nobody is told before
// that is durable, too. It goes over the slot that doesn't hold the durable one. If anything fails, all that is written
// fails, also what was written meanwhile, since it goes on from what failed.
#include "commit.h"
#include <fs/inode.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <uapi/errno.h>

#define LINGER_NS      (NS_PER_SECOND / 200)
#define LONG_LINGER_NS (NS_PER_SECOND / 50)
#define ENOUGH         16u  // epochs, not to linger for more

// Guards every image's commit.
static struct spinlock lock = SPINLOCK_INIT("commits of images", RANK_WAIT);

void commit_init(struct commit *c)
{
    list_init(&c->tickets);
    wait_queue_init(&c->changed);
    wait_queue_init(&c->lingering);
}

static void await_change(struct commit *c) REQUIRES(lock)
{
    (void)wait_on(&c->changed, &lock, WAIT_UNINTERRUPTIBLE, NEVER, "commit");
}

struct frame *commit_header(struct commit *c, u64 *failures)
{
    spin_lock(&lock);
    struct frame *header = c->header ? frame_get(c->header) : NULL;
    *failures = c->failures;
    spin_unlock(&lock);
    return header;
}

void commit_know(struct commit *c, const struct turn *d)
{
    spin_lock(&lock);
    c->durable = *d;
    spin_unlock(&lock);
}

struct turn commit_durable(struct commit *c)
{
    spin_lock(&lock);
    struct turn d = c->durable;
    spin_unlock(&lock);
    return d;
}

int commit_add(struct commit *c, struct ticket *t, struct frame *header, const struct turn *what, u64 failures)
{
    spin_lock(&lock);
    bool sound = c->failures == failures;
    struct frame *old = sound ? c->header : NULL;
    if (sound) {
        c->header = frame_get(header);
        c->written = *what;
        c->count++;
        c->waiting++;
        c->under_way++;
        *t = (struct ticket){ .pending = true };
        list_append(&c->tickets, &t->link);
        if (c->waiting == ENOUGH)
            wake_all(&c->lingering);
    }
    spin_unlock(&lock);
    if (old)
        frame_put(old);
    return sound ? 0 : -EIO;
}

void commit_arrived(struct commit *c, struct ticket *t, int err)
{
    spin_lock(&lock);
    t->arrived = true;
    t->err = err;
    c->under_way--;
    wake_all(&c->changed);
    spin_unlock(&lock);
}

void commit_await_blocks(struct commit *c)
{
    spin_lock(&lock);
    while (c->under_way)
        await_change(c);
    spin_unlock(&lock);
}

static int write_slot(struct inode *file, u32 slot, struct frame *header)
{
    int err = inode_write_frames(file, (u64)slot * CKPT_BLOCK_SIZE, &header, 1);

    return err ? err : inode_sync(file);
}

// An epoch that is reported as failed must not turn up later: its slot becomes empty again, as far as the disk lets it.
static int clear_slot(struct inode *file, u32 slot)
{
    struct frame *empty = frame_alloc_zeroed();
    int err = empty ? write_slot(file, slot, empty) : -ENOMEM;

    if (err)
        printk("checkpoint: whether the image's newest epoch is in it is uncertain\n");
    if (empty)
        frame_put(empty);
    return err;
}

// *uncertain: it failed, and the header may be there.
static int turn_over(struct inode *file, u32 slot, struct frame *header, bool *uncertain)
{
    int err = inode_sync(file);

    if (err)
        return err;
    err = write_slot(file, slot, header);
    *uncertain = err && clear_slot(file, slot);
    return err;
}

static void take_tickets(struct commit *c, struct list *to) REQUIRES(lock)
{
    while (!list_empty(&c->tickets)) {
        struct ticket *t = list_first(&c->tickets, struct ticket, link);
        list_remove(&t->link);
        list_append(to, &t->link);
    }
    c->waiting = 0;
}

static void end_tickets(struct commit *c, struct list *batch, int err) REQUIRES(lock)
{
    while (!list_empty(batch)) {
        struct ticket *t = list_first(batch, struct ticket, link);
        list_remove(&t->link);
        t->err = err;
        t->pending = false;
        c->count--;
    }
    wake_all(&c->changed);
    wake_all(&c->lingering);
}

// Wait for the blocks of all in the batch. The first error that one met is that of all.
static int await_batch(struct commit *c, struct list *batch) REQUIRES(lock)
{
    struct ticket *t;
    int err = 0;

    list_for_each(t, batch, link) {
        while (!t->arrived)
            await_change(c);
        if (!err)
            err = t->err;
    }
    return err;
}

// The lock is let go of meanwhile.
static void perform(struct commit *c, struct inode *file) REQUIRES(lock)
{
    struct frame *header = frame_get(c->header), *done = NULL;
    struct turn d = c->written;
    struct inode_identity id;
    struct list batch;

    list_init(&batch);
    c->several = c->waiting > 1;
    take_tickets(c, &batch);
    d.slot = 1 - c->durable.slot;
    c->running = true;
    bool uncertain = c->uncertain;
    int err = await_batch(c, &batch);
    spin_unlock(&lock);
    if (!err)
        err = turn_over(file, d.slot, header, &uncertain);
    inode_identify(file, &id);
    d.changes = id.changes;
    spin_lock(&lock);
    if (err || c->header == header) {
        done = c->header;
        c->header = NULL;
    }
    if (err) {
        c->failures++;
        take_tickets(c, &batch);
        (void)await_batch(c, &batch);
    } else {
        c->durable = d;
    }
    c->uncertain = uncertain;
    c->running = false;
    c->ended_ns = time_ns();
    end_tickets(c, &batch, err);
    spin_unlock(&lock);
    if (done)
        frame_put(done);
    frame_put(header);
    spin_lock(&lock);
}

static void step(struct commit *c, struct inode *file) REQUIRES(lock)
{
    if (c->running)
        await_change(c);
    else
        perform(c, file);
}

// Where several came while the last one was made, several more will come.
static u64 linger_end(const struct commit *c) REQUIRES(lock)
{
    return c->running ? NEVER : c->ended_ns + (c->several ? LONG_LINGER_NS : LINGER_NS);
}

void commit_linger(struct commit *c, const struct ticket *t)
{
    spin_lock(&lock);
    while (t->pending && !t->err && c->waiting < ENOUGH && time_ns() < linger_end(c))
        (void)!wait_on(&c->lingering, &lock, WAIT_UNINTERRUPTIBLE, linger_end(c), "commit");
    spin_unlock(&lock);
}

int commit_wait(struct commit *c, struct ticket *t, struct inode *file)
{
    spin_lock(&lock);
    while (t->pending)
        step(c, file);
    spin_unlock(&lock);
    return t->err;
}

u64 commit_settle(struct commit *c, struct inode *file, u32 most)
{
    spin_lock(&lock);
    while (c->count > most)
        step(c, file);
    u64 failures = c->failures;
    spin_unlock(&lock);
    return failures;
}

bool commit_is_certain(struct commit *c)
{
    spin_lock(&lock);
    bool certain = !c->uncertain;
    spin_unlock(&lock);
    return certain;
}

bool commit_is_settled(struct commit *c)
{
    spin_lock(&lock);
    bool settled = c->count == 0;
    spin_unlock(&lock);
    return settled;
}
