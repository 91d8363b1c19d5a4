// The block allocator.
//
// Two bitmaps: the one on disk, in pinned buffers, which changes in handles and is journaled; and one in memory, which
// says what may be allocated. They differ by what is reserved and by what was freed not long ago. Blocks are organized
// in groups, one for each bitmap block, with the number of free blocks and an upper bound of the longest free run, so
// that full groups are passed over.
//
// Freed blocks wait in lists of extents:
//
//     freed_now --alloc_closed--> freed_closed --alloc_committed--> free (file data)
//                                                   (metadata) \-> freed_logged --alloc_checkpointed--> free
//
// Locks: alloc_lock (RANK_BALLOC), taken inside handles and by the journal's thread; nothing of fs is locked under it
// but the journal's own state and the cache's.
#include "alloc.h"
#include <base/byteorder.h>
#include <base/string.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <sched/mutex.h>
#include <uapi/errno.h>

struct group {
    struct buffer *disk;  // its block of the bitmap on disk, pinned
    struct frame *map;    // 1: may not be allocated
    u32 free;             // zeros in map
    u32 longest;          // no run of zeros is longer
};

struct extent {
    u64 start;
    u32 count;
    bool metadata;
};

#define EXTENTS 60

// Of a group's blocks one in so many is the place of index blocks: twice what a group of one file needs.
#define INDEX_SHARE 256

struct extents {
    struct extents *next;
    u32 count;
    struct extent at[EXTENTS];
};

static struct mutex alloc_lock;
static struct group *groups GUARDED_BY(alloc_lock);
static u64 cursor GUARDED_BY(alloc_lock);  // where the search goes on when there is no goal
static u64 free_blocks GUARDED_BY(alloc_lock);
static u64 waiting GUARDED_BY(alloc_lock);  // freed, not yet allocatable
static u64 claimed_blocks GUARDED_BY(alloc_lock);
static struct extents *freed_now GUARDED_BY(alloc_lock);
static struct extents *freed_closed GUARDED_BY(alloc_lock);
static struct extents *freed_logged GUARDED_BY(alloc_lock);

// Constant while mounted.
static struct fs_super super;
static struct frame *groups_frames;
static u32 group_count;

u64 alloc_group(u64 block)
{
    return block / FS_BITS_PER_BLOCK;
}

static u32 bit_of(u64 block)
{
    return (u32)(block % FS_BITS_PER_BLOCK);
}

// A map.

// The first zero in [from, end), or end.
static u32 next_zero(const u8 *map, u32 from, u32 end)
{
    while (from < end) {
        if (from % 32 == 0 && le32(map + from / 8) == UINT32_MAX)
            from += 32;
        else if (fs_bit(map, from))
            from++;
        else
            return from;
    }
    return end;
}

// The first one in [from, end), or end.
static u32 next_one(const u8 *map, u32 from, u32 end)
{
    while (from < end) {
        if (from % 32 == 0 && from + 32 <= end && le32(map + from / 8) == 0)
            from += 32;
        else if (!fs_bit(map, from))
            from++;
        else
            return from;
    }
    return end;
}

// The first run of at least `need` zeros that begins at or after `from`. If there is none: *longest is the longest that
// was seen.
static bool find_run(const u8 *map, u32 from, u32 need, u32 *at, u32 *longest)
{
    *longest = 0;
    while ((from = next_zero(map, from, FS_BITS_PER_BLOCK)) < FS_BITS_PER_BLOCK) {
        u32 end = next_one(map, from, MIN(from + need, FS_BITS_PER_BLOCK));
        if (end - from >= need) {
            *at = from;
            return true;
        }
        *longest = MAX(*longest, end - from);
        from = end;
    }
    return false;
}

// [from, from + count) become ones, or zeros.
static void put_bits(u8 *map, u32 from, u32 count, bool ones)
{
    for (u32 n; count; from += n, count -= n) {
        n = MIN(count, 8 - from % 8);
        u8 bits = (u8)(((1u << n) - 1) << from % 8);
        map[from / 8] = (u8)(ones ? map[from / 8] | bits : map[from / 8] & ~bits);
    }
}

