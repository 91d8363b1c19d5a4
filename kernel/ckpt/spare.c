// Spare blocks, as a map of bits over the file's blocks in pieces of a frame each: 1 is in use.
//
// A new image has none. What an epoch replaces in the one before is noted with it, as runs of blocks, and is spare when
// that one is dropped. This holds where each epoch goes on from the one before: where the history branches, blocks that
// were replaced come back into use, and what was noted is forgotten. A family's trees share blocks, so of what it
// replaces nothing is noted. What got lost in such ways is found again, when that's worth it, by walking the trees of
// all kept epochs; a node that was met before is passed over, so the cost is that of the distinct nodes.
#include "spare.h"
#include <base/list.h>
#include <base/string.h>
#include <mm/frame.h>
#include <mm/kmalloc.h>
#include <sched/thread.h>
#include <uapi/errno.h>

#define PIECE_BITS (PAGE_SIZE * 8)
#define RUNS_FIRST 16u
#define RUNS_MOST  32768u  // of one epoch: 256 KiB

// So many blocks lost from sight since the map was made, or an eighth of those in use, make it worth to walk the trees:
// that costs a small part of what the writing did, and the file never holds much more than it must.
#define WORTH_LOOKING 256u

struct blocks {
    u32 first, count;
};

// What an epoch doesn't use any more of what the one before did.
struct replaced {
    struct list link;
    u64 epoch;
    u32 count, room;  // runs
    u32 blocks;
    struct blocks *runs;
};

struct spare {
    u32 blocks;   // the map tells of those below
    u32 free;     // of them, those that are spare
    u32 cursor;   // where the search goes on
    s64 unnoted;  // blocks that came into use since the map was made, less those that will be or were told of
    struct frame **map;
    u32 pieces;
    struct list noted;     // struct replaced, the oldest first
    struct replaced *now;  // of the epoch that is being written; NULL: not noted
};

static u8 *byte_of(const struct spare *s, u32 block)
{
    return (u8 *)frame_data(s->map[block / PIECE_BITS]) + block % PIECE_BITS / 8;
}

static bool is_used(const struct spare *s, u32 block)
{
    return *byte_of(s, block) & 1u << block % 8;
}

static void set_used(struct spare *s, u32 block)
{
    *byte_of(s, block) |= (u8)(1u << block % 8);
    s->free--;
}

static void replaced_destroy(struct replaced *r)
{
    if (r)
        kfree(r->runs);
    kfree(r);
}

static void forget_noted(struct spare *s)
{
    while (!list_empty(&s->noted)) {
        struct replaced *r = list_first(&s->noted, struct replaced, link);
        list_remove(&r->link);
        s->unnoted += r->blocks;
        replaced_destroy(r);
    }
}

void spare_destroy(struct spare *s)
{
    if (!s)
        return;
    forget_noted(s);
    replaced_destroy(s->now);
    for (u32 i = 0; i < s->pieces; i++)
        frame_put(s->map[i]);
    kfree(s->map);
    kfree(s);
}

// Make the map tell of all blocks below `blocks`: the new ones are in use.
static bool grow(struct spare *s, u32 blocks)
{
    u32 pieces = DIV_ROUND_UP(blocks, (u32)PIECE_BITS);
    struct frame **map = s->map;

    if (pieces > s->pieces) {
        map = kzalloc(pieces * sizeof(*map));
        if (!map)
            return false;
        memcpy(map, s->map, s->pieces * sizeof(*map));
        kfree(s->map);
        s->map = map;
    }
    for (; s->pieces < pieces; s->pieces++) {
        map[s->pieces] = frame_alloc();
        if (!map[s->pieces])
            return false;
        memset(frame_data(map[s->pieces]), 0xff, PAGE_SIZE);
    }
    s->blocks = MAX(s->blocks, blocks);
    return true;
}

struct spare *spare_create(u32 blocks)
{
    struct spare *s = kzalloc(sizeof(*s));

    if (!s)
        return NULL;
    list_init(&s->noted);
    if (!grow(s, blocks)) {
        spare_destroy(s);
        return NULL;
    }
    return s;
}

// For ckpt_blocks(): false if the first one was known to be in use.
static bool use(void *ctx, u32 first, u32 count)
{
    struct spare *s = ctx;

    thread_breathe();
    if (is_used(s, first) && count == 1)
        return false;
    for (u32 i = 0; i < count; i++)
        if (!is_used(s, first + i))
            set_used(s, first + i);
    return true;
}

static void set_spare(struct spare *s, u32 first, u32 count)
{
    for (u32 block = first; block < first + count; block++) {
        if (!is_used(s, block))
            continue;
        *byte_of(s, block) &= (u8) ~(1u << block % 8);
        s->free++;
    }
}

static enum ckpt_error mark_epochs(struct image *image, struct ckpt_walk *walk, struct spare *s)
{
    enum ckpt_error error = ckpt_open(&image->reader, &image->source, 0);

    while (!error) {
        error = ckpt_blocks(&image->reader, walk, use, s);
        if (!error)
            error = ckpt_open_previous(&image->reader);
    }
    return error == CKPT_NO_EPOCH ? CKPT_OK : error;
}

int spare_find(struct image *image, struct spare **out)
{
    struct ckpt_walk *walk = kmalloc(sizeof(*walk));
    struct spare *s = spare_create((u32)image->reader.header.blocks);
    int err = -ENOMEM;

    if (walk && s) {
        set_spare(s, CKPT_SLOTS, s->blocks - CKPT_SLOTS);
        enum ckpt_error error = mark_epochs(image, walk, s);
        err = error ? image_refuse(image, error, image->reader.failed_at) : 0;
    }
    kfree(walk);
    if (err) {
        spare_destroy(s);
        return err;
    }
    *out = s;
    return 0;
}

