// The page frames: a buddy allocator.
//
// Free memory is kept as blocks of 2^order frames, aligned to their size, in one list for each order. A block that is
// freed is united with its neighbour (its "buddy", whose index differs in one bit) while that is free too. The lists
// run through the table of frames; free memory itself is not touched.
#include "frame_table.h"
#include <arch/cpu.h>
#include <base/string.h>
#include <kern/fault.h>
#include <kern/options.h>
#include <kern/printk.h>
#include <kern/spinlock.h>
#include <uapi/errno.h>

// What a frame is. Only the first frame of a block or run is FREE or USED.
enum { FRAME_HOLE, FRAME_INSIDE, FRAME_FREE, FRAME_USED };

#define SHRINK_BATCH 32  // frames asked back at a time: asking costs more than giving one

struct frame *frame_table;
u8 *frame_table_data;
paddr_t frame_table_base;
static u32 table_count;

static struct spinlock frames_lock = SPINLOCK_INIT("frames", RANK_FRAME);
static u32 free_blocks[FRAME_ORDER_MAX + 1] GUARDED_BY(frames_lock);
static _Atomic u32 total_frames, free_frames;  // changed under frames_lock

static struct shrinker *_Atomic shrinkers;

static void count_free(s32 change) REQUIRES(frames_lock)
{
    u32 n = atomic_load_explicit(&free_frames, memory_order_relaxed);

    atomic_store_explicit(&free_frames, n + (u32)change, memory_order_relaxed);
}

static void list_free_block(struct frame *f, unsigned order) REQUIRES(frames_lock)
{
    f->state = FRAME_FREE;
    f->order = (u8)order;
    frame_list_push(&free_blocks[order], f);
}

static void unlist_free_block(struct frame *f) REQUIRES(frames_lock)
{
    frame_list_remove(&free_blocks[f->order], f);
    f->state = FRAME_INSIDE;
}

// The neighbour that a block of that order can be united with, or NULL.
static struct frame *free_buddy(u32 index, unsigned order) REQUIRES(frames_lock)
{
    u32 buddy = index ^ 1u << order;

    if (order == FRAME_ORDER_MAX || buddy >= table_count)
        return NULL;
    struct frame *f = &frame_table[buddy];
    return f->state == FRAME_FREE && f->order == order ? f : NULL;
}

static void give_block(struct frame *f, unsigned order) REQUIRES(frames_lock)
{
    u32 index = frame_index(f);
    struct frame *buddy;

    count_free(1 << order);
    f->state = FRAME_INSIDE;
    while ((buddy = free_buddy(index, order))) {
        unlist_free_block(buddy);
        index &= ~(1u << order);
        order++;
    }
    list_free_block(&frame_table[index], order);
}

static struct frame *take_block(unsigned order) REQUIRES(frames_lock)
{
    unsigned from = order;

    while (from <= FRAME_ORDER_MAX && free_blocks[from] == FRAME_NONE)
        from++;
    if (from > FRAME_ORDER_MAX)
        return NULL;
    struct frame *f = &frame_table[free_blocks[from]];
    unlist_free_block(f);
    while (from > order) {
        from--;
        list_free_block(f + (1u << from), from);
    }
    f->state = FRAME_USED;
    f->order = (u8)order;
    count_free(-(1 << order));
    return f;
}

static struct frame *take_block_locking(unsigned order)
{
    spin_lock(&frames_lock);
    struct frame *f = take_block(order);
    spin_unlock(&frames_lock);
    return f;
}

// Ask the caches once around. Returns the frames they gave.
static u32 shrink_caches(u32 want)
{
    u32 got = 0;

    for (struct shrinker *s = atomic_load(&shrinkers); s && got < want; s = s->next)
        got += s->shrink(want - got);
    return got;
}

static bool may_shrink(void)
{
    return irq_nesting() == 0 && cpu_irq_is_on();
}