static u8 *map_of(struct group *g)
{
    return frame_data(g->map);
}

// Reserving.

static void take(struct group *g, u32 at, u32 count) REQUIRES(alloc_lock)
{
    put_bits(map_of(g), at, count, true);
    g->free -= count;
    free_blocks -= count;
}

static void give(u64 start, u32 count) REQUIRES(alloc_lock)
{
    struct group *g = &groups[alloc_group(start)];

    put_bits(map_of(g), bit_of(start), count, false);
    g->free += count;
    g->longest = g->free;
    free_blocks += count;
}

// Where the place of index blocks in a group begins.
static u64 index_place(u64 group)
{
    u64 first = MAX(group * FS_BITS_PER_BLOCK, super.data_start);
    u64 end = MIN((group + 1) * FS_BITS_PER_BLOCK, super.blocks - 1);

    return end > first ? end - (end - first) / INDEX_SHARE : first;
}

u64 alloc_index_goal(u64 near)
{
    return index_place(alloc_group(MAX(near, super.data_start)));
}

// Zeros from `goal` on, at most `want`.
static u32 run_at(u64 goal, u32 want) REQUIRES(alloc_lock)
{
    u32 at = bit_of(goal);

    if (goal < super.data_start || goal >= super.blocks - 1)
        return 0;
    return next_one(map_of(&groups[alloc_group(goal)]), at, MIN(at + want, FS_BITS_PER_BLOCK)) - at;
}

// A run of `need` in group n, from bit `from` on.
static bool search_group(u32 n, u32 from, u32 need, u64 *start) REQUIRES(alloc_lock)
{
    struct group *g = &groups[n];
    u32 at, longest;

    if (g->longest < need)
        return false;
    if (find_run(map_of(g), from, need, &at, &longest)) {
        *start = (u64)n * FS_BITS_PER_BLOCK + at;
        return true;
    }
    if (from == 0)
        g->longest = longest;
    return false;
}

// A run of `need` anywhere, looking first behind `from`.
static bool search(u64 from, u32 need, u64 *start) REQUIRES(alloc_lock)
{
    u32 first = (u32)alloc_group(from);

    if (search_group(first, bit_of(from), need, start))
        return true;
    for (u32 k = 1; k <= group_count; k++)
        if (search_group((first + k) % group_count, 0, need, start))
            return true;
    return false;
}

static int reserve(u64 goal, u32 want, u64 *start, u32 *count) REQUIRES(alloc_lock)
{
    u32 need = MIN(want, FS_BITS_PER_BLOCK);
    u64 from = goal ? goal : cursor;

    *start = from;
    *count = run_at(from, need);
    // Behind the file's end is best, however short; otherwise the longest run that can be had.
    if (!*count || (!goal && *count < need)) {
        if (from < super.data_start || from >= super.blocks - 1)
            from = super.data_start;
        while (!search(from, need, start)) {
            if (need == 1)
                return -ENOSPC;
            need /= 2;
        }
        *count = run_at(*start, want);
    }
    take(&groups[alloc_group(*start)], bit_of(*start), *count);
    if (*start < index_place(alloc_group(*start)))
        cursor = *start + *count;
    return 0;
}

int alloc_reserve(u64 goal, u32 want, u64 *claim, u64 *start, u32 *count)
{
    bool claimed = claim && *claim;

    mutex_lock(&alloc_lock);
    u64 available = claimed ? MIN(*claim, free_blocks) : free_blocks - MIN(claimed_blocks, free_blocks);
    int err = available ? reserve(goal, (u32)MIN(want, available), start, count) : -ENOSPC;
    if (!err && claimed) {
        claimed_blocks -= *count;
        *claim -= *count;
    }
    mutex_unlock(&alloc_lock);
    return err;
}

void alloc_cancel(u64 start, u32 count)
{
    mutex_lock(&alloc_lock);
    give(start, count);
    mutex_unlock(&alloc_lock);
}