// The first block from `at` on that is (not) in use, or the end.
static u32 search(const struct spare *s, u32 at, bool used)
{
    u32 others = used ? 0 : UINT32_MAX;

    while (at < s->blocks) {
        if (at % 32 == 0 && ((const u32 *)frame_data(s->map[at / PIECE_BITS]))[at % PIECE_BITS / 32] == others)
            at += 32;
        else if (is_used(s, at) == used)
            return at;
        else
            at++;
    }
    return s->blocks;
}

static u32 take(struct spare *s, u32 first, u32 count)
{
    for (u32 i = 0; i < count; i++)
        set_used(s, first + i);
    s->unnoted += count;
    return count;
}

u32 spare_take_best(struct spare *s, u32 count, u32 *first)
{
    u32 best = UINT32_MAX, end = 0;

    while (s->free >= count && best != count && end < s->blocks) {
        u32 at = search(s, end, false);
        end = search(s, at, true);
        if (end - at < count || end - at >= best)
            continue;
        best = end - at;
        *first = at;
    }
    return best == UINT32_MAX ? 0 : take(s, *first, count);
}

static u32 take_from(struct spare *s, u32 from, u32 least, u32 most, u32 *first)
{
    for (;;) {
        *first = search(s, from, false);
        if (*first == s->blocks)
            return 0;
        u32 end = search(s, *first, true);
        u32 n = MIN(end - *first, most);
        if (n >= least) {
            s->cursor = *first + n;
            return take(s, *first, n);
        }
        from = end;
    }
}

u32 spare_take(struct spare *s, u32 least, u32 most, u32 *first)
{
    u32 n = s->free >= least ? take_from(s, s->cursor, least, most, first) : 0;

    return n || s->free < least ? n : take_from(s, 0, least, most, first);
}

void spare_give_back(struct spare *s, u32 first, u32 count)
{
    set_spare(s, first, count);
    s->unnoted -= count;
}

u32 spare_count(const struct spare *s)
{
    return s->free;
}

u32 spare_unused(const struct spare *s)
{
    return s->free + (u32)MIN(MAX(s->unnoted, 0), (s64)(s->blocks - s->free));
}

bool spare_is_stale(const struct spare *s, u64 wanted)
{
    u32 in_use = s->blocks - s->free;

    return s->free < wanted && s->unnoted >= (s64)MAX(in_use / 8, WORTH_LOOKING);
}

bool spare_tells_of(const struct spare *s, u64 blocks)
{
    return blocks <= s->blocks;
}

u32 spare_end(const struct spare *s)
{
    u32 end = s->blocks;

    while (end > CKPT_SLOTS && !is_used(s, end - 1))
        end--;
    return end;
}

// What lies past the file's end isn't spare: the file grows there.
static void forget_end(struct spare *s, u32 blocks)
{
    while (s->blocks > blocks) {
        s->blocks--;
        if (!is_used(s, s->blocks))
            set_used(s, s->blocks);
    }
    s->cursor = MIN(s->cursor, s->blocks);
}

// ---- what epochs replace

void spare_note(struct spare *s)
{
    s->now = kzalloc(sizeof(*s->now));
}

// What doesn't fit isn't noted.
static bool more_runs(struct replaced *r)
{
    u32 room = r->room ? 2 * r->room : RUNS_FIRST;
    struct blocks *runs = room <= RUNS_MOST ? kmalloc(room * sizeof(*runs)) : NULL;

    if (!runs)
        return false;
    memcpy(runs, r->runs, r->count * sizeof(*runs));
    kfree(r->runs);
    r->runs = runs;
    r->room = room;
    return true;
}

void spare_replaced(struct spare *s, u32 first, u32 count)
{
    struct replaced *r = s->now;

    if (!r || first < CKPT_SLOTS || first >= s->blocks)
        return;
    count = MIN(count, s->blocks - first);
    struct blocks *last = r->count ? &r->runs[r->count - 1] : NULL;
    if (last && last->first + last->count == first) {
        last->count += count;
    } else {
        if (r->count == r->room && !more_runs(r))
            return;
        r->runs[r->count++] = (struct blocks){ first, count };
    }
    r->blocks += count;
}

bool spare_publish(struct spare *s, u64 epoch, bool branches, u32 blocks)
{
    if (branches)
        forget_noted(s);
    if (s->now) {
        s->now->epoch = epoch;
        s->unnoted -= s->now->blocks;
        list_append(&s->noted, &s->now->link);
        s->now = NULL;
    }
    if (blocks > s->blocks)
        s->unnoted += blocks - s->blocks;
    forget_end(s, MIN(blocks, s->blocks));
    return grow(s, blocks);
}

void spare_dropped(struct spare *s, u64 oldest)
{
    while (!list_empty(&s->noted)) {
        struct replaced *r = list_first(&s->noted, struct replaced, link);

        if (r->epoch > oldest)
            break;
        for (u32 i = 0; i < r->count; i++)
            set_spare(s, r->runs[i].first, r->runs[i].count);
        list_remove(&r->link);
        replaced_destroy(r);
    }
}

u32 spare_frames(const struct spare *s)
{
    const struct replaced *r;
    size_t runs = 0;

    if (!s)
        return 0;
    list_for_each(r, &s->noted, link)
        runs += r->room;
    return s->pieces + (u32)(runs * sizeof(struct blocks) / PAGE_SIZE);
}
