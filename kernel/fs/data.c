// The contents of files.
//
// Bytes go through the cache: read in runs, ahead of a sequential reader; written into cached frames that the journal
// writes before its next commit. Whole frames go past the cache, in large requests from the caller's own frames; blocks
// that the cache knows are respected. A read or write of bytes that has many whole frames in its middle, at block
// boundaries of the file, moves those in that way, too.
//
// A write proceeds in steps, each in a handle of its own and small enough for one:
//   - new blocks are reserved in memory, filled (in the cache, or on the disk), and only then marked used and put into
//     the tree;
//   - so whatever fails before that costs nothing, and nothing that is reachable was ever unwritten;
//   - what is past the old end and becomes visible is zeros: the rest of the last block is cleared when a file is
//     extended.
//
// A cut frees from the end on. If it takes more than one handle the inode is in the orphan list until it's finished; a
// file in that state is finished before it is extended.
//
// Locks: i->lock over everything here.
#include "alloc.h"
#include "dir.h"
#include "io.h"
#include "pieces.h"
#include "tree.h"
#include <base/string.h>
#include <kern/printk.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define STEP_MAX      16  // blocks that one handle of a write through the cache fills
#define WRITE_CREDITS (TREE_CREDITS + 2)
#define WINDOW_MIN    4     // blocks read ahead at first
#define DIRECT_MAX    2048  // blocks that one round of a direct write has in flight
#define DIRECT_RUNS   24    // and runs
#define RETRIES       3     // after -ENOSPC, when something was being freed
#define WHOLE_MIN     16    // frames for which a request of their own is cheaper than copying

static u64 blocks_of(u64 bytes)
{
    return DIV_ROUND_UP(bytes, FS_BLOCK_SIZE);
}

static u64 size_max(void)
{
    return fs_height_blocks(FS_MAX_HEIGHT) * FS_BLOCK_SIZE;
}

// Reading.

// Get block `at` of the file into memory, which is `block` on disk with `run` - 1 more behind it.
static int read_block(struct inode *i, u64 at, u64 block, u32 run, u32 wanted, struct buffer **out) REQUIRES(i->lock)
{
    *out = buf_cached(block);
    if (*out)
        return 0;
    bool sequential = at == 0 || at == i->read_next;
    i->read_window = sequential ? MIN(MAX(i->read_window * 2, WINDOW_MIN), PREFETCH_MAX) : 0;
    u32 n = MIN(run, MIN(MAX(wanted, i->read_window), PREFETCH_MAX));
    if (n > 1)
        buf_prefetch(block, n);
    return buf_read(block, out);
}

// How many blocks [offset, offset + n) touches.
static u32 blocks_touched(u64 offset, size_t n)
{
    return (u32)(blocks_of(offset + n) - offset / FS_BLOCK_SIZE);
}

// Read from one run. *n: how many bytes that was.
static int read_run(struct inode *i, u64 offset, size_t left, struct walk *w, size_t *n) REQUIRES(i->lock)
{
    u64 at = offset / FS_BLOCK_SIZE, slot;
    u32 in = (u32)(offset % FS_BLOCK_SIZE), run;
    u32 wanted = blocks_touched(offset, left);
    int err = tree_map(i, at, MAX(wanted, PREFETCH_MAX), &slot, &run);

    *n = 0;
    if (err)
        return err;
    bool zeros = !slot || fs_slot_unwritten(slot);
    for (u32 k = 0; k < MIN(run, wanted); k++, in = 0) {
        size_t part = MIN(FS_BLOCK_SIZE - in, left - *n);
        struct buffer *b = NULL;
        if (!zeros) {
            err = read_block(i, at + k, slot + k, run - k, wanted - k, &b);
            if (err)
                return err;
        }
        walk_from_memory(w, b ? buf_data(b) + in : NULL, part);
        if (b)
            buf_put(b);
        *n += part;
        i->read_next = at + k + 1;
    }
    return 0;
}

// Read through the cache.
static int read_bytes(struct inode *i, u64 offset, struct piece *pieces, u32 count, size_t *done) REQUIRES(i->lock)
{
    size_t size = pieces_size(pieces, count), n;
    struct walk w;
    int err = 0;

    size = offset < i->d.size ? (size_t)MIN(size, i->d.size - offset) : 0;
    walk_init(&w, pieces, count);
    for (size_t at = 0; at < size && !err; at += n, *done += n)
        err = read_run(i, offset + at, size - at, &w, &n);
    return err;
}