int alloc_claim(u64 count)
{
    mutex_lock(&alloc_lock);
    bool fits = free_blocks >= claimed_blocks && free_blocks - claimed_blocks >= count;
    if (fits)
        claimed_blocks += count;
    mutex_unlock(&alloc_lock);
    return fits ? 0 : -ENOSPC;
}

void alloc_unclaim(u64 count)
{
    mutex_lock(&alloc_lock);
    claimed_blocks -= MIN(count, claimed_blocks);
    mutex_unlock(&alloc_lock);
}

// The bitmap on disk.

int alloc_commit(struct tx *tx, u64 start, u32 count)
{
    mutex_lock(&alloc_lock);
    struct buffer *b = groups[alloc_group(start)].disk;
    int err = tx_write(tx, b);
    if (!err)
        put_bits(buf_data(b), bit_of(start), count, true);
    mutex_unlock(&alloc_lock);
    return err;
}

int alloc_blocks(struct tx *tx, u64 goal, u32 want, u64 *claim, u64 *start, u32 *count)
{
    int err = alloc_reserve(goal, want, claim, start, count);

    if (err)
        return err;
    err = alloc_commit(tx, *start, *count);
    if (err)
        alloc_cancel(*start, *count);
    return err;
}

// Room for one more extent at the head of *list.
static int extend(struct extents **list)
{
    if (*list && (*list)->count < EXTENTS)
        return 0;
    struct extents *fresh = kmalloc(sizeof(*fresh));
    if (!fresh)
        return -ENOMEM;
    fresh->count = 0;
    fresh->next = *list;
    *list = fresh;
    return 0;
}

// Put an extent on a list that has room.
static void remember(struct extents *list, struct extent e)
{
    struct extent *last = list->count ? &list->at[list->count - 1] : NULL;

    if (last && last->metadata == e.metadata && last->start + last->count == e.start && bit_of(e.start) != 0)
        last->count += e.count;
    else
        list->at[list->count++] = e;
}

// Free a run that lies in one group.
static int free_run(struct tx *tx, u64 start, u32 count, bool metadata) REQUIRES(alloc_lock)
{
    struct buffer *b = groups[alloc_group(start)].disk;
    u32 end = bit_of(start) + count;

    if (next_zero(buf_data(b), bit_of(start), end) < end) {
        printk(
            "fs: damaged: blocks from %llu on (%u) are freed, but some of them are free; left as they are: run fsck\n",
            (unsigned long long)start, count);
        return 0;
    }
    int err = extend(&freed_now);
    if (!err)
        err = tx_write(tx, b);
    if (err)
        return err;
    put_bits(buf_data(b), bit_of(start), count, false);
    remember(freed_now, (struct extent){ .start = start, .count = count, .metadata = metadata });
    waiting += count;
    return 0;
}

int alloc_free(struct tx *tx, u64 start, u32 count, bool metadata)
{
    int err = 0;

    assert(alloc_group(start) == alloc_group(start + count - 1));
    mutex_lock(&alloc_lock);
    err = free_run(tx, start, count, metadata);
    mutex_unlock(&alloc_lock);
    return err;
}

// What was freed becomes free.

static void release(struct extent e) REQUIRES(alloc_lock)
{
    give(e.start, e.count);
    waiting -= e.count;
}

void alloc_closed(void)
{
    mutex_lock(&alloc_lock);
    assert(!freed_closed);
    freed_closed = freed_now;
    freed_now = NULL;
    mutex_unlock(&alloc_lock);
}

// Of a durable chunk keep what was metadata.
static void release_data(struct extents *chunk) REQUIRES(alloc_lock)
{
    u32 kept = 0;

    for (u32 k = 0; k < chunk->count; k++) {
        if (chunk->at[k].metadata)
            chunk->at[kept++] = chunk->at[k];
        else
            release(chunk->at[k]);
    }
    chunk->count = kept;
}

