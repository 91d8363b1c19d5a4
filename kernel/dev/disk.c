// Disks: the list of them, and the part of a request's life that is the same for every driver.
//
// disk_submit() checks the range and the fault points and hands the request to the driver, which ends it by
// disk_complete(). Requests that never reach a device (out of range, made to fail, of a dead device) end from a thread
// of their own, so that done() never runs inside submit.
#include "driver.h"
#include <base/string.h>
#include <kern/fault.h>
#include <kern/printk.h>
#include <kern/spinlock.h>
#include <sched/thread.h>
#include <uapi/errno.h>

static struct disk *disks;  // in order of registration; changed only while the machine starts

// Guards `complete` and `waiters` of every request that somebody waits for by disk_wait().
static struct spinlock wait_lock = SPINLOCK_INIT("disk wait", RANK_WAIT);

// The requests that end without a device, and the thread that ends them.
static struct spinlock later_lock = SPINLOCK_INIT("disk later", RANK_WAIT);
static struct list later GUARDED_BY(later_lock) = { &later, &later };
static struct wait_queue later_work GUARDED_BY(later_lock) = { { &later_work.waiters, &later_work.waiters } };
static struct thread later_thread;
static u8 later_stack[KERNEL_STACK_SIZE] __attribute__((aligned(16)));

static struct disk_request *later_take(void)
{
    spin_lock(&later_lock);
    while (list_empty(&later))
        (void)!wait_on(&later_work, &later_lock, WAIT_UNINTERRUPTIBLE, NEVER, "failed requests");
    struct disk_request *r = list_first(&later, struct disk_request, link);
    list_remove(&r->link);
    spin_unlock(&later_lock);
    return r;
}

static void later_run(void *arg)
{
    for (;;) {
        struct disk_request *r = later_take();
        disk_complete(r, r->status);
    }
}

void disk_complete_later(struct disk_request *r, int status)
{
    r->status = status;
    spin_lock(&later_lock);
    list_append(&later, &r->link);
    wake_one(&later_work);
    spin_unlock(&later_lock);
}

static void later_start(void)
{
    thread_init(&later_thread, "disk", later_stack, later_run, NULL);
    thread_start(&later_thread);
}

void disk_register(struct disk *d)
{
    struct disk **end = &disks;

    if (!disks) {
        later_start();
        rawdisk_init();
    }
    while (*end)
        end = &(*end)->next;
    d->next = NULL;
    *end = d;
}

struct disk *disk_find(const char *name)
{
    struct disk *d = disks;

    while (d && name && strcmp(d->name, name) != 0)
        d = d->next;
    return d;
}

struct disk *disk_number(u32 n)
{
    struct disk *d = disks;

    while (d && n--)
        d = d->next;
    return d;
}

// Counts the request; true when a fault point wants it to fail.
static bool count(struct disk *d, enum disk_op op)
{
    switch (op) {
    case DISK_READ:
        d->reads++;
        return fault_now(FAULT_READ);
    case DISK_WRITE:
        d->writes++;
        return fault_now(FAULT_WRITE);
    default:
        d->flushes++;
        return fault_now(FAULT_FLUSH);
    }
}

void disk_submit(struct disk *d, struct disk_request *r)
{
    r->status = 0;
    r->complete = false;
    list_init(&r->link);
    wait_queue_init(&r->waiters);
    if (count(d, r->op) || !disk_has(d, r))
        disk_complete_later(r, -EIO);
    else
        d->submit(d, r);
}

void disk_complete(struct disk_request *r, int status)
{
    r->status = status;
    if (r->done) {
        irq_push();
        r->complete = true;
        r->done(r);
        irq_pop();
        return;
    }
    spin_lock(&wait_lock);
    r->complete = true;
    wake_all(&r->waiters);
    spin_unlock(&wait_lock);
}

void disk_report(const struct disk *d, const struct disk_request *r)
{
    if (r->op == DISK_FLUSH)
        printk("%s: flush failed\n", d->name);
    else
        printk("%s: %s of %u blocks at %llu failed\n", d->name, r->op == DISK_READ ? "read" : "write", r->count,
               (unsigned long long)r->block);
}

int disk_wait(struct disk_request *r)
{
    spin_lock(&wait_lock);
    while (!r->complete)
        (void)!wait_on(&r->waiters, &wait_lock, WAIT_UNINTERRUPTIBLE, NEVER, "disk");
    spin_unlock(&wait_lock);
    return r->status;
}