// Take a run of blocks into frames: cached ones are copied, the others read.
static void read_blocks(struct io_stream *io, u64 block, struct frame **frames, u32 count)
{
    for (u32 k = 0; k < count;) {
        u32 absent = buf_absent(block + k, count - k);
        io_add_run(io, block + k, frames + k, absent);
        k += absent;
        struct buffer *b = k < count ? buf_cached(block + k) : NULL;
        if (!b)
            continue;
        frame_copy(frames[k++], b->frame);
        buf_put(b);
    }
}

static void clear_frames(struct frame **frames, u32 count)
{
    for (u32 k = 0; k < count; k++)
        memset(frame_data(frames[k]), 0, FS_BLOCK_SIZE);
}

static int read_frames(struct inode *i, u64 at, struct frame **frames, u32 count, struct io_stream *io)
    REQUIRES(i->lock)
{
    u64 end = blocks_of(i->d.size);

    for (u32 k = 0, run; k < count; k += run) {
        u64 slot = 0;
        run = count - k;
        int err = at + k < end ? tree_map(i, at + k, (u32)MIN(run, end - at - k), &slot, &run) : 0;
        if (err)
            return err;
        if (!slot || fs_slot_unwritten(slot))
            clear_frames(frames + k, run);
        else
            read_blocks(io, slot, frames + k, run);
    }
    return 0;
}

// What is past the file's end reads as zeros.
static void clear_past_end(struct inode *i, u64 offset, struct frame **frames, u32 count) REQUIRES(i->lock)
{
    u64 size = i->d.size;
    u32 in = (u32)(size % FS_BLOCK_SIZE);

    if (in && size > offset && (size - offset) / FS_BLOCK_SIZE < count)
        memset((u8 *)frame_data(frames[(size - offset) / FS_BLOCK_SIZE]) + in, 0, FS_BLOCK_SIZE - in);
}

static int read_whole(struct inode *i, u64 offset, struct frame **frames, u32 count) REQUIRES(i->lock)
{
    struct io_slot *slots = kmalloc(IO_SLOTS * sizeof(*slots));
    struct io_stream io;

    if (!slots)
        return -ENOMEM;
    io_begin(&io, fs_disk(), DISK_READ, slots, NULL, NULL);
    int err = read_frames(i, offset / FS_BLOCK_SIZE, frames, count, &io);
    int io_err = io_end(&io);
    kfree(slots);
    if (!err)
        err = io_err;
    if (!err)
        clear_past_end(i, offset, frames, count);
    return err;
}

int inode_read_frames(struct inode *i, u64 offset, struct frame **frames, u32 count)
{
    int err = inode_check_file(i);

    if (err)
        return err;
    if (offset % FS_BLOCK_SIZE)
        return -EINVAL;
    mutex_lock(&i->lock);
    err = read_whole(i, offset, frames, count);
    mutex_unlock(&i->lock);
    return err;
}

// The whole frames among the pieces of a read or write: `count` of them behind `before` others, at a block boundary of
// the file.
struct middle {
    u32 before, count;
    size_t offset;          // in the pieces
    struct frame **frames;  // NULL: there are too few of them to be worth while, or there is no memory to list them
};

static bool is_whole_frame(const struct piece *p)
{
    return p->size == FS_BLOCK_SIZE && (uintptr_t)p->data % PAGE_SIZE == 0 && frame_of(p->data);
}

// Only what lies before `end` in the file.
static void middle_find(struct middle *m, u64 offset, u64 end, const struct piece *pieces, u32 count)
{
    *m = (struct middle){};
    if (count < WHOLE_MIN)
        return;
    m->before = !is_whole_frame(&pieces[0]);
    m->offset = m->before ? pieces[0].size : 0;
    u64 at = offset + m->offset;
    if (at % FS_BLOCK_SIZE || at >= end)
        return;
    u32 most = (u32)MIN(count - m->before, (end - at) / FS_BLOCK_SIZE);
    while (m->count < most && is_whole_frame(&pieces[m->before + m->count]))
        m->count++;
    if (m->count >= WHOLE_MIN)
        m->frames = kmalloc(m->count * sizeof(*m->frames));
    for (u32 k = 0; m->frames && k < m->count; k++)
        m->frames[k] = frame_of(pieces[m->before + k].data);
}

static int read_file(struct inode *i, u64 offset, struct piece *pieces, u32 count, size_t *done) REQUIRES(i->lock)
{
    struct middle m;
    u32 from = 0;
    int err = 0;

    middle_find(&m, offset, i->d.size, pieces, count);
    if (m.frames) {
        err = read_bytes(i, offset, pieces, m.before, done);
        from = m.before;
        if (!err && !read_whole(i, offset + m.offset, m.frames, m.count)) {
            *done += (size_t)m.count * FS_BLOCK_SIZE;
            from += m.count;
            i->read_next = (offset + *done) / FS_BLOCK_SIZE;
        }
        kfree(m.frames);
    }
    // Also the middle, if it could not be read as one: block by block it comes out how far it can be.
    return err ? err : read_bytes(i, offset + *done, pieces + from, count - from, done);
}

