// Image files in use, by inode.
#include "use.h"
#include <base/list.h>
#include <mm/kmalloc.h>
#include <sched/wait.h>
#include <uapi/errno.h>

struct image_use {
    struct list link;
    u64 ino, generation;  // constant
    u32 refs;
    bool locked;
    struct wait_queue waiters;
    struct list pins;
    struct commit commit;  // has a lock of its own
};

struct image_pin {
    struct list link;
    struct image_use *use;  // a reference
    u64 epoch;
};

// Guards all of the above, but for the commits.
static struct spinlock lock = SPINLOCK_INIT("images in use", RANK_WAIT);
static struct list uses = { &uses, &uses };

static struct image_use *find(u64 ino, u64 generation) REQUIRES(lock)
{
    struct image_use *use;

    list_for_each(use, &uses, link)
        if (use->ino == ino && use->generation == generation)
            return use;
    return NULL;
}

int image_use_get(u64 ino, u64 generation, struct image_use **out)
{
    struct image_use *fresh = kzalloc(sizeof(*fresh));

    if (!fresh)
        return -ENOMEM;
    spin_lock(&lock);
    *out = find(ino, generation);
    if (!*out) {
        *out = fresh;
        fresh->ino = ino;
        fresh->generation = generation;
        wait_queue_init(&fresh->waiters);
        list_init(&fresh->pins);
        commit_init(&fresh->commit);
        list_push(&uses, &fresh->link);
        fresh = NULL;
    }
    (*out)->refs++;
    spin_unlock(&lock);
    kfree(fresh);
    return 0;
}

void image_use_put(struct image_use *use)
{
    spin_lock(&lock);
    bool last = --use->refs == 0;
    if (last)
        list_remove(&use->link);
    spin_unlock(&lock);
    if (last)
        kfree(use);
}

int image_use_lock(struct image_use *use)
{
    int err = 0;

    spin_lock(&lock);
    while (use->locked && !err)
        err = wait_on(&use->waiters, &lock, WAIT_INTERRUPTIBLE, NEVER, "image");
    if (!err)
        use->locked = true;
    spin_unlock(&lock);
    return err;
}

bool image_use_trylock(struct image_use *use)
{
    spin_lock(&lock);
    bool locked = !use->locked;
    use->locked = true;
    spin_unlock(&lock);
    return locked;
}

void image_use_unlock(struct image_use *use)
{
    spin_lock(&lock);
    use->locked = false;
    wake_all(&use->waiters);
    spin_unlock(&lock);
}

struct commit *image_use_commit(struct image_use *use)
{
    return &use->commit;
}

int image_pin(struct image_use *use, u64 epoch, struct image_pin **out)
{
    struct image_pin *pin = kmalloc(sizeof(*pin));

    if (!pin)
        return -ENOMEM;
    pin->use = use;
    pin->epoch = epoch;
    spin_lock(&lock);
    use->refs++;
    list_push(&use->pins, &pin->link);
    spin_unlock(&lock);
    *out = pin;
    return 0;
}

void image_unpin(struct image_pin *pin)
{
    spin_lock(&lock);
    list_remove(&pin->link);
    spin_unlock(&lock);
    image_use_put(pin->use);
    kfree(pin);
}

u64 image_oldest_pin(struct image_use *use)
{
    struct image_pin *pin;
    u64 oldest = UINT64_MAX;

    spin_lock(&lock);
    list_for_each(pin, &use->pins, link)
        oldest = MIN(oldest, pin->epoch);
    spin_unlock(&lock);
    return oldest;
}
