// Directories.
//
// On disk a directory is an array of slots in no order. Small ones are searched from the start; a large one gets an
// index in memory when it's first used: a hash table from the hash of a name to its slot, and some free slots, kept up
// with every change. Without memory for it everything works as well, by searching.
//
// A slot that can't be decoded is told of once, and neither found nor used. A hole among the blocks is 128 free slots.
#include "dir.h"
#include "alloc.h"
#include "pieces.h"
#include "tree.h"
#include <base/string.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define INDEX_FROM    16  // slots: smaller directories are searched
#define SLOTS_MAX     DIR_SLOTS_MAX
#define FREE_KNOWN    64
#define PER_FRAME     (FS_BLOCK_SIZE / sizeof(struct index_entry))
#define ENTRY_NONE    0u
#define ENTRY_DROPPED UINT32_MAX

struct index_entry {
    u32 hash;
    u32 slot;  // plus 1; ENTRY_NONE: never used, ENTRY_DROPPED: goes on behind it
};

struct dir_index {
    struct frame **frames;  // of entries
    u32 frame_count;        // a power of two
    u32 used, dropped;      // entries
    u32 free_slots;         // slots that are free
    u32 known;              // of which so many are
    u32 free[FREE_KNOWN];   // here,
    u32 free_from;          // and the others not before this one
};

static u64 slot_count(const struct inode *dir)
{
    return dir->d.size / FS_DIRENT_SIZE;
}

static u8 *slot_bytes(struct buffer *b, u64 slot)
{
    return buf_data(b) + slot % FS_DIRENTS_PER_BLOCK * FS_DIRENT_SIZE;
}

// Block n of the directory; NULL for a hole, which is *run blocks long.
static int read_run(struct inode *dir, u64 n, struct buffer **out, u32 *run) REQUIRES(dir->lock)
{
    u64 slot, left = MAX(DIV_ROUND_UP(slot_count(dir), FS_DIRENTS_PER_BLOCK), n + 1) - n;
    int err = tree_map(dir, n, 1, &slot, run);

    *out = !err && slot && !fs_slot_unwritten(slot) ? buf_cached(slot) : NULL;
    if (err || *out)
        return err;
    // How long the run is matters only now.
    err = tree_map(dir, n, (u32)left, &slot, run);
    if (err || !slot || fs_slot_unwritten(slot))
        return err;
    buf_prefetch(slot, MIN(*run, PREFETCH_MAX));
    return buf_read(slot, out);
}

static int read_block(struct inode *dir, u64 n, struct buffer **out) REQUIRES(dir->lock)
{
    u32 run;

    return read_run(dir, n, out, &run);
}

// Decode a slot; a bad one is shown as a free one that can't be used: false.
static bool decode(struct inode *dir, struct buffer *b, u64 slot, struct fs_dirent *out) REQUIRES(dir->lock)
{
    *out = (struct fs_dirent){};
    if (!b)
        return true;
    enum fs_error bad = fs_dirent_decode(slot_bytes(b, slot), fs_layout(), out);
    if (bad && !dir->complained) {
        (void)inode_damaged(dir, fs_error_text(bad));
        dir->complained = true;
    }
    return !bad;
}

static bool is_named(const struct fs_dirent *d, const struct name *name)
{
    return d->ino && d->len == name->len && memcmp(d->name, name->text, name->len) == 0;
}

// Going over all slots.

struct scan {
    u64 slot;
    struct buffer *block;  // of `slot`; NULL: it's in a hole, of
    u32 run;               // so many blocks
    bool usable;           // the slot could be decoded
    struct fs_dirent d;
};

static void scan_end(struct scan *s)
{
    if (s->block)
        buf_put(s->block);
    s->block = NULL;
}

// The slot at s->slot, with its block. 0, or -ENOENT past the last.
static int scan_slot(struct inode *dir, struct scan *s, bool first) REQUIRES(dir->lock)
{
    if (s->slot >= slot_count(dir)) {
        scan_end(s);
        return -ENOENT;
    }
    if (first || s->slot % FS_DIRENTS_PER_BLOCK == 0) {
        scan_end(s);
        int err = read_run(dir, s->slot / FS_DIRENTS_PER_BLOCK, &s->block, &s->run);
        if (err)
            return err;
    }
    s->usable = decode(dir, s->block, s->slot, &s->d);
    return 0;
}

static int scan_begin(struct inode *dir, u64 slot, struct scan *s) REQUIRES(dir->lock)
{
    *s = (struct scan){ .slot = slot };
    return scan_slot(dir, s, true);
}

static int scan_next(struct inode *dir, struct scan *s) REQUIRES(dir->lock)
{
    s->slot++;
    return scan_slot(dir, s, false);
}