int inode_read(struct inode *i, u64 offset, struct piece *pieces, u32 count, size_t *done)
{
    *done = 0;
    if (i->type == FS_DEV)
        return -EINVAL;
    mutex_lock(&i->lock);
    int err = i->type == FS_DIR ? dir_read(i, offset, pieces, count, done) : read_file(i, offset, pieces, count, done);
    mutex_unlock(&i->lock);
    return err;
}

// Cutting.

// One handle. *more: not finished.
static int cut_step(struct inode *i, u64 keep, bool *more) REQUIRES(i->lock)
{
    struct tx tx;
    int err = tx_begin(&tx, TREE_CUT_CREDITS + ORPHAN_CREDITS + 1);

    *more = false;
    if (err)
        return err;
    err = inode_prepare(&tx, i);
    if (!err) {
        err = tree_cut(&tx, i, keep, more);
        if (!err && !*more && i->d.nlink > 0)
            err = orphan_remove(&tx, i);
        inode_store(&tx, i);
    }
    tx_end(&tx);
    return err;
}

int inode_cut(struct inode *i, u64 keep)
{
    bool more;
    int err;

    do {
        err = cut_step(i, keep, &more);
    } while (!err && more);
    return err;
}

// The first handle of making a file smaller: the new size, and as much of the rest as fits.
static int shrink(struct inode *i, u64 size) REQUIRES(i->lock)
{
    struct tx tx;
    bool more;
    int err = tx_begin(&tx, TREE_CUT_CREDITS + ORPHAN_CREDITS + 1);

    if (err)
        return err;
    err = inode_prepare(&tx, i);
    if (!err)
        err = orphan_prepare(&tx, i);
    if (err) {
        tx_end(&tx);
        return err;
    }
    err = tree_cut(&tx, i, blocks_of(size), &more);
    i->d.size = size;
    inode_modified(i);
    if (err || more)
        orphan_add(&tx, i);
    inode_store(&tx, i);
    tx_end(&tx);
    return err || !more ? err : inode_cut(i, blocks_of(size));
}

// Extending.

/*
 * Before the file's end moves to somewhere past `from` (at or past the old end): bytes between the old end and `from`
 * must read as zeros. What an interrupted cut left is freed first; the rest of the last block is cleared in the cache.
 */
static int settle_end(struct inode *i) REQUIRES(i->lock)
{
    if (i->d.nlink > 0 && inode_is_orphan(i))
        return inode_cut(i, blocks_of(i->d.size));
    return 0;
}

static int clear_tail(struct tx *tx, struct inode *i, u64 from) REQUIRES(i->lock)
{
    u32 in = (u32)(i->d.size % FS_BLOCK_SIZE), run;
    u64 slot;
    struct buffer *b;

    if (from <= i->d.size || in == 0)
        return 0;
    int err = tree_map(i, i->d.size / FS_BLOCK_SIZE, 1, &slot, &run);
    if (err || !slot || fs_slot_unwritten(slot))
        return err;
    err = buf_read(slot, &b);
    if (err)
        return err;
    err = buf_own(b, true);
    if (!err) {
        u64 block_end = ROUND_UP(i->d.size, FS_BLOCK_SIZE);
        memset(buf_data(b) + in, 0, (size_t)(MIN(from, block_end) - i->d.size));
        buf_dirty(b, i->ino);
        i->round = tx->round;
    }
    buf_put(b);
    return err;
}

static int extend(struct inode *i, u64 size) REQUIRES(i->lock)
{
    struct tx tx;
    int err = settle_end(i);

    if (!err)
        err = tx_begin(&tx, 1);
    if (err)
        return err;
    err = inode_prepare(&tx, i);
    if (!err)
        err = clear_tail(&tx, i, size);
    if (!err) {
        i->d.size = size;
        inode_modified(i);
        inode_store(&tx, i);
    }
    tx_end(&tx);
    return err;
}

int inode_truncate(struct inode *i, u64 size)
{
    int err = inode_check_file(i);

    if (err)
        return err;
    if (size > size_max())
        return -EFBIG;
    mutex_lock(&i->lock);
    err = size > i->d.size ? extend(i, size) : shrink(i, size);
    mutex_unlock(&i->lock);
    return err;
}

int inode_truncate_unchanged(struct inode *i, u64 changes, u64 size)
{
    int err = inode_check_file(i);

    if (err)
        return err;
    mutex_lock(&i->lock);
    err = changes == i->d.changes ? 0 : -ESTALE;
    if (!err && size < i->d.size)
        err = shrink(i, size);
    mutex_unlock(&i->lock);
    return err;
}