void alloc_committed(void)
{
    mutex_lock(&alloc_lock);
    while (freed_closed) {
        struct extents *chunk = freed_closed;
        freed_closed = chunk->next;
        release_data(chunk);
        if (chunk->count) {
            chunk->next = freed_logged;
            freed_logged = chunk;
        } else {
            kfree(chunk);
        }
    }
    mutex_unlock(&alloc_lock);
}

void alloc_checkpointed(void)
{
    mutex_lock(&alloc_lock);
    while (freed_logged) {
        struct extents *chunk = freed_logged;
        freed_logged = chunk->next;
        for (u32 k = 0; k < chunk->count; k++)
            release(chunk->at[k]);
        kfree(chunk);
    }
    mutex_unlock(&alloc_lock);
}

bool alloc_reclaim(void)
{
    mutex_lock(&alloc_lock);
    bool any = waiting > 0;
    mutex_unlock(&alloc_lock);
    return any && journal_checkpoint() == 0;
}

u64 alloc_free_count(void)
{
    mutex_lock(&alloc_lock);
    u64 n = free_blocks + waiting;
    mutex_unlock(&alloc_lock);
    return n;
}

// Beginning and end.

// What is not the data area is never allocated, whatever the disk's bitmap says.
static void fence(struct group *g, u64 first)
{
    u64 end = first + FS_BITS_PER_BLOCK;

    for (u64 block = first; block < MIN(end, super.data_start); block++)
        fs_bit_set(map_of(g), bit_of(block));
    for (u64 block = MAX(first, super.blocks - 1); block < end; block++)
        fs_bit_set(map_of(g), bit_of(block));
}

static u32 count_zeros(const u8 *map)
{
    u32 n = 0;

    for (u32 at = 0; at < FS_BLOCK_SIZE; at += 4)
        n += (u32)__builtin_popcount(~le32(map + at));
    return n;
}

static int group_init(struct group *g, u32 n) REQUIRES(alloc_lock)
{
    int err = buf_read(super.block_bitmap_start + n, &g->disk);

    if (err)
        return err;
    g->map = frame_alloc();
    if (!g->map)
        return -ENOMEM;
    memcpy(map_of(g), buf_data(g->disk), FS_BLOCK_SIZE);
    fence(g, (u64)n * FS_BITS_PER_BLOCK);
    g->free = g->longest = count_zeros(map_of(g));
    free_blocks += g->free;
    return 0;
}

static void free_extents(struct extents **list)
{
    while (*list) {
        struct extents *chunk = *list;
        *list = chunk->next;
        kfree(chunk);
    }
}

void alloc_release(void)
{
    mutex_lock(&alloc_lock);
    for (u32 n = 0; n < group_count; n++) {
        if (groups[n].disk)
            buf_put(groups[n].disk);
        if (groups[n].map)
            frame_put(groups[n].map);
    }
    frame_put(groups_frames);
    free_extents(&freed_now);
    free_extents(&freed_closed);
    free_extents(&freed_logged);
    mutex_unlock(&alloc_lock);
}

int alloc_init(const struct fs_super *s)
{
    unsigned order = 0;
    int err = 0;

    // The journal's thread, which runs already, takes the lock even if nothing comes of all this.
    mutex_init(&alloc_lock, "block allocator", RANK_BALLOC);
    super = *s;
    group_count = (u32)DIV_ROUND_UP(s->blocks, FS_BITS_PER_BLOCK);
    while (((size_t)PAGE_SIZE << order) < group_count * sizeof(struct group))
        if (++order > FRAME_ORDER_MAX)
            return -ENOMEM;
    groups_frames = frames_alloc(order);
    if (!groups_frames)
        return -ENOMEM;
    memset(frame_data(groups_frames), 0, (size_t)PAGE_SIZE << order);
    mutex_lock(&alloc_lock);
    groups = frame_data(groups_frames);
    cursor = s->data_start;
    free_blocks = waiting = claimed_blocks = 0;
    for (u32 n = 0; !err && n < group_count; n++)
        err = group_init(&groups[n], n);
    mutex_unlock(&alloc_lock);
    if (err)
        alloc_release();
    return err;
}
