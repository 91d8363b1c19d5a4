// The heap: blocks side by side, each with a header that says its own size and its predecessor's, so that a freed block
// joins free neighbours at once. Free blocks hang in lists by size; a bitmap says which lists are not empty.
#include "malloc.h"

#include <base/list.h>
#include <base/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALIGN   16
#define FREE    1u  // in `size` of a block: it's free
#define CLASSES 128
#define SMALL   32  // below this many units of ALIGN each size has a class of its own; above, four to each power of two
#define LARGEST (SIZE_MAX / 2 - 4 * GROWTH)
#define GROWTH  (64 * 1024)  // the heap grows by at least this much

struct block {
    size_t size;                       // with the header; a multiple of ALIGN, and FREE
    size_t before;                     // the size of the block below; 0: there is none that is ours
    _Alignas(ALIGN) struct list link;  // in its class; the program's bytes while it's used
};

#define HEADER offsetof(struct block, link)
#define LEAST  ROUND_UP(sizeof(struct block), ALIGN)

static struct list classes[CLASSES];
static u32 occupied[CLASSES / 32];
static struct block *last;  // ends the newest segment: used, and without content; NULL at the start

static size_t block_size(const struct block *b)
{
    return b->size & ~(size_t)FREE;
}

static struct block *block_at(void *base, size_t offset)
{
    return (struct block *)((char *)base + offset);
}

static struct block *block_after(struct block *b)
{
    return block_at(b, block_size(b));
}

// There is one: b->before is not 0.
static struct block *block_before(struct block *b)
{
    return (struct block *)((char *)b - b->before);
}

static struct block *block_of(void *p)
{
    return (struct block *)((char *)p - HEADER);
}

// Blocks of class c are at least as large as any request that is searched from class c on.
static unsigned class_of(size_t size)
{
    size_t units = size / ALIGN;

    if (units < SMALL)
        return (unsigned)units;
    unsigned log = (unsigned)(8 * sizeof(unsigned long) - 1) - (unsigned)__builtin_clzl(units);
    return MIN(SMALL + (log - 5) * 4 + (unsigned)(units >> (log - 2) & 3), (unsigned)CLASSES - 1);
}

static void block_insert(struct block *b)
{
    unsigned c = class_of(block_size(b));

    b->size |= FREE;
    list_push(&classes[c], &b->link);
    occupied[c / 32] |= 1u << c % 32;
}

static void block_remove(struct block *b)
{
    unsigned c = class_of(block_size(b));

    b->size &= ~(size_t)FREE;
    list_remove(&b->link);
    if (list_empty(&classes[c]))
        occupied[c / 32] &= ~(1u << c % 32);
}

static void block_resize(struct block *b, size_t size)
{
    b->size = size;
    block_after(b)->before = size;
}

// Cut a used block to size and free the rest, if that is large enough to be a block.
static void block_trim(struct block *b, size_t size)
{
    size_t rest = block_size(b) - size;

    if (rest < LEAST)
        return;
    block_resize(b, size);
    struct block *cut = block_after(b);
    cut->size = rest;
    block_after(cut)->before = rest;
    free((char *)cut + HEADER);
}

// A new end of the heap, `size` bytes on. The old end becomes the header of a used block when nobody else moved the
// heap meanwhile.
static struct block *heap_grow(size_t size)
{
    size_t grow = MAX(ROUND_UP(size + 2 * LEAST, (size_t)4096), (size_t)GROWTH);

    char *start = sbrk((intptr_t)grow);
    if (start == (char *)-1) {
        // Perhaps there is just enough for this one.
        grow = size + 2 * LEAST;
        start = sbrk((intptr_t)grow);
        if (start == (char *)-1)
            return NULL;
    }
    struct block *b = last;
    if (!b || start != (char *)last + HEADER) {
        size_t skip = ROUND_UP((uintptr_t)start, (uintptr_t)ALIGN) - (uintptr_t)start;
        b = block_at(start, skip);
        grow = ROUND_DOWN(grow - skip, (size_t)ALIGN) - HEADER;
        b->before = 0;
    }
    grow = ROUND_DOWN(grow, (size_t)ALIGN);
    b->size = grow;
    last = block_after(b);
    last->size = HEADER;
    last->before = grow;
    return b;
}

static struct block *block_find(size_t size)
{
    unsigned c = class_of(size);
    struct block *b;

    if (!classes[0].next)
        for (int i = 0; i < CLASSES; i++)
            list_init(&classes[i]);
    // In its own class a block may be a little too small; in all others it's large enough.
    list_for_each(b, &classes[c], link)
        if (block_size(b) >= size)
            return b;
    for (c++; c < CLASSES; c = ROUND_DOWN(c, 32u) + 32) {
        u32 map = occupied[c / 32] & ~0u << c % 32;
        if (map)
            return list_first(&classes[ROUND_DOWN(c, 32u) + (unsigned)__builtin_ctz(map)], struct block, link);
    }
    return NULL;
}

void *malloc(size_t n)
{
    if (n > LARGEST) {
        errno = ENOMEM;
        return NULL;
    }
    size_t size = MAX(ROUND_UP(n + HEADER, (size_t)ALIGN), LEAST);
    struct block *b = block_find(size);
    if (b)
        block_remove(b);
    else
        b = heap_grow(size);
    if (!b) {
        errno = ENOMEM;
        return NULL;
    }
    block_trim(b, size);
    return (char *)b + HEADER;
}

void free(void *p)
{
    if (!p)
        return;
    struct block *b = block_of(p);
    struct block *after = block_after(b);
    if (after->size & FREE) {
        block_remove(after);
        block_resize(b, block_size(b) + block_size(after));
    }
    if (b->before) {
        struct block *before = block_before(b);
        if (before->size & FREE) {
            block_remove(before);
            block_resize(before, block_size(before) + block_size(b));
            b = before;
        }
    }
    block_insert(b);
}

void *calloc(size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;

    if (__builtin_mul_overflow(n, size, &bytes))
        errno = ENOMEM;
    else
        p = malloc(bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

void *realloc(void *p, size_t n)
{
    if (!p)
        return malloc(n);
    if (n > LARGEST) {
        errno = ENOMEM;
        return NULL;
    }
    struct block *b = block_of(p);
    size_t size = MAX(ROUND_UP(n + HEADER, (size_t)ALIGN), LEAST);
    struct block *after = block_after(b);
    if (size > block_size(b) && (after->size & FREE) && block_size(b) + block_size(after) >= size) {
        block_remove(after);
        block_resize(b, block_size(b) + block_size(after));
    }
    if (size <= block_size(b)) {
        block_trim(b, size);
        return p;
    }
    void *larger = malloc(n);
    if (larger) {
        memcpy(larger, p, block_size(b) - HEADER);
        free(p);
    }
    return larger;
}

bool heap_is_sound(void)
{
    size_t free_blocks = 0, listed = 0;
    struct block *b, *below;

    for (b = last; b && b->before; b = below) {
        below = block_before(b);
        if (block_size(below) != b->before || ((b->size & FREE) && (below->size & FREE)))
            return false;
        free_blocks += below->size & FREE;
    }
    for (unsigned c = 0; last && c < CLASSES; c++)
        list_for_each(b, &classes[c], link) {
            listed++;
            if (!(b->size & FREE) || class_of(block_size(b)) != c)
                return false;
        }
    return listed >= free_blocks;  // older segments have some, too
}