// Writing through the cache.

// One step of a write: bytes [offset, offset + n) of the file, which begin in block `at` and lie in `count` blocks that
// are alike.
struct step {
    struct tx tx;
    struct walk *w;
    u64 offset;
    size_t n;
    u64 at;
    u64 slot;
    u32 count;
};

// The part of the step that lies in its block k.
static void part_of(const struct step *s, u32 k, u32 *in, u32 *n)
{
    u64 begin = (s->at + k) * FS_BLOCK_SIZE, end = begin + FS_BLOCK_SIZE;
    u64 from = MAX(begin, s->offset), to = MIN(end, s->offset + s->n);

    *in = (u32)(from - begin);
    *n = (u32)(to - from);
}

// The step is done up to its block k.
static void stepped(struct inode *i, struct step *s, u32 blocks) REQUIRES(i->lock)
{
    u64 end = MIN(s->offset + s->n, (s->at + blocks) * FS_BLOCK_SIZE);

    s->n = (size_t)(end - s->offset);
    i->d.size = MAX(i->d.size, end);
    inode_modified(i);
}

// Change block k, which the file has. Whole blocks need not be read.
static int overwrite_block(struct inode *i, struct step *s, u32 k) REQUIRES(i->lock)
{
    u64 block = s->slot + k;
    struct buffer *b;
    u32 in, n;

    part_of(s, k, &in, &n);
    bool whole = n == FS_BLOCK_SIZE;
    int err = whole ? buf_zeroed(block, &b) : buf_read(block, &b);
    if (err)
        return err;
    err = whole ? 0 : buf_own(b, true);
    if (!err) {
        walk_to_memory(s->w, buf_data(b) + in, n);
        buf_dirty(b, i->ino);
    }
    buf_put(b);
    return err;
}

static int overwrite(struct inode *i, struct step *s) REQUIRES(i->lock)
{
    u32 k = 0;
    int err = 0;

    while (k < s->count && !err) {
        err = overwrite_block(i, s, k);
        k += !err;
    }
    if (k == 0)
        return err;
    stepped(i, s, k);
    return 0;
}

// Fill blocks from `first` on, which nobody sees yet, in the cache. *filled of them are referenced in b.
static int fill(struct step *s, u64 first, u32 count, struct buffer **b, u32 *filled)
{
    for (*filled = 0; *filled < count; ++*filled) {
        u32 k = *filled, in, n;
        int err = buf_zeroed(first + k, &b[k]);
        if (err)
            return k ? 0 : err;
        part_of(s, k, &in, &n);
        walk_to_memory(s->w, buf_data(b[k]) + in, n);
    }
    return 0;
}

static void drop_filled(struct buffer **b, u32 count)
{
    for (u32 k = 0; k < count; k++) {
        buf_forget(b[k]->block, 1);
        buf_put(b[k]);
    }
}

static void dirty_filled(struct buffer **b, u32 count, u64 ino)
{
    for (u32 k = 0; k < count; k++) {
        buf_dirty(b[k], ino);
        buf_put(b[k]);
    }
}

// Fill blocks that the file lacks, or has unwritten.
static int fill_in(struct inode *i, struct step *s) REQUIRES(i->lock)
{
    struct buffer *b[STEP_MAX];
    bool fresh = s->slot == 0;
    u64 first = FS_SLOT_BLOCK(s->slot), goal = tree_goal(i, s->at);
    u32 count = MIN(s->count, tree_reach(i, s->at)), filled = 0;
    struct leaf leaf;
    int err = 0;

    if (fresh)
        err = alloc_reserve(goal, count, NULL, &first, &count);
    if (err)
        return err;
    err = fill(s, first, count, b, &filled);
    if (!err)
        err = tree_prepare(&s->tx, i, s->at, first, NULL, &leaf);
    if (!err && fresh) {
        err = alloc_commit(&s->tx, first, filled);
        if (err)
            tree_release(&leaf);
    }
    if (err) {
        drop_filled(b, filled);
        if (fresh)
            alloc_cancel(first, count);
        return err;
    }
    if (fresh && filled < count)
        alloc_cancel(first + filled, count - filled);
    tree_assign(i, &leaf, first, filled);
    dirty_filled(b, filled, i->ino);
    stepped(i, s, filled);
    return 0;
}