// To the next slot that may be in use: a hole is passed over as a whole.
static int scan_next_used(struct inode *dir, struct scan *s) REQUIRES(dir->lock)
{
    if (s->block)
        return scan_next(dir, s);
    s->slot = (s->slot / FS_DIRENTS_PER_BLOCK + s->run) * FS_DIRENTS_PER_BLOCK;
    return scan_slot(dir, s, true);
}

// The index.

static u32 hash_name(const char *text, u32 len)
{
    u32 h = len;

    for (u32 k = 0; k < len; k++)
        h = (h ^ (u8)text[k]) * 0x9e3779b1u;
    return h ^ h >> 15;
}

static struct index_entry *entry_at(const struct dir_index *x, u32 n)
{
    return (struct index_entry *)frame_data(x->frames[n / PER_FRAME]) + n % PER_FRAME;
}

static u32 index_capacity(const struct dir_index *x)
{
    return x->frame_count * (u32)PER_FRAME;
}

static void index_destroy(struct dir_index *x)
{
    if (!x)
        return;
    for (u32 k = 0; k < x->frame_count; k++)
        if (x->frames[k])
            frame_put(x->frames[k]);
    kfree(x->frames);
    kfree(x);
}

// An empty one with room for `entries` at half load. NULL: no memory.
static struct dir_index *index_create(u64 entries)
{
    struct dir_index *x = kzalloc(sizeof(*x));
    u32 frames = 1;

    while (x && (u64)frames * PER_FRAME < 2 * entries)
        frames *= 2;
    if (x)
        x->frames = kzalloc(frames * sizeof(struct frame *));
    if (!x || !x->frames) {
        kfree(x);
        return NULL;
    }
    x->frame_count = frames;
    x->free_from = UINT32_MAX;
    for (u32 k = 0; k < frames; k++) {
        x->frames[k] = frame_alloc_zeroed();
        if (!x->frames[k]) {
            index_destroy(x);
            return NULL;
        }
    }
    return x;
}

static void index_insert(struct dir_index *x, u32 hash, u32 slot)
{
    u32 mask = index_capacity(x) - 1, n = hash & mask;

    while (entry_at(x, n)->slot != ENTRY_NONE)
        n = (n + 1) & mask;
    *entry_at(x, n) = (struct index_entry){ .hash = hash, .slot = slot + 1 };
    x->used++;
}

static void index_remove(struct dir_index *x, u32 hash, u32 slot)
{
    u32 mask = index_capacity(x) - 1, n = hash & mask;

    for (; entry_at(x, n)->slot != ENTRY_NONE; n = (n + 1) & mask) {
        if (entry_at(x, n)->hash != hash || entry_at(x, n)->slot != slot + 1)
            continue;
        entry_at(x, n)->slot = ENTRY_DROPPED;
        x->used--;
        x->dropped++;
        return;
    }
}

static void index_free_slot(struct dir_index *x, u32 slot)
{
    x->free_slots++;
    if (x->known < FREE_KNOWN)
        x->free[x->known++] = slot;
    else
        x->free_from = MIN(x->free_from, slot);
}

void dir_index_drop(struct inode *dir)
{
    index_destroy(dir->index);
    dir->index = NULL;
}

u32 dir_index_frames(const struct inode *dir)
{
    return dir->index ? dir->index->frame_count : 0;
}

// Read the whole directory into an index. Without memory there is none.
static int index_build(struct inode *dir) REQUIRES(dir->lock)
{
    struct dir_index *x = index_create(MIN(slot_count(dir), dir->d.blocks * FS_DIRENTS_PER_BLOCK));
    struct scan s;
    int err;

    if (!x)
        return 0;
    for (err = scan_begin(dir, 0, &s); !err; err = scan_next_used(dir, &s)) {
        if (s.d.ino)
            index_insert(x, hash_name(s.d.name, s.d.len), (u32)s.slot);
        else if (s.usable && s.block)
            index_free_slot(x, (u32)s.slot);
    }
    scan_end(&s);
    if (err != -ENOENT) {
        index_destroy(x);
        return err;
    }
    dir->index = x;
    return 0;
}

// The same entries in a table of the right size. Without memory the index is dropped.
static void index_rebuild(struct inode *dir) REQUIRES(dir->lock)
{
    struct dir_index *old = dir->index, *x = index_create(2 * (u64)old->used);

    if (x) {
        for (u32 n = 0; n < index_capacity(old); n++) {
            struct index_entry e = *entry_at(old, n);
            if (e.slot != ENTRY_NONE && e.slot != ENTRY_DROPPED)
                index_insert(x, e.hash, e.slot - 1);
        }
        x->free_slots = old->free_slots;
        x->known = old->known;
        memcpy(x->free, old->free, sizeof(x->free));
        x->free_from = old->free_from;
    }
    index_destroy(old);
    dir->index = x;
}

