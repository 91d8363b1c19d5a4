// Spare blocks, as a map of bits over the file's blocks in pieces of a frame each: 1 is in use.
//
// A map is made by walking the trees of all kept epochs; a node that was met before is passed over, so the cost is that
// of the distinct nodes. Between two epochs the map is remembered, if nobody else wrote to the file. What an epoch
// drops becomes spare when the map is made anew.
#include "spare.h"
#include <base/string.h>
#include <kern/spinlock.h>
#include <mm/frame.h>
#include <mm/kmalloc.h>
#include <sched/thread.h>
#include <uapi/errno.h>

#define PIECE_BITS (PAGE_SIZE * 8)
#define REMEMBERED 4

// So many blocks written since the map was made, or an eighth of those that were in use, make it worth to walk the
// trees again: the walk costs a small part of what the writing did, and the file never holds much more than it must.
#define WORTH_LOOKING 64u

struct spare {
    struct spare_key key;
    u32 blocks;  // the map tells of those below
    u32 found;   // spare ones when it was made
    u32 free;    // of them, those that haven't been taken
    u32 cursor;  // where the search goes on
    u32 pieces;
    struct frame *map[];
};

// Guards the maps that are remembered, the latest first.
static struct spinlock lock = SPINLOCK_INIT("spare blocks", RANK_WAIT);
static struct spare *remembered[REMEMBERED] GUARDED_BY(lock);

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

void spare_destroy(struct spare *s)
{
    if (!s)
        return;
    for (u32 i = 0; i < s->pieces; i++)
        frame_put(s->map[i]);
    kfree(s);
}

static struct spare *create(u32 blocks)
{
    u32 pieces = DIV_ROUND_UP(blocks, (u32)PIECE_BITS);
    struct spare *s = kzalloc(sizeof(*s) + pieces * sizeof(s->map[0]));

    if (!s)
        return NULL;
    s->blocks = s->free = blocks;
    for (; s->pieces < pieces; s->pieces++) {
        s->map[s->pieces] = frame_alloc_zeroed();
        if (!s->map[s->pieces]) {
            spare_destroy(s);
            return NULL;
        }
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
    struct spare *s = create((u32)image->reader.header.blocks);
    int err = -ENOMEM;

    if (walk && s) {
        (void)use(s, 0, CKPT_SLOTS);
        enum ckpt_error error = mark_epochs(image, walk, s);
        err = error ? image_refuse(image, error, image->reader.failed_at) : 0;
        s->found = s->free;
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
    u8 all = used ? 0 : 0xff;

    while (at < s->blocks) {
        if (at % 8 == 0 && *byte_of(s, at) == all)
            at += 8;
        else if (is_used(s, at) == used)
            return at;
        else
            at++;
    }
    return s->blocks;
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
            for (u32 i = 0; i < n; i++)
                set_used(s, *first + i);
            s->cursor = *first + n;
            return n;
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
    for (u32 i = 0; i < count; i++)
        *byte_of(s, first + i) &= (u8) ~(1u << (first + i) % 8);
    s->free += count;
}

u32 spare_count(const struct spare *s)
{
    return s->free;
}

bool spare_is_stale(const struct spare *s, u64 blocks, u64 wanted)
{
    u32 in_use = s->blocks - s->found;
    u64 consumed = s->found - s->free + (blocks - MIN(blocks, s->blocks));

    return s->free < wanted && consumed >= MAX(in_use / 8, WORTH_LOOKING);
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

static bool key_is(const struct spare_key *a, const struct spare_key *b)
{
    return a->ino == b->ino && a->generation == b->generation && a->epoch == b->epoch && a->digest == b->digest;
}

struct spare *spare_recall(const struct spare_key *key)
{
    struct spare *found = NULL;

    spin_lock(&lock);
    for (u32 i = 0; i < REMEMBERED && !found; i++) {
        if (!remembered[i] || !key_is(&remembered[i]->key, key))
            continue;
        found = remembered[i];
        remembered[i] = NULL;
    }
    spin_unlock(&lock);
    return found;
}

// What lies past the file's end isn't spare: the file grows there.
static void forget_end(struct spare *s, u32 blocks)
{
    while (s->blocks > blocks) {
        s->blocks--;
        if (!is_used(s, s->blocks)) {
            s->free--;
            s->found--;
        }
    }
    s->cursor = MIN(s->cursor, s->blocks);
}

void spare_keep(struct spare *s, const struct spare_key *key, u64 blocks)
{
    s->key = *key;
    forget_end(s, (u32)MIN(blocks, s->blocks));
    spin_lock(&lock);
    struct spare *oldest = remembered[REMEMBERED - 1];
    for (u32 i = REMEMBERED - 1; i > 0; i--)
        remembered[i] = remembered[i - 1];
    remembered[0] = s;
    spin_unlock(&lock);
    spare_destroy(oldest);
}
