// The kernel's small objects: slabs of one frame, each cut into objects of one size; larger ones are runs of frames.
//
// A slab's free objects form a list inside it. Each knows how many there are from itself on, so the head tells whether
// the slab is full, partly used or empty. Slabs with free objects are listed with their size; an empty slab goes back
// to the frames at once.
#include "frame_table.h"
#include <base/string.h>
#include <kern/fault.h>
#include <kern/printk.h>
#include <kern/spinlock.h>
#include <mm/kmalloc.h>

#define SMALLEST_SHIFT 4
#define CLASSES        8  // 16, 32, ... 2048 bytes
#define LARGEST_SMALL  ((size_t)1 << (SMALLEST_SHIFT + CLASSES - 1))
#define LARGEST        ((size_t)128 << 10)

#define NO_OBJECT      UINT16_MAX
#define POISON         0xdb

// Objects are known by their offset in the slab, counted in units of the smallest size.
struct free_object {
    u16 next;   // NO_OBJECT: none
    u16 count;  // of free objects from here on
};

struct size_class {
    struct spinlock lock;
    u32 partial FIELD_GUARDED_BY(lock);  // slabs with a free object
};

static struct size_class classes[CLASSES];
static _Atomic u32 live;

static size_t class_size(unsigned c)
{
    return (size_t)1 << (SMALLEST_SHIFT + c);
}

static u32 class_capacity(unsigned c)
{
    return (u32)(PAGE_SIZE / class_size(c));
}

static unsigned class_for(size_t size)
{
    unsigned c = 0;

    while (class_size(c) < size)
        c++;
    return c;
}

static struct free_object *object_at(struct frame *slab, u16 at)
{
    return (struct free_object *)((u8 *)frame_data(slab) + ((size_t)at << SMALLEST_SHIFT));
}

static u16 object_place(struct frame *slab, const void *p)
{
    return (u16)((size_t)((const u8 *)p - (const u8 *)frame_data(slab)) >> SMALLEST_SHIFT);
}

static u32 slab_free_count(struct frame *slab)
{
    return slab->slab_free == NO_OBJECT ? 0 : object_at(slab, slab->slab_free)->count;
}

static void slab_push(struct frame *slab, void *p)
{
    u32 count = slab_free_count(slab);

    *(struct free_object *)p = (struct free_object){ .next = slab->slab_free, .count = (u16)(count + 1) };
    slab->slab_free = object_place(slab, p);
}

static void *slab_pop(struct frame *slab)
{
    struct free_object *o = object_at(slab, slab->slab_free);

    slab->slab_free = o->next;
    return o;
}

#ifdef CHECKED

static void poison(void *p, size_t size)
{
    memset(p, POISON, size);
}

// Whoever wrote into the object after it was freed is found here.
static void poison_check(const void *p, size_t size)
{
    const u8 *bytes = p;

    for (size_t i = sizeof(struct free_object); i < size; i++)
        if (bytes[i] != POISON)
            panic("kmalloc: %p was written to at %u after it was freed", p, (unsigned)i);
}

static void check_not_free(struct frame *slab, const void *p)
{
    u16 place = object_place(slab, p);

    for (u16 at = slab->slab_free; at != NO_OBJECT; at = object_at(slab, at)->next)
        if (at == place)
            panic("kmalloc: %p is freed twice", p);
}

#else

static void poison(void *p, size_t size)
{
    (void)p, (void)size;
}

static void poison_check(const void *p, size_t size)
{
    (void)p, (void)size;
}

static void check_not_free(struct frame *slab, const void *p)
{
    (void)slab, (void)p;
}

#endif

static struct frame *slab_create(unsigned c)
{
    struct frame *slab = frame_alloc();

    if (!slab)
        return NULL;
    u8 *data = frame_data(slab);
    poison(data, PAGE_SIZE);
    slab->slab_class = (u8)(c + 1);
    slab->slab_free = NO_OBJECT;
    for (u32 i = class_capacity(c); i-- > 0;)
        slab_push(slab, data + i * class_size(c));
    return slab;
}

static void *class_take(struct size_class *class) REQUIRES(class->lock)
{
    if (class->partial == FRAME_NONE)
        return NULL;
    struct frame *slab = &frame_table[class->partial];
    void *p = slab_pop(slab);
    if (slab->slab_free == NO_OBJECT)
        frame_list_remove(&class->partial, slab);
    return p;
}

static void *small_alloc(unsigned c)
{
    struct size_class *class = &classes[c];

    spin_lock(&class->lock);
    void *p = class_take(class);
    spin_unlock(&class->lock);
    if (p)
        return p;

    // Without the lock: the frames may have to ask caches, which free objects of their own.
    struct frame *slab = slab_create(c);
    if (!slab)
        return NULL;
    spin_lock(&class->lock);
    frame_list_push(&class->partial, slab);
    p = class_take(class);
    spin_unlock(&class->lock);
    return p;
}

static void small_free(struct frame *slab, void *p)
{
    unsigned c = slab->slab_class - 1u;
    struct size_class *class = &classes[c];

    assert(((uintptr_t)p & (class_size(c) - 1)) == 0);
    poison(p, class_size(c));
    spin_lock(&class->lock);
    check_not_free(slab, p);
    bool was_full = slab->slab_free == NO_OBJECT;
    slab_push(slab, p);
    bool empty = slab_free_count(slab) == class_capacity(c);
    if (was_full && !empty)
        frame_list_push(&class->partial, slab);
    else if (empty && !was_full)
        frame_list_remove(&class->partial, slab);
    spin_unlock(&class->lock);
    if (empty) {
        slab->slab_class = 0;
        frame_put(slab);
    }
}

static void *large_alloc(size_t size)
{
    unsigned order = 0;

    if (size > LARGEST)
        return NULL;
    while ((size_t)PAGE_SIZE << order < size)
        order++;
    struct frame *f = frames_alloc(order);
    return f ? frame_data(f) : NULL;
}

void *kmalloc(size_t size)
{
    if (fault_now(FAULT_KMALLOC))
        return NULL;
    bool small = size <= LARGEST_SMALL;
    unsigned c = small ? class_for(size) : 0;
    void *p = small ? small_alloc(c) : large_alloc(size);
    if (!p)
        return NULL;
    if (small)
        poison_check(p, class_size(c));
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return p;
}

void *kzalloc(size_t size)
{
    void *p = kmalloc(size);

    if (p)
        memset(p, 0, size);
    return p;
}

void kfree(void *p)
{
    if (!p)
        return;
    struct frame *f = frame_of(p);
    assert(f);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    if (f->slab_class) {
        small_free(f, p);
        return;
    }
    assert(p == frame_data(f));
    frame_put(f);
}

char *kstrdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = kmalloc(size);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}

u64 kmem_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

void kmem_init(void)
{
    for (unsigned c = 0; c < CLASSES; c++) {
        spin_init(&classes[c].lock, "kmem", RANK_KMEM);
        spin_lock(&classes[c].lock);
        classes[c].partial = FRAME_NONE;
        spin_unlock(&classes[c].lock);
    }
}
