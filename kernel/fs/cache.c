// The block cache.
//
// Blocks are found by a hash of their number. One that nobody holds stays in memory, in a list by time of last use,
// until mm asks for memory (the shrinker): the cache has no size of its own. Whoever needs a block to stay holds a
// reference: callers, the journal for what is in a transaction or not yet at home, and the cache for file data that is
// dirty. So a block without references is clean.
//
// File data goes through the states
//
//     clean --buf_dirty--> DIRTY --cache_write_dirty--> WRITING --done--> clean
//                            ^                             |  buf_dirty
//                            +-- done, or failed ---- WRITING|DIRTY
//
// DIRTY blocks are in a list: the cache's, or, after cache_take_dirty() began a new round, the journal's. Only the
// journal's thread touches the links of those that were taken, so it can sort them without the lock.
//
// Locks: cache_lock only, below every lock of fs.
#include "cache.h"
#include "io.h"
#include "journal.h"
#include "sort.h"
#include <base/string.h>
#include <kern/printk.h>
#include <kern/spinlock.h>
#include <mm/kmalloc.h>
#include <sched/wait.h>
#include <uapi/errno.h>

#define DIRTY_FRACTION 4  // of memory: so much may be dirty file data

static struct spinlock cache_lock = SPINLOCK_INIT("block cache", RANK_BCACHE);
static struct disk *disk;
static struct buffer **table GUARDED_BY(cache_lock);
static struct frame *table_frames;
static u32 table_mask;
static struct list idle GUARDED_BY(cache_lock) = { &idle, &idle };     // unreferenced, latest use first
static struct list dirty GUARDED_BY(cache_lock) = { &dirty, &dirty };  // this round's
static u32 dirty_round GUARDED_BY(cache_lock);
static struct wait_queue readers GUARDED_BY(cache_lock) = { { &readers.waiters, &readers.waiters } };
static struct wait_queue writers GUARDED_BY(cache_lock) = { { &writers.waiters, &writers.waiters } };
static _Atomic u32 idle_count, dirty_count, frame_count;
static struct io_slot *write_slots;  // the journal's thread's

static struct buffer **bucket(u64 block) REQUIRES(cache_lock)
{
    return &table[block & table_mask];
}

static struct buffer *find(u64 block) REQUIRES(cache_lock)
{
    struct buffer *b = *bucket(block);

    while (b && b->block != block)
        b = b->hash_next;
    return b;
}

static void hash_insert(struct buffer *b) REQUIRES(cache_lock)
{
    struct buffer **head = bucket(b->block);

    b->hash_next = *head;
    *head = b;
    b->flags |= BUF_HASHED;
}

static void hash_remove(struct buffer *b) REQUIRES(cache_lock)
{
    struct buffer **at = bucket(b->block);

    if (!(b->flags & BUF_HASHED))
        return;
    while (*at != b)
        at = &(*at)->hash_next;
    *at = b->hash_next;
    b->flags &= ~(u32)BUF_HASHED;
}

static void pin(struct buffer *b) REQUIRES(cache_lock)
{
    if (b->refs++ == 0) {
        list_remove(&b->link);
        idle_count--;
    }
}

static void destroy(struct buffer *b)
{
    frame_count--;
    frame_put(b->frame);
    kfree(b);
}

static void unpin(struct buffer *b) REQUIRES(cache_lock)
{
    assert(b->refs > 0);
    if (--b->refs > 0)
        return;
    if (b->flags & BUF_HASHED) {
        list_push(&idle, &b->link);
        idle_count++;
    } else {
        destroy(b);
    }
}

struct buffer *buf_get(struct buffer *b)
{
    spin_lock(&cache_lock);
    pin(b);
    spin_unlock(&cache_lock);
    return b;
}

void buf_put(struct buffer *b)
{
    spin_lock(&cache_lock);
    unpin(b);
    spin_unlock(&cache_lock);
}

// The block if it is known, pinned, with its read awaited; NULL if it isn't or the read failed.
static struct buffer *find_settled(u64 block) REQUIRES(cache_lock)
{
    struct buffer *b = find(block);

    if (!b)
        return NULL;
    pin(b);
    while (b->flags & BUF_READING)
        (void)!wait_on(&readers, &cache_lock, WAIT_UNINTERRUPTIBLE, NEVER, "disk");
    if (b->flags & BUF_VALID)
        return b;
    unpin(b);
    return NULL;
}

