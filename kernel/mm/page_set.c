// Sets of pages: an array of chunks in the order of their numbers, which grows as it must.
#include "page_set.h"
#include <base/string.h>
#include <mm/kmalloc.h>

#define ROOM_FIRST 16

static void chunks_free(struct page_set *set)
{
    for (u32 i = 0; i < set->count; i++)
        kfree(set->chunks[i]);
    kfree(set->chunks);
}

void page_set_release(struct page_set *set)
{
    chunks_free(set);
    *set = (struct page_set){ .chunks = NULL };
}

void page_set_lose(struct page_set *set)
{
    chunks_free(set);
    *set = (struct page_set){ .lost = true };
}

// The place of the first chunk whose number is at least this.
static u32 place_of(const struct page_set *set, uaddr_t number)
{
    u32 low = 0, high = set->count;

    // Most often pages come in rising order.
    if (high && set->chunks[high - 1]->number < number)
        return high;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (set->chunks[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool make_room(struct page_set *set)
{
    if (set->count < set->room)
        return true;
    u32 room = set->room ? 2 * set->room : ROOM_FIRST;
    struct page_chunk **more = kmalloc(room * sizeof(struct page_chunk *));
    if (!more)
        return false;
    if (set->count)
        memcpy(more, set->chunks, set->count * sizeof(struct page_chunk *));
    kfree(set->chunks);
    set->chunks = more;
    set->room = room;
    return true;
}

// A new chunk, without a page so far, at its place. NULL: the set is lost.
static struct page_chunk *chunk_insert(struct page_set *set, u32 place, uaddr_t number)
{
    struct page_chunk *chunk = make_room(set) ? kzalloc(sizeof(*chunk)) : NULL;

    if (!chunk) {
        page_set_lose(set);
        return NULL;
    }
    chunk->number = number;
    memmove(&set->chunks[place + 1], &set->chunks[place], (set->count - place) * sizeof(struct page_chunk *));
    set->chunks[place] = chunk;
    set->count++;
    return chunk;
}

void page_set_add_bits(struct page_set *set, uaddr_t number, const u32 bits[CHUNK_WORDS])
{
    if (set->lost)
        return;
    u32 place = place_of(set, number);
    bool there = place < set->count && set->chunks[place]->number == number;
    struct page_chunk *chunk = there ? set->chunks[place] : chunk_insert(set, place, number);

    for (u32 i = 0; chunk && i < CHUNK_WORDS; i++)
        chunk->bits[i] |= bits[i];
}

void page_set_add_range(struct page_set *set, uaddr_t first, uaddr_t end)
{
    while (first < end && !set->lost) {
        uaddr_t number = first / PT_ENTRIES;
        uaddr_t chunk_end = MIN(end, (number + 1) * PT_ENTRIES);
        u32 bits[CHUNK_WORDS] = { 0 };
        for (; first < chunk_end; first++)
            bits[first % PT_ENTRIES / 32] |= 1u << first % 32;
        page_set_add_bits(set, number, bits);
    }
}

void page_set_add_set(struct page_set *set, const struct page_set *more)
{
    if (more->lost && !set->lost)
        page_set_lose(set);
    for (u32 i = 0; i < more->count; i++)
        page_set_add_bits(set, more->chunks[i]->number, more->chunks[i]->bits);
}

// The first page of the chunk at or after its bit `at`.
static bool chunk_next(const struct page_chunk *chunk, u32 at, uaddr_t *page)
{
    for (u32 word = at / 32, from = at % 32; word < CHUNK_WORDS; word++, from = 0) {
        u32 left = chunk->bits[word] >> from << from;
        if (left) {
            *page = chunk->number * PT_ENTRIES + word * 32 + (u32)__builtin_ctz(left);
            return true;
        }
    }
    return false;
}

bool page_set_next(const struct page_set *set, uaddr_t *page)
{
    uaddr_t number = *page / PT_ENTRIES;

    for (u32 i = place_of(set, number); i < set->count; i++)
        if (chunk_next(set->chunks[i], set->chunks[i]->number == number ? *page % PT_ENTRIES : 0, page))
            return true;
    return false;
}

u32 page_set_run(const struct page_set *set, uaddr_t page)
{
    const struct page_chunk *chunk = set->chunks[place_of(set, page / PT_ENTRIES)];
    u32 at = page % PT_ENTRIES, end = at;

    while (end < PT_ENTRIES) {
        u32 absent = ~chunk->bits[end / 32] >> end % 32;
        if (absent)
            return end + (u32)__builtin_ctz(absent) - at;
        end = ROUND_UP(end + 1, 32);
    }
    return PT_ENTRIES - at;
}

u32 page_set_count(const struct page_set *set)
{
    u32 n = 0;

    for (u32 i = 0; i < set->count; i++)
        for (u32 word = 0; word < CHUNK_WORDS; word++)
            n += (u32)__builtin_popcount(set->chunks[i]->bits[word]);
    return n;
}