static int write_step(struct inode *i, struct step *s) REQUIRES(i->lock)
{
    u32 blocks = MIN(blocks_touched(s->offset, s->n), STEP_MAX);
    struct buffer *first;

    s->at = s->offset / FS_BLOCK_SIZE;
    int err = tree_map(i, s->at, blocks, &s->slot, &s->count);
    if (err)
        return err;
    bool owned = s->slot && !fs_slot_unwritten(s->slot);
    // What must be read is read before the handle begins.
    if (owned && s->offset % FS_BLOCK_SIZE) {
        err = buf_read(s->slot, &first);
        if (err)
            return err;
        buf_put(first);
    }
    err = tx_begin(&s->tx, WRITE_CREDITS);
    if (err)
        return err;
    err = inode_prepare(&s->tx, i);
    if (!err)
        err = clear_tail(&s->tx, i, s->offset);
    if (!err) {
        err = owned ? overwrite(i, s) : fill_in(i, s);
        // Also after an error: index blocks may have been made.
        inode_store(&s->tx, i);
    }
    i->buffered = true;
    tx_end(&s->tx);
    return err;
}

// Don't let dirty data fill the memory.
static int throttle(void)
{
    u32 dirty = cache_dirty_count(), limit = cache_dirty_limit();

    if (dirty > limit)
        return journal_commit(journal_round());
    if (dirty > limit / 2)
        journal_hurry();
    return 0;
}

static int write_file(struct inode *i, u64 offset, struct walk *w, size_t size, size_t *done) REQUIRES(i->lock)
{
    u32 attempts = 0;
    int err = offset > i->d.size || size > i->d.size - offset ? settle_end(i) : 0;

    while (!err && *done < size) {
        struct walk before = *w;
        struct step s = { .w = w, .offset = offset + *done, .n = size - *done };
        err = throttle();
        if (!err)
            err = write_step(i, &s);
        if (!err) {
            *done += s.n;
            continue;
        }
        *w = before;
        if (err == -ENOSPC && attempts++ < RETRIES && alloc_reclaim())
            err = 0;
    }
    return err;
}

// Writing whole frames.

// A run of it.
struct run {
    u64 at;     // in the file
    u64 slot;   // as it is in the tree: a hole, unwritten, or written
    u64 block;  // on the disk
    u32 count;
    u32 mapped;  // blocks that the tree already shows
    struct frame **frames;
};

// One round of a direct write.
struct direct {
    struct run runs[DIRECT_RUNS];
    u32 count, blocks;
    struct io_slot *slots;
};

static bool run_is_fresh(const struct run *r)
{
    return r->slot == 0;
}

// Reserve, or find, blocks for `count` frames at `at`, as many as the round still takes. -ENOSPC with some runs found
// is no error yet.
static int plan(struct inode *i, struct direct *d, u64 at, struct frame **frames, u32 count) REQUIRES(i->lock)
{
    u32 left = MIN(count, DIRECT_MAX - d->blocks);
    u64 goal = tree_goal(i, at);

    while (left > 0 && d->count < DIRECT_RUNS) {
        struct run *r = &d->runs[d->count];
        *r = (struct run){ .at = at, .frames = frames };
        int err = tree_map(i, at, left, &r->slot, &r->count);
        r->block = FS_SLOT_BLOCK(r->slot);
        if (!err && run_is_fresh(r))
            err = alloc_reserve(goal, r->count, NULL, &r->block, &r->count);
        if (err)
            return err == -ENOSPC && d->count ? 0 : err;
        goal = r->block + r->count;
        at += r->count;
        frames += r->count;
        left -= r->count;
        d->blocks += r->count;
        d->count++;
    }
    return 0;
}

// The next round: what comes behind the first `done` frames.
static int plan_round(struct inode *i, struct direct *d, const struct frame_run *runs, u32 n, u32 done)
    REQUIRES(i->lock)
{
    u32 wanted = 0;
    int err = 0;

    d->count = d->blocks = 0;
    for (u32 k = 0; !err && k < n && d->blocks == wanted; k++) {
        u32 skip = MIN(done, runs[k].count), left = runs[k].count - skip;
        done -= skip;
        wanted += left;
        if (left)
            err = plan(i, d, runs[k].offset / FS_BLOCK_SIZE + skip, runs[k].frames + skip, left);
    }
    return err;
}

// The cache forgets these blocks.
static void bypass(u64 block, u32 count)
{
    for (u32 k = buf_absent(block, count); k < count; k += 1 + buf_absent(block + k + 1, count - k - 1))
        buf_bypass(block + k);
}

static int transfer(struct direct *d)
{
    struct io_stream io;

    io_begin(&io, fs_disk(), DISK_WRITE, d->slots, NULL, NULL);
    for (u32 n = 0; n < d->count; n++) {
        bypass(d->runs[n].block, d->runs[n].count);
        io_add_run(&io, d->runs[n].block, d->runs[n].frames, d->runs[n].count);
    }
    return io_end(&io);
}