struct buffer *buf_cached(u64 block)
{
    spin_lock(&cache_lock);
    struct buffer *b = find_settled(block);
    spin_unlock(&cache_lock);
    return b;
}

// The lock is held for so many look-ups at a time.
#define LOOKUPS 64

u32 buf_absent(u64 block, u32 count)
{
    u32 n = 0;
    bool known = false;

    while (n < count && !known) {
        u32 end = MIN(count, n + LOOKUPS);
        spin_lock(&cache_lock);
        while (n < end && !(known = find(block + n)))
            n++;
        spin_unlock(&cache_lock);
    }
    return n;
}

static struct buffer *create(u64 block)
{
    struct buffer *b = kzalloc(sizeof(*b));
    struct frame *frame = b ? frame_alloc() : NULL;

    if (!frame) {
        kfree(b);
        return NULL;
    }
    b->block = block;
    b->frame = frame;
    b->refs = 1;
    b->flags = BUF_READING;
    list_init(&b->link);
    list_init(&b->home_link);
    frame_count++;
    return b;
}

// The block, pinned. fresh: it was not known; it's now, as being read, which the caller has to end by settle(). NULL:
// no memory.
static struct buffer *find_or_create(u64 block, bool *fresh)
{
    struct buffer *b = buf_cached(block);

    *fresh = false;
    if (b)
        return b;
    struct buffer *mine = create(block);
    if (!mine)
        return NULL;
    spin_lock(&cache_lock);
    b = find_settled(block);
    if (!b) {
        hash_insert(mine);
        *fresh = true;
    }
    spin_unlock(&cache_lock);
    if (!b)
        return mine;
    destroy(mine);
    return b;
}

// A read is over. A block that could not be read is forgotten; those who waited see that it isn't valid.
static void settle(struct buffer *b, int err)
{
    spin_lock(&cache_lock);
    b->flags &= ~(u32)BUF_READING;
    if (err)
        hash_remove(b);
    else
        b->flags |= BUF_VALID;
    wake_all(&readers);
    spin_unlock(&cache_lock);
}

int buf_read(u64 block, struct buffer **out)
{
    bool fresh;
    struct buffer *b = find_or_create(block, &fresh);

    if (!b)
        return -ENOMEM;
    if (fresh) {
        int err = disk_transfer(disk, DISK_READ, block, 1, &b->frame);
        settle(b, err);
        if (err) {
            buf_put(b);
            return err;
        }
    }
    *out = b;
    return 0;
}

int buf_zeroed(u64 block, struct buffer **out)
{
    bool fresh;
    struct buffer *b = find_or_create(block, &fresh);

    if (!b)
        return -ENOMEM;
    if (fresh) {
        settle(b, 0);
    } else {
        int err = buf_own(b, false);
        if (err) {
            buf_put(b);
            return err;
        }
    }
    memset(buf_data(b), 0, PAGE_SIZE);
    *out = b;
    return 0;
}

int buf_own(struct buffer *b, bool keep)
{
    if (atomic_load_explicit(&b->frame->refs, memory_order_acquire) == 1)
        return 0;

    struct frame *fresh = frame_alloc();
    if (!fresh)
        return -ENOMEM;
    if (keep)
        frame_copy(fresh, b->frame);
    spin_lock(&cache_lock);
    struct frame *old = b->frame;
    b->frame = fresh;
    spin_unlock(&cache_lock);
    frame_put(old);
    return 0;
}

// Read a run of fresh blocks in one request.
static void read_run(struct buffer **run, u32 count)
{
    struct frame *frames[PREFETCH_MAX];

    if (!count)
        return;
    for (u32 k = 0; k < count; k++)
        frames[k] = run[k]->frame;
    int err = disk_transfer(disk, DISK_READ, run[0]->block, count, frames);
    for (u32 k = 0; k < count; k++) {
        settle(run[k], err);
        buf_put(run[k]);
    }
}