static void index_add_name(struct inode *dir, const struct name *name, u64 slot) REQUIRES(dir->lock)
{
    struct dir_index *x = dir->index;

    if (!x)
        return;
    if (x->known && x->free[x->known - 1] == slot) {
        x->known--;
        x->free_slots--;
    }
    index_insert(x, hash_name(name->text, name->len), (u32)slot);
    if (x->used + x->dropped > index_capacity(x) / 4 * 3)
        index_rebuild(dir);
}

static int index_lookup(struct inode *dir, const struct name *name, u64 *ino, u64 *slot) REQUIRES(dir->lock)
{
    struct dir_index *x = dir->index;
    u32 hash = hash_name(name->text, name->len), mask = index_capacity(x) - 1;

    for (u32 n = hash & mask; entry_at(x, n)->slot != ENTRY_NONE; n = (n + 1) & mask) {
        struct index_entry e = *entry_at(x, n);
        struct fs_dirent d;
        struct buffer *b;
        if (e.hash != hash || e.slot == ENTRY_DROPPED)
            continue;
        int err = read_block(dir, (e.slot - 1) / FS_DIRENTS_PER_BLOCK, &b);
        if (err)
            return err;
        bool same = decode(dir, b, e.slot - 1, &d) && is_named(&d, name);
        if (b)
            buf_put(b);
        if (same) {
            *ino = d.ino;
            *slot = e.slot - 1;
            return 0;
        }
    }
    return -ENOENT;
}

// Looking up.

static int search(struct inode *dir, const struct name *name, u64 *ino, u64 *slot) REQUIRES(dir->lock)
{
    struct scan s;
    int err = scan_begin(dir, 0, &s);

    while (!err && !is_named(&s.d, name))
        err = scan_next_used(dir, &s);
    if (!err) {
        *ino = s.d.ino;
        *slot = s.slot;
    }
    scan_end(&s);
    return err;
}

int dir_lookup(struct inode *dir, const struct name *name, u64 *ino, u64 *slot)
{
    if (!dir->index && slot_count(dir) > INDEX_FROM) {
        int err = index_build(dir);
        if (err)
            return err;
    }
    return dir->index ? index_lookup(dir, name, ino, slot) : search(dir, name, ino, slot);
}

int dir_check_empty(struct inode *dir)
{
    struct scan s;
    int err = scan_begin(dir, 2, &s);

    while (!err && s.usable && !s.d.ino)
        err = scan_next_used(dir, &s);
    scan_end(&s);
    // What can't be read might be a name.
    return err == -ENOENT ? 0 : err ? err : -ENOTEMPTY;
}

// Reading.

static void show(const struct scan *s, struct dirent *out)
{
    *out = (struct dirent){ .inum = (uint16_t)MIN(s->d.ino, UINT16_MAX) };
    memcpy(out->name, s->d.name, s->d.len);
}

int dir_read(struct inode *dir, u64 offset, struct piece *pieces, u32 count, size_t *done)
{
    size_t size = pieces_size(pieces, count);
    struct scan s;
    struct walk w;

    walk_init(&w, pieces, count);
    if (size == 0)
        return 0;
    int err = scan_begin(dir, offset / sizeof(struct dirent), &s);
    while (!err && *done < size) {
        struct dirent d;
        u32 in = (u32)((offset + *done) % sizeof(d));
        size_t n = MIN(sizeof(d) - in, size - *done);
        show(&s, &d);
        walk_from_memory(&w, (char *)&d + in, n);
        *done += n;
        if (in + n == sizeof(d))
            err = scan_next(dir, &s);
    }
    scan_end(&s);
    return err == -ENOENT ? 0 : err;
}

// Changing.

// Give the directory a block where it has none, as zeros, in the handle.
static int create_block(struct tx *tx, struct inode *dir, u64 n, struct buffer **out) REQUIRES(dir->lock)
{
    u64 goal = tree_goal(dir, n), block;
    struct leaf leaf;
    u32 count;
    int err = alloc_reserve(goal, 1, NULL, &block, &count);

    if (err)
        return err;
    err = buf_zeroed(block, out);
    if (err)
        goto out_cancel;
    err = tx_write(tx, *out);
    if (err)
        goto out_forget;
    err = tree_prepare(tx, dir, n, block, NULL, &leaf);
    if (err)
        goto out_forget;
    err = alloc_commit(tx, block, 1);
    if (err)
        goto out_leaf;
    tree_assign(dir, &leaf, block, 1);
    return 0;

out_leaf:
    tree_release(&leaf);
out_forget:
    tx_forget(tx, block);
    buf_put(*out);
out_cancel:
    alloc_cancel(block, 1);
    return err;
}