// Show a part of a run in the tree, as much as one leaf holds.
static int map_part(struct inode *i, struct run *r) REQUIRES(i->lock)
{
    u64 at = r->at + r->mapped, block = r->block + r->mapped;
    bool written = r->slot && !fs_slot_unwritten(r->slot);
    u32 n = written ? r->count - r->mapped : MIN(r->count - r->mapped, tree_reach(i, at));
    struct leaf leaf;
    struct tx tx;
    int err = tx_begin(&tx, WRITE_CREDITS);

    if (err)
        return err;
    err = inode_prepare(&tx, i);
    if (!err)
        err = clear_tail(&tx, i, at * FS_BLOCK_SIZE);
    if (err) {
        tx_end(&tx);
        return err;
    }
    if (!written) {
        err = tree_prepare(&tx, i, at, block, NULL, &leaf);
        if (!err && run_is_fresh(r)) {
            err = alloc_commit(&tx, block, n);
            if (err)
                tree_release(&leaf);
        }
        if (!err)
            tree_assign(i, &leaf, block, n);
    }
    if (!err) {
        r->mapped += n;
        i->d.size = MAX(i->d.size, (at + n) * FS_BLOCK_SIZE);
        inode_modified(i);
    }
    inode_store(&tx, i);
    tx_end(&tx);
    return err;
}

// Give back what was reserved and isn't shown.
static void cancel_runs(struct direct *d)
{
    for (u32 n = 0; n < d->count; n++) {
        struct run *r = &d->runs[n];
        if (run_is_fresh(r) && r->mapped < r->count)
            alloc_cancel(r->block + r->mapped, r->count - r->mapped);
    }
}

// Does the file have all of the run already, and ends behind it?
static bool run_is_inside(struct inode *i, const struct run *r) REQUIRES(i->lock)
{
    return r->slot && !fs_slot_unwritten(r->slot) && (r->at + r->count) * FS_BLOCK_SIZE <= i->d.size;
}

// The run is where it belongs, and nothing else has changed but times and the count of changes: they can wait.
static void overwritten(struct inode *i, struct run *r) REQUIRES(i->lock)
{
    r->mapped = r->count;
    i->overwrite = journal_overwrote();
    inode_modified(i);
    i->stale = true;
}

static int map_runs(struct inode *i, struct direct *d) REQUIRES(i->lock)
{
    u32 attempts = 0;

    for (u32 n = 0; n < d->count; n++) {
        if (run_is_inside(i, &d->runs[n]))
            overwritten(i, &d->runs[n]);
        while (d->runs[n].mapped < d->runs[n].count) {
            int err = map_part(i, &d->runs[n]);
            if (err == -ENOSPC && attempts++ < RETRIES && alloc_reclaim())
                err = 0;
            if (err)
                return err;
        }
    }
    return 0;
}

// How many blocks from the first on are in the file now.
static u32 mapped_blocks(const struct direct *d)
{
    u32 blocks = 0;

    for (u32 n = 0; n < d->count; n++)
        blocks += d->runs[n].mapped;
    return blocks;
}

static int write_runs(struct inode *i, struct direct *d, const struct frame_run *runs, u32 n, u32 *done)
    REQUIRES(i->lock)
{
    u32 attempts = 0, count = 0;

    for (u32 k = 0; k < n; k++)
        count += runs[k].count;
    while (*done < count) {
        int err = plan_round(i, d, runs, n, *done);
        if (!err)
            err = transfer(d);
        if (!err)
            err = map_runs(i, d);
        if (err)
            cancel_runs(d);
        *done += mapped_blocks(d);
        if (err == -ENOSPC && attempts++ < RETRIES && alloc_reclaim())
            continue;
        if (err)
            return err;
    }
    return 0;
}

// *done: how many frames are in the file, in the order of the runs.
static int write_whole(struct inode *i, const struct frame_run *runs, u32 n, u32 *done) REQUIRES(i->lock)
{
    struct direct *d = kzalloc(sizeof(*d));
    int err = -ENOMEM;

    *done = 0;
    if (!d)
        return -ENOMEM;
    d->slots = kmalloc(IO_SLOTS * sizeof(*d->slots));
    if (d->slots)
        err = journal_failed() ? -EROFS : write_runs(i, d, runs, n, done);
    kfree(d->slots);
    kfree(d);
    return err;
}

static int check_run(const struct frame_run *r)
{
    if (r->offset % FS_BLOCK_SIZE)
        return -EINVAL;
    return r->offset > size_max() || r->count > (size_max() - r->offset) / FS_BLOCK_SIZE ? -EFBIG : 0;
}