struct frame *frames_alloc(unsigned order)
{
    if (order > FRAME_ORDER_MAX || fault_now(FAULT_FRAME))
        return NULL;
    struct frame *f = take_block_locking(order);
    while (!f && may_shrink() && shrink_caches(MAX(1u << order, SHRINK_BATCH)))
        f = take_block_locking(order);
    if (f)
        atomic_store_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

struct frame *frame_alloc(void)
{
    return frames_alloc(0);
}

// The block is used as so many single frames.
static void split(struct frame *f, unsigned order, struct frame **out)
{
    for (u32 i = 0; i < 1u << order; i++, f++) {
        f->state = FRAME_USED;
        f->order = 0;
        atomic_store_explicit(&f->refs, 1, memory_order_relaxed);
        out[i] = f;
    }
}

// The order of the next block to take for `count` single frames: the largest that is there and not too large, so that
// frames lie together and larger blocks stay whole. If there is none, it's a part of a larger one.
static unsigned order_to_take(u32 count) REQUIRES(frames_lock)
{
    unsigned most = FRAME_BATCH_ORDER, order;

    while (1u << most > count)
        most--;
    for (order = most; order > 0 && free_blocks[order] == FRAME_NONE;)
        order--;
    return free_blocks[order] == FRAME_NONE ? most : order;
}

// As many as there are without asking the caches.
static u32 take_each(struct frame **out, u32 count)
{
    u32 n = 0;

    spin_lock(&frames_lock);
    while (n < count) {
        unsigned order = order_to_take(count - n);
        struct frame *f = take_block(order);
        if (!f)
            break;
        split(f, order, out + n);
        n += 1u << order;
    }
    spin_unlock(&frames_lock);
    return n;
}

// Of so many allocations, how many there are before one is to fail.
static u32 allowed(u32 count)
{
    u32 n = 0;

    if (!fault_is_armed(FAULT_FRAME))
        return count;
    while (n < count && !fault_now(FAULT_FRAME))
        n++;
    return n;
}

int frames_alloc_each(struct frame **out, u32 count)
{
    u32 most = allowed(count), got = 0, more = 1;

    for (; got < most && more; got += more) {
        more = take_each(out + got, MIN(most - got, FRAME_BATCH));
        if (!more)
            more = (out[got] = frame_alloc()) != NULL;
    }
    if (got == count)
        return 0;
    while (got-- > 0)
        frame_put(out[got]);
    return -ENOMEM;
}

struct frame *frame_alloc_zeroed(void)
{
    struct frame *f = frame_alloc();

    if (f)
        memset(frame_data(f), 0, PAGE_SIZE);
    return f;
}

struct frame *frame_get(struct frame *f)
{
    u32 before = atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);

    assert(before != 0);
    return f;
}

// Let one reference go; true if it was the last.
static bool drop_reference(struct frame *f)
{
    if (frame_is_sole(f)) {
        atomic_store_explicit(&f->refs, 0, memory_order_relaxed);
        return true;
    }
    u32 before = atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel);
    assert(before != 0);
    return before == 1;
}

void frame_mark_executed(struct frame *f)
{
    f->executed = true;
}

/*
 * A frame is about to be free. An emulator watches every write to a page that it has translated code from, at some
 * fifty times the cost, until all of that code has been overwritten: a stack or a slab in such a page would be slow for
 * ever, since it never touches some of it. A checked build makes all that was freed unusable, so that it stumbles over
 * whoever still uses it.
 */
static void wipe(struct frame *f)
{
#ifdef CHECKED
    memset(frame_data(f), 0xdb, (size_t)PAGE_SIZE << f->order);
#else
    if (f->executed)
        memset(frame_data(f), 0, PAGE_SIZE);
#endif
    f->executed = false;
}

void frame_put(struct frame *f)
{
    if (!drop_reference(f))
        return;
    assert(f->state == FRAME_USED);
    wipe(f);
    spin_lock(&frames_lock);
    give_block(f, f->order);
    spin_unlock(&frames_lock);
}

void frame_batch_finish(struct frame_batch *batch)
{
    if (!batch->count)
        return;
    spin_lock(&frames_lock);
    for (u32 i = 0; i < batch->count; i++)
        give_block(batch->frames[i], batch->frames[i]->order);
    spin_unlock(&frames_lock);
    batch->count = 0;
}

void frame_batch_put(struct frame_batch *batch, struct frame *f)
{
    if (!drop_reference(f))
        return;
    assert(f->state == FRAME_USED);
    wipe(f);
    batch->frames[batch->count++] = f;
    if (batch->count == FRAME_BATCH)
        frame_batch_finish(batch);
}

/*
 * An emulator keeps translations in a small direct-mapped table. Two pages whose numbers agree in their low bits push
 * each other out of it, and a copy between them misses at every word, which makes it some forty times slower. So a copy
 * goes to a page that does not collide; the frame that did is the next one's.
 */
#define COLLISION_PAGES 64

static bool frames_collide(const struct frame *a, const struct frame *b)
{
    return (frame_index(a) ^ frame_index(b)) % COLLISION_PAGES == 0;
}

struct frame *frame_duplicate(struct frame *f)
{
    struct frame *copy = frame_alloc();
    struct frame *other = copy && frames_collide(copy, f) ? frame_alloc() : NULL;