void buf_prefetch(u64 block, u32 count)
{
    struct buffer *run[PREFETCH_MAX];
    u32 gathered = 0;

    assert(count <= PREFETCH_MAX);
    for (u32 k = 0; k < count; k++) {
        bool fresh;
        struct buffer *b = find_or_create(block + k, &fresh);
        if (b && fresh) {
            run[gathered++] = b;
            continue;
        }
        read_run(run, gathered);
        gathered = 0;
        if (!b)
            return;
        buf_put(b);
    }
    read_run(run, gathered);
}

// Into this round's list, with a pin.
static void list_dirty(struct buffer *b) REQUIRES(cache_lock)
{
    b->round = dirty_round;
    list_append(&dirty, &b->link);
}

static void set_dirty(struct buffer *b) REQUIRES(cache_lock)
{
    b->flags |= BUF_DIRTY;
    dirty_count++;
}

static void clear_dirty(struct buffer *b) REQUIRES(cache_lock)
{
    b->flags &= ~(u32)BUF_DIRTY;
    dirty_count--;
}

void buf_dirty(struct buffer *b, u64 ino)
{
    spin_lock(&cache_lock);
    b->ino = ino;
    if ((b->flags & (BUF_DIRTY | BUF_HASHED)) == BUF_HASHED) {
        set_dirty(b);
        if (!(b->flags & BUF_WRITING)) {
            pin(b);
            list_dirty(b);
        }
    }
    spin_unlock(&cache_lock);
}

// Dirty, and taken by the journal, which has not begun to write it: its data belongs to the committing transaction.
static bool is_taken(const struct buffer *b) REQUIRES(cache_lock)
{
    return (b->flags & (BUF_DIRTY | BUF_WRITING)) == BUF_DIRTY && b->round != dirty_round;
}

// Make the block unknown, and free it when nobody holds it. One that the journal took is written all the same: the
// committing transaction makes it reachable, and it's the running one that frees it.
static void forget(struct buffer *b) REQUIRES(cache_lock)
{
    pin(b);
    hash_remove(b);
    if ((b->flags & BUF_DIRTY) && !is_taken(b)) {
        clear_dirty(b);
        if (!(b->flags & BUF_WRITING)) {
            list_remove(&b->link);
            unpin(b);
        }
    }
    unpin(b);
}

void buf_forget(u64 block, u32 count)
{
    for (u32 n = 0; n < count;) {
        u32 end = MIN(count, n + LOOKUPS);
        spin_lock(&cache_lock);
        for (; n < end; n++) {
            struct buffer *b = find(block + n);
            if (b)
                forget(b);
        }
        spin_unlock(&cache_lock);
    }
}

void buf_bypass(u64 block)
{
    struct buffer *b;

    spin_lock(&cache_lock);
    while ((b = find(block))) {
        if (!(b->flags & (BUF_WRITING | BUF_READING)) && !is_taken(b)) {
            forget(b);
            break;
        }
        (void)!wait_on(b->flags & BUF_READING ? &readers : &writers, &cache_lock, WAIT_UNINTERRUPTIBLE, NEVER, "disk");
    }
    spin_unlock(&cache_lock);
}

void cache_take_dirty(struct list *out)
{
    list_init(out);
    spin_lock(&cache_lock);
    if (!list_empty(&dirty)) {
        list_insert_between(out, dirty.prev, dirty.next);
        out->prev->next = out;
        out->next->prev = out;
        list_init(&dirty);
    }
    dirty_round++;
    spin_unlock(&cache_lock);
}

static struct buffer *linked(struct list *l)
{
    return list_entry(l, struct buffer, link);
}

static u64 block_of(const struct list *link)
{
    return list_entry(link, const struct buffer, link)->block;
}

struct writeback {
    struct list flight;  // in the order of their requests
    void (*failed)(u64 ino);
};

// One block is done. Back into the list if it was changed meanwhile, or has to be tried again.
static void written(struct writeback *w, struct buffer *b, int err)
{
    u64 ino = b->ino;

    spin_lock(&cache_lock);
    list_remove(&b->link);
    b->flags &= ~(u32)(BUF_WRITING | BUF_FAILED);
    if (err) {
        b->flags |= BUF_FAILED;
        if ((b->flags & (BUF_HASHED | BUF_DIRTY)) == BUF_HASHED)
            set_dirty(b);
    }
    if (b->flags & BUF_DIRTY)
        list_dirty(b);
    else
        unpin(b);
    wake_all(&writers);
    spin_unlock(&cache_lock);
    if (err)
        w->failed(ino);
}