int inode_write_runs(struct inode *i, const struct frame_run *runs, u32 n)
{
    int err = inode_check_file(i);
    u32 done;

    for (u32 k = 0; !err && k < n; k++) {
        assert(k == 0 || runs[k].offset >= runs[k - 1].offset + (u64)runs[k - 1].count * FS_BLOCK_SIZE);
        err = check_run(&runs[k]);
    }
    if (err)
        return err;
    mutex_lock(&i->lock);
    err = settle_end(i);
    if (!err)
        err = write_whole(i, runs, n, &done);
    mutex_unlock(&i->lock);
    return err;
}

int inode_write_frames(struct inode *i, u64 offset, struct frame **frames, u32 count)
{
    return inode_write_runs(i, &(struct frame_run){ offset, frames, count }, 1);
}

// Writing bytes: through the cache, but for what is whole frames.

static int write_bytes(struct inode *i, u64 offset, const struct piece *pieces, u32 count, size_t *done)
    REQUIRES(i->lock)
{
    struct walk w;
    size_t n = 0;

    walk_init(&w, pieces, count);
    int err = write_file(i, offset, &w, pieces_size(pieces, count), &n);
    *done += n;
    return err;
}

// The middle, and what is before it. *from: the piece to go on with; -ENOMEM is no error, as the cache takes them one
// by one.
static int write_middle(struct inode *i, u64 offset, const struct piece *pieces, const struct middle *m, u32 *from,
                        size_t *done) REQUIRES(i->lock)
{
    struct frame_run run = { offset + m->offset, m->frames, m->count };
    u32 frames = 0;
    int err = write_bytes(i, offset, pieces, m->before, done);

    if (!err)
        err = settle_end(i);
    if (!err)
        err = write_whole(i, &run, 1, &frames);
    if (!err)
        err = inode_refresh(i);
    *done += (size_t)frames * FS_BLOCK_SIZE;
    *from = m->before + frames;
    return err == -ENOMEM && *done >= m->offset ? 0 : err;
}

static int write_pieces(struct inode *i, u64 offset, const struct piece *pieces, u32 count, size_t *done)
    REQUIRES(i->lock)
{
    struct middle m;
    u32 from = 0;
    int err = 0;

    middle_find(&m, offset, size_max(), pieces, count);
    if (m.frames) {
        err = write_middle(i, offset, pieces, &m, &from, done);
        kfree(m.frames);
    }
    return err ? err : write_bytes(i, offset + *done, pieces + from, count - from, done);
}

// offset NULL: at `at`; otherwise at the end, which is told.
static int write_at(struct inode *i, u64 at, const struct piece *pieces, u32 count, u64 *offset, size_t *done)
{
    size_t size = pieces_size(pieces, count);
    int err = inode_check_file(i);

    *done = 0;
    if (err)
        return err;
    mutex_lock(&i->lock);
    if (offset)
        *offset = at = i->d.size;
    if (at > size_max() || size > size_max() - at)
        err = -EFBIG;
    else
        err = write_pieces(i, at, pieces, count, done);
    mutex_unlock(&i->lock);
    return err;
}

int inode_write(struct inode *i, u64 offset, const struct piece *pieces, u32 count, size_t *done)
{
    return write_at(i, offset, pieces, count, NULL, done);
}

int inode_append(struct inode *i, const struct piece *pieces, u32 count, u64 *offset, size_t *done)
{
    return write_at(i, 0, pieces, count, offset, done);
}

// Preallocation.

// Holes in the first `blocks` blocks.
static int count_holes(struct inode *i, u64 blocks, u64 *holes) REQUIRES(i->lock)
{
    *holes = 0;
    for (u64 at = 0; at < blocks;) {
        u64 slot;
        u32 run;
        int err = tree_map(i, at, (u32)MIN(blocks - at, UINT32_MAX), &slot, &run);
        if (err)
            return err;
        if (!slot)
            *holes += run;
        at += run;
    }
    return 0;
}

// Index blocks that a file of so many blocks can have at most, those of growing included.
static u64 index_blocks(u64 blocks)
{
    u64 n = FS_MAX_HEIGHT;

    for (u32 level = 0; level < FS_MAX_HEIGHT; level++) {
        blocks = DIV_ROUND_UP(blocks, FS_SLOTS_PER_BLOCK);
        n += blocks;
    }
    return n;
}