    if (other) {
        frame_put(copy);
        copy = other;
    }
    if (copy)
        frame_copy(copy, f);
    return copy;
}

void frame_copy(struct frame *to, struct frame *from)
{
    memcpy(frame_data(to), frame_data(from), PAGE_SIZE);
}

struct frame *frame_at(paddr_t pa)
{
    paddr_t index = (pa - frame_table_base) >> PAGE_SHIFT;

    if (pa < frame_table_base || index >= table_count || frame_table[index].state == FRAME_HOLE)
        return NULL;
    return &frame_table[index];
}

struct frame *frame_of(void *data)
{
    return frame_at(virt_to_phys(data));
}

u32 frames_total(void)
{
    return atomic_load_explicit(&total_frames, memory_order_relaxed);
}

u32 frames_free(void)
{
    return atomic_load_explicit(&free_frames, memory_order_relaxed);
}

void shrinker_register(struct shrinker *s)
{
    s->next = atomic_load(&shrinkers);
    while (!atomic_compare_exchange_weak(&shrinkers, &s->next, s))
        ;
}

u32 frames_reclaimable(void)
{
    u32 n = 0;

    for (struct shrinker *s = atomic_load(&shrinkers); s; s = s->next)
        n += s->count();
    return n;
}

// The option mem=N or mem=NM, in bytes.
static paddr_t memory_limit(void)
{
    u32 mib = option_number("mem", 0);
    paddr_t bytes = (paddr_t)mib << 20;

    return mib && bytes >> 20 == mib ? bytes : UINTPTR_MAX;
}

// As machine_memory(), within the limit.
static bool usable_memory(unsigned i, paddr_t *start, paddr_t *end)
{
    paddr_t left = memory_limit();

    for (unsigned j = 0; machine_memory(j, start, end); j++) {
        *end = MIN(*end, *start + MIN(left, UINTPTR_MAX - *start));
        if (j == i)
            return *start < *end;
        left -= *end - *start;
    }
    return false;
}

// Let the table span all memory. The first entry's index is a multiple of the largest block, so that alignment can be
// seen from indexes.
static void table_measure(void)
{
    paddr_t start, end, lowest = UINTPTR_MAX, highest = 0;

    for (unsigned i = 0; usable_memory(i, &start, &end); i++) {
        lowest = MIN(lowest, start);
        highest = MAX(highest, end);
    }
    frame_table_base = ROUND_DOWN(lowest, (paddr_t)PAGE_SIZE << FRAME_ORDER_MAX);
    frame_table_data = phys_to_virt(frame_table_base);
    table_count = highest > frame_table_base ? (u32)((highest - frame_table_base) >> PAGE_SHIFT) : 0;
}

// Put the table into the first range that has room. Its place: [*start, *end).
static void table_place(paddr_t *start, paddr_t *end)
{
    size_t size = ROUND_UP((size_t)table_count * sizeof(struct frame), PAGE_SIZE);

    for (unsigned i = 0; usable_memory(i, start, end); i++) {
        if (*end - *start < size)
            continue;
        *end = *start + size;
        frame_table = phys_to_virt(*start);
        memset(frame_table, 0, size);
        return;
    }
    panic("no room for the table of %u page frames", table_count);
}

static void give_range(paddr_t start, paddr_t end)
{
    u32 at = (u32)((start - frame_table_base) >> PAGE_SHIFT);
    u32 past = (u32)((end - frame_table_base) >> PAGE_SHIFT);

    for (u32 i = at; i < past; i++)
        frame_table[i].state = FRAME_INSIDE;
    spin_lock(&frames_lock);
    atomic_fetch_add_explicit(&total_frames, past - at, memory_order_relaxed);
    while (at < past) {
        unsigned order = MIN(at ? (unsigned)__builtin_ctz(at) : FRAME_ORDER_MAX, (unsigned)FRAME_ORDER_MAX);
        while (past - at < 1u << order)
            order--;
        give_block(&frame_table[at], order);
        at += 1u << order;
    }
    spin_unlock(&frames_lock);
}

static void free_lists_init(void)
{
    spin_lock(&frames_lock);
    for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++)
        free_blocks[order] = FRAME_NONE;
    spin_unlock(&frames_lock);
}

void frames_init(void)
{
    paddr_t start, end, table_start, table_end;

    free_lists_init();
    table_measure();
    table_place(&table_start, &table_end);
    for (unsigned i = 0; usable_memory(i, &start, &end); i++)
        give_range(start == table_start ? table_end : start, end);
}