static void request_written(struct io_stream *io, const struct disk_request *r)
{
    struct writeback *w = io->arg;

    for (u32 k = 0; k < r->count; k++) {
        written(w, list_first(&w->flight, struct buffer, link), r->status);
        frame_put(r->frames[k]);
    }
}

// The next taken block goes into flight; NULL if it needn't be written any more.
static struct frame *launch(struct writeback *w, struct buffer *b)
{
    struct frame *frame = NULL;

    spin_lock(&cache_lock);
    list_remove(&b->link);
    if (b->flags & BUF_DIRTY) {
        clear_dirty(b);
        b->flags |= BUF_WRITING;
        frame = frame_get(b->frame);
        list_append(&w->flight, &b->link);
    } else {
        unpin(b);
    }
    spin_unlock(&cache_lock);
    return frame;
}

void cache_write_dirty(struct list *taken, void (*failed)(u64 ino), bool *any)
{
    struct writeback w = { .failed = failed };
    struct io_stream io;

    *any = false;
    list_init(&w.flight);
    list_sort(taken, block_of);
    io_begin(&io, disk, DISK_WRITE, write_slots, request_written, &w);
    while (!list_empty(taken)) {
        struct buffer *b = list_first(taken, struct buffer, link);
        u64 block = b->block;
        struct frame *frame = launch(&w, b);
        if (frame) {
            *any = true;
            io_add(&io, block, frame);
        }
    }
    int err = io_end(&io);
    if (err)
        printk("fs: %s: file data could not be written (error %d); it is kept and tried again\n", disk->name, -err);
}

u32 cache_dirty_count(void)
{
    return dirty_count;
}

u32 cache_dirty_limit(void)
{
    return frames_total() / DIRTY_FRACTION;
}

u32 cache_frames(void)
{
    return frame_count;
}

// Drop unreferenced blocks, those unused for longest first. Returns how many frames that freed.
static u32 drop_idle(u32 want)
{
    u32 freed = 0;

    spin_lock(&cache_lock);
    while (freed < want && !list_empty(&idle)) {
        struct buffer *b = linked(idle.prev);
        freed += atomic_load(&b->frame->refs) == 1;
        pin(b);
        hash_remove(b);
        unpin(b);
    }
    spin_unlock(&cache_lock);
    return freed;
}

static u32 shrink(u32 want)
{
    u32 freed = drop_idle(want);

    if (freed < want && frame_count)
        journal_relieve();
    return freed;
}

static u32 shrinkable(void)
{
    return idle_count;
}

static struct shrinker shrinker = { .shrink = shrink, .count = shrinkable };

// One bucket for every other frame of memory, or fewer if there is no such run of memory.
static int table_init(void)
{
    unsigned order = FRAME_ORDER_MAX;

    while (order > 0 && (PAGE_SIZE << order) / sizeof(struct buffer *) > frames_total() / 2)
        order--;
    while (!(table_frames = frames_alloc(order)))
        if (order-- == 0)
            return -ENOMEM;
    size_t size = (size_t)PAGE_SIZE << order;
    memset(frame_data(table_frames), 0, size);
    spin_lock(&cache_lock);
    table = frame_data(table_frames);
    table_mask = (u32)(size / sizeof(struct buffer *)) - 1;
    spin_unlock(&cache_lock);
    return 0;
}

int cache_init(struct disk *d)
{
    static bool registered;

    disk = d;
    write_slots = kzalloc(IO_SLOTS * sizeof(struct io_slot));
    if (!write_slots)
        return -ENOMEM;
    int err = table_init();
    if (err) {
        kfree(write_slots);
        return err;
    }
    if (!registered)
        shrinker_register(&shrinker);
    registered = true;
    return 0;
}

void cache_release(void)
{
    struct list taken;

    cache_take_dirty(&taken);
    spin_lock(&cache_lock);
    while (!list_empty(&taken)) {
        struct buffer *b = linked(taken.next);
        list_remove(&b->link);
        if (b->flags & BUF_DIRTY)
            clear_dirty(b);
        unpin(b);
    }
    spin_unlock(&cache_lock);
    drop_idle(UINT32_MAX);
    frame_put(table_frames);
    kfree(write_slots);
}