// Give the hole of up to `max` blocks at `at` unwritten blocks, as many as one handle can. *n: how many.
static int preallocate_part(struct inode *i, u64 at, u32 max, u64 *claim, u32 *n) REQUIRES(i->lock)
{
    u64 goal = tree_goal(i, at), block;
    u32 want = MIN(max, tree_reach(i, at));
    struct leaf leaf;
    struct tx tx;
    int err = tx_begin(&tx, WRITE_CREDITS);

    if (err)
        return err;
    err = inode_prepare(&tx, i);
    if (err) {
        tx_end(&tx);
        return err;
    }
    err = tree_prepare(&tx, i, at, goal, claim, &leaf);
    if (!err) {
        err = alloc_blocks(&tx, goal, want, claim, &block, n);
        if (!err)
            tree_assign(i, &leaf, block | FS_SLOT_UNWRITTEN, *n);
        else
            tree_release(&leaf);
    }
    inode_store(&tx, i);
    tx_end(&tx);
    return err;
}

static int preallocate(struct inode *i, u64 blocks, u64 *claim) REQUIRES(i->lock)
{
    for (u64 at = 0; at < blocks;) {
        u64 slot;
        u32 run;
        int err = tree_map(i, at, (u32)MIN(blocks - at, UINT32_MAX), &slot, &run);
        if (!err && !slot)
            err = preallocate_part(i, at, run, claim, &run);
        if (err)
            return err;
        at += run;
    }
    return 0;
}

// Put aside all that will be needed, so that the disk can't fill up in the middle.
static int claim_for(u64 holes, u64 blocks, u64 *claim)
{
    *claim = holes + index_blocks(blocks);
    int err = alloc_claim(*claim);
    if (err && alloc_reclaim())
        err = alloc_claim(*claim);
    return err;
}

int inode_preallocate(struct inode *i, u64 size)
{
    u64 blocks = blocks_of(size), holes, claim;
    int err = inode_check_file(i);

    if (err)
        return err;
    if (size > size_max())
        return -EFBIG;
    mutex_lock(&i->lock);
    err = settle_end(i);
    if (!err)
        err = count_holes(i, blocks, &holes);
    if (!err && holes > 0) {
        err = claim_for(holes, blocks, &claim);
        if (!err) {
            err = preallocate(i, blocks, &claim);
            alloc_unclaim(claim);
        }
    }
    mutex_unlock(&i->lock);
    return err;
}

int inode_sync(struct inode *i)
{
    mutex_lock(&i->lock);
    u64 round = i->round, overwrite = i->overwrite;
    i->buffered = false;
    mutex_unlock(&i->lock);
    int err = inode_commit(i, round);
    if (!err)
        err = journal_flush(overwrite);
    if (err) {
        mutex_lock(&i->lock);
        i->buffered = true;
        mutex_unlock(&i->lock);
    }
    return err;
}

int inode_flush_early(struct inode *i)
{
    int err = inode_check_file(i);

    return err ? err : journal_flush_now();
}

// Exchanging.

// All blocks that it has belong to its contents, and are durable.
static int settle_contents(struct inode *i) REQUIRES(i->lock)
{
    int err = inode_is_orphan(i) ? inode_cut(i, blocks_of(i->d.size)) : 0;

    if (!err)
        err = inode_commit(i, i->round);
    if (!err)
        i->buffered = false;
    return err;
}

static void exchange_contents(struct inode *a, struct inode *b) REQUIRES(a->lock, b->lock)
{
    struct fs_inode was = a->d;

    a->d.size = b->d.size;
    a->d.blocks = b->d.blocks;
    a->d.height = b->d.height;
    memcpy(a->d.slots, b->d.slots, sizeof(a->d.slots));
    b->d.size = was.size;
    b->d.blocks = was.blocks;
    b->d.height = was.height;
    memcpy(b->d.slots, was.slots, sizeof(b->d.slots));
    a->read_next = b->read_next = 0;
    inode_modified(a);
    inode_modified(b);
}

// The cache knows blocks, not files, and none of theirs is dirty any more: nothing there has to change.
static int exchange_settled(struct inode *a, struct inode *b) REQUIRES(a->lock, b->lock)
{
    struct tx tx;
    int err = tx_begin(&tx, 2);

    if (err)
        return err;
    err = inode_prepare(&tx, a);
    if (!err)
        err = inode_prepare(&tx, b);
    if (!err) {
        exchange_contents(a, b);
        inode_store(&tx, a);
        inode_store(&tx, b);
    }
    tx_end(&tx);
    return err;
}

int inode_exchange(struct inode *a, struct inode *b) NO_LOCK_ANALYSIS
{
    if (a == b || a->type != FS_FILE || b->type != FS_FILE)
        return -EINVAL;
    inode_lock_pair(a, b);
    int err = inode_is_backing(a) || inode_is_backing(b) ? -ETXTBSY : 0;
    if (!err)
        err = settle_contents(a);
    if (!err)
        err = settle_contents(b);
    if (!err)
        err = exchange_settled(a, b);
    mutex_unlock(&a->lock);
    mutex_unlock(&b->lock);
    return err;
}