int dir_change(struct tx *tx, struct inode *dir, u64 slot, struct place *place)
{
    int err = read_block(dir, slot / FS_DIRENTS_PER_BLOCK, &place->block);

    if (err)
        return err;
    if (!place->block)
        return inode_damaged(dir, "a name's block is missing");
    place->slot = slot;
    err = tx_write(tx, place->block);
    if (err)
        dir_place_release(place);
    return err;
}

void dir_place_release(struct place *place)
{
    buf_put(place->block);
}

// The first free slot at or after `from`, or the one past the end.
static int search_free(struct inode *dir, u64 from, u64 *slot) REQUIRES(dir->lock)
{
    struct scan s;
    int err = scan_begin(dir, from, &s);

    while (!err && (s.d.ino || !s.usable))
        err = scan_next(dir, &s);
    *slot = s.slot;
    scan_end(&s);
    return err == -ENOENT ? 0 : err;
}

// None of the index's free slots is known: look for more of them.
static int know_free(struct inode *dir) REQUIRES(dir->lock)
{
    struct dir_index *x = dir->index;

    while (x->known < MIN(x->free_slots, FREE_KNOWN)) {
        u64 slot;
        int err = search_free(dir, x->free_from, &slot);
        if (err)
            return err;
        if (slot >= slot_count(dir)) {
            x->free_slots = x->known;
            break;
        }
        x->free[x->known++] = (u32)slot;
        x->free_from = (u32)slot + 1;
    }
    return 0;
}

static int find_free(struct inode *dir, u64 *slot) REQUIRES(dir->lock)
{
    struct dir_index *x = dir->index;

    if (!x)
        return search_free(dir, 2, slot);
    if (!x->known && x->free_slots) {
        int err = know_free(dir);
        if (err)
            return err;
    }
    *slot = x->known ? x->free[x->known - 1] : slot_count(dir);
    return 0;
}

int dir_reserve(struct tx *tx, struct inode *dir, struct place *place)
{
    int err = find_free(dir, &place->slot);

    if (err)
        return err;
    if (place->slot >= SLOTS_MAX)
        return -EFBIG;
    u64 n = place->slot / FS_DIRENTS_PER_BLOCK;
    // A block behind the end may still be there, with whatever is in it.
    bool behind = place->slot == slot_count(dir) && place->slot % FS_DIRENTS_PER_BLOCK == 0;
    err = read_block(dir, n, &place->block);
    if (!err && !place->block)
        return create_block(tx, dir, n, &place->block);
    if (!err) {
        err = tx_write(tx, place->block);
        if (err)
            buf_put(place->block);
        else if (behind)
            memset(buf_data(place->block), 0, FS_BLOCK_SIZE);
    }
    return err;
}

static void put_dirent(struct place *place, const struct fs_dirent *d)
{
    fs_dirent_encode(d, slot_bytes(place->block, place->slot));
    dir_place_release(place);
}

void dir_fill(struct inode *dir, struct place *place, const struct name *name, const struct inode *i)
{
    struct fs_dirent d = { .ino = i->ino, .type = (u8)i->type, .len = name->len };

    memcpy(d.name, name->text, name->len);
    dir->d.size = MAX(dir->d.size, (place->slot + 1) * FS_DIRENT_SIZE);
    index_add_name(dir, name, place->slot);
    put_dirent(place, &d);
    inode_modified(dir);
}

void dir_replace(struct inode *dir, struct place *place, const struct inode *i)
{
    struct fs_dirent d;

    (void)decode(dir, place->block, place->slot, &d);
    d.ino = i->ino;
    d.type = (u8)i->type;
    put_dirent(place, &d);
    inode_modified(dir);
}

void dir_clear(struct inode *dir, struct place *place)
{
    struct fs_dirent d, none = {};

    (void)decode(dir, place->block, place->slot, &d);
    if (dir->index) {
        index_remove(dir->index, hash_name(d.name, d.len), (u32)place->slot);
        index_free_slot(dir->index, (u32)place->slot);
    }
    put_dirent(place, &none);
    inode_modified(dir);
}

int dir_create(struct tx *tx, struct inode *dir, const struct inode *parent)
{
    struct fs_dirent self = { .ino = dir->ino, .type = FS_DIR, .len = 1, .name = "." };
    struct fs_dirent up = { .ino = parent->ino, .type = FS_DIR, .len = 2, .name = ".." };
    struct buffer *b;
    int err = create_block(tx, dir, 0, &b);

    if (err)
        return err;
    fs_dirent_encode(&self, slot_bytes(b, 0));
    fs_dirent_encode(&up, slot_bytes(b, DIR_PARENT_SLOT));
    buf_put(b);
    dir->d.size = 2 * FS_DIRENT_SIZE;
    dir->d.parent = parent->ino;
    return 0;
}
