// Inodes in memory: the table by number, loading and storing, creation, deletion, the orphan list.
//
// Loading: the first who wants an inode inserts it as LOADING and reads it; others wait. So does who creates one: the
// number that he takes is his from the insertion on. Unreferenced inodes that still have names stay in the table, in a
// list by last use, until there are too many or memory is short; those with an unfinished cut, which an error left,
// stay for good. The last reference to one without names deletes it: in as many handles as its blocks take, with the
// orphan list to finish after a crash.
//
// Blocks of the inode table are shared by 16 inodes, so besides i->lock who touches one holds its block_lock (a few
// locks, by block number).
//
// The orphan list on disk is mirrored by the list `orphans`, the head first; its lock also guards every d.next_orphan,
// together with the block_lock of the inode's place.
//
// Locks: i->lock (RANK_DIR, RANK_INODE) > handle > orphan_lock, ialloc_lock (RANK_ITABLE) > allocator > block_locks
// (RANK_BUFFER); icache_lock (RANK_ICACHE, spinning) for the table.
#include "inodes.h"
#include "alloc.h"
#include "dir.h"
#include "tree.h"
#include <base/string.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <uapi/errno.h>

#define BUCKETS     4096
#define IDLE_MAX    1024  // unreferenced inodes in memory
#define BLOCK_LOCKS 16
#define COMPLAINTS  64  // messages about damage, so that a bad disk doesn't flood the console

static struct spinlock icache_lock = SPINLOCK_INIT("inodes", RANK_ICACHE);
static struct inode *table[BUCKETS] GUARDED_BY(icache_lock);
static struct list idle GUARDED_BY(icache_lock) = { &idle, &idle };                    // latest use first
static struct list unfinished GUARDED_BY(icache_lock) = { &unfinished, &unfinished };  // unreferenced orphans
static u32 idle_count GUARDED_BY(icache_lock);                                         // in both
static _Atomic u32 idle_frames;                                                        // of their directory indexes
static struct wait_queue loaded GUARDED_BY(icache_lock) = { { &loaded.waiters, &loaded.waiters } };
static _Atomic u32 live, complaints;

static struct mutex block_locks[BLOCK_LOCKS];

static struct mutex orphan_lock;
static struct list orphans GUARDED_BY(orphan_lock) = { &orphans, &orphans };

// The inode bitmap, pinned. It's the allocator's only one: an inode number can be used anew in the transaction that
// freed it.
static struct mutex ialloc_lock;
static struct buffer **bitmap GUARDED_BY(ialloc_lock);
static u64 free_inodes GUARDED_BY(ialloc_lock);
static u64 first_free GUARDED_BY(ialloc_lock);  // no free one is before

static struct fs_super super;
static struct disk *disk;

const struct fs_super *fs_layout(void)
{
    return &super;
}

struct disk *fs_disk(void)
{
    return disk;
}

int inode_damaged(const struct inode *i, const char *what)
{
    if (complaints < COMPLAINTS) {
        complaints++;
        printk("fs: %s: inode %llu is damaged: %s; run fsck\n", disk->name, (unsigned long long)i->ino, what);
    }
    return -EIO;
}

// The table in memory.

static struct inode **bucket(u64 ino) REQUIRES(icache_lock)
{
    return &table[ino % BUCKETS];
}

static struct inode *find(u64 ino) REQUIRES(icache_lock)
{
    struct inode *i = *bucket(ino);

    while (i && i->ino != ino)
        i = i->hash_next;
    return i;
}

static void hash_insert(struct inode *i) REQUIRES(icache_lock)
{
    i->hash_next = *bucket(i->ino);
    *bucket(i->ino) = i;
}

static void hash_remove(struct inode *i) REQUIRES(icache_lock)
{
    struct inode **at = bucket(i->ino);

    while (*at != i)
        at = &(*at)->hash_next;
    *at = i->hash_next;
}

static void take_reference(struct inode *i) REQUIRES(icache_lock)
{
    if (i->refs++ > 0)
        return;
    list_remove(&i->idle_link);
    idle_count--;
    idle_frames -= dir_index_frames(i);
    live++;
}

static struct inode *allocate(u64 ino)
{
    struct inode *i = kzalloc(sizeof(*i));

    if (!i)
        return NULL;
    i->ino = ino;
    i->refs = 1;
    list_init(&i->idle_link);
    list_init(&i->orphan_link);
    return i;
}

// Of an inode that nobody can find any more.
static void destroy(struct inode *i)
{
    dir_index_drop(i);
    kfree(i);
}

static void set_type(struct inode *i, u32 type)
{
    i->type = type;
    if (type == FS_DIR)
        mutex_init(&i->lock, "directory", RANK_DIR);
    else
        mutex_init(&i->lock, "inode", RANK_INODE);
}

// Take the inode that was unused for longest out of the table, and put it before a chain by hash_next.
static void evict_oldest(struct inode **chain) REQUIRES(icache_lock)
{
    struct inode *i = list_entry(idle.prev, struct inode, idle_link);

    list_remove(&i->idle_link);
    idle_count--;
    idle_frames -= dir_index_frames(i);
    hash_remove(i);
    i->hash_next = *chain;
    *chain = i;
}

// Until at most `keep` unreferenced ones are left; returns the chain.
static struct inode *evict(u32 keep)
{
    struct inode *chain = NULL;

    spin_lock(&icache_lock);
    while (idle_count > keep && !list_empty(&idle))
        evict_oldest(&chain);
    spin_unlock(&icache_lock);
    return chain;
}

static void destroy_chain(struct inode *chain)
{
    while (chain) {
        struct inode *i = chain;
        chain = i->hash_next;
        destroy(i);
    }
}

// For mm: the indexes of unreferenced directories, and what is older goes with them.
static u32 shrink(u32 want)
{
    struct inode *chain = NULL;

    spin_lock(&icache_lock);
    u32 before = idle_frames;
    while (idle_frames && before - idle_frames < want && !list_empty(&idle))
        evict_oldest(&chain);
    u32 freed = before - idle_frames;
    spin_unlock(&icache_lock);
    destroy_chain(chain);
    return freed;
}

static u32 shrinkable(void)
{
    return idle_frames;
}

static struct shrinker shrinker = { .shrink = shrink, .count = shrinkable };

// Loading and storing.

static u64 table_block(u64 ino)
{
    return super.inode_table_start + ino / FS_INODES_PER_BLOCK;
}

static struct mutex *block_lock(u64 ino)
{
    return &block_locks[table_block(ino) % BLOCK_LOCKS];
}

static u8 *record(struct buffer *b, u64 ino)
{
    return buf_data(b) + ino % FS_INODES_PER_BLOCK * FS_INODE_SIZE;
}

static int read_record(u64 ino, struct fs_inode *out, enum fs_error *bad)
{
    struct buffer *b;

    mutex_lock(block_lock(ino));
    int err = buf_read(table_block(ino), &b);
    if (!err) {
        *bad = fs_inode_decode(record(b, ino), ino, &super, out);
        buf_put(b);
    }
    mutex_unlock(block_lock(ino));
    return err;
}

static int prepare_record(struct tx *tx, u64 ino)
{
    struct buffer *b;

    mutex_lock(block_lock(ino));
    int err = buf_read(table_block(ino), &b);
    if (!err) {
        err = tx_write(tx, b);
        buf_put(b);
    }
    mutex_unlock(block_lock(ino));
    return err;
}

// The prepared block of an inode, referenced: it's in the transaction, so it is in memory.
static struct buffer *prepared(u64 ino)
{
    struct buffer *b = buf_cached(table_block(ino));

    assert(b && b->tx_slot);
    return b;
}

int inode_prepare(struct tx *tx, struct inode *i)
{
    return prepare_record(tx, i->ino);
}

void inode_store(struct tx *tx, struct inode *i)
{
    mutex_lock(block_lock(i->ino));
    struct buffer *b = prepared(i->ino);
    fs_inode_encode(&i->d, i->ino, record(b, i->ino));
    buf_put(b);
    mutex_unlock(block_lock(i->ino));
    i->round = tx->round;
    i->stale = false;
}

int inode_refresh(struct inode *i)
{
    struct tx tx;

    if (!i->stale)
        return 0;
    int err = tx_begin(&tx, 1);
    if (err)
        return err;
    err = inode_prepare(&tx, i);
    if (!err)
        inode_store(&tx, i);
    tx_end(&tx);
    return err;
}

void inode_changed(struct inode *i)
{
    i->d.ctime_ns = time_wall_ns();
}

void inode_modified(struct inode *i)
{
    i->d.changes++;
    i->d.mtime_ns = i->d.ctime_ns = time_wall_ns();
}

// Fill a LOADING inode from the disk.
static int load(struct inode *i)
{
    enum fs_error bad;
    int err = read_record(i->ino, &i->d, &bad);

    if (err)
        return err;
    if (bad)
        return inode_damaged(i, fs_error_text(bad));
    if (i->d.type == FS_FREE)
        return -ESTALE;
    if (i->d.type == FS_DIR && i->d.size / FS_DIRENT_SIZE > DIR_SLOTS_MAX)
        return inode_damaged(i, "the directory is too large");
    set_type(i, i->d.type);
    return 0;
}

static void end_loading(struct inode *i, int err)
{
    spin_lock(&icache_lock);
    i->state = err ? INODE_BAD : INODE_READY;
    if (err)
        hash_remove(i);
    wake_all(&loaded);
    spin_unlock(&icache_lock);
}

// The inode if it's in memory, referenced and loaded. *err: -ESTALE if it's being deleted, -EIO if its loading failed.
static struct inode *find_loaded(u64 ino, int *err) REQUIRES(icache_lock)
{
    struct inode *i = find(ino);

    *err = 0;
    if (!i)
        return NULL;
    if (i->state == INODE_DYING) {
        *err = -ESTALE;
        return NULL;
    }
    take_reference(i);
    while (i->state == INODE_LOADING)
        (void)!wait_on(&loaded, &icache_lock, WAIT_UNINTERRUPTIBLE, NEVER, "inode");
    if (i->state == INODE_BAD)
        *err = -EIO;
    return i;
}

// As inode_load(), but -ESTALE when there is no such file.
static int load_any(u64 ino, struct inode **out)
{
    int err;

    if (ino == 0 || ino >= super.inodes)
        return -ESTALE;
    struct inode *mine = allocate(ino);
    if (!mine)
        return -ENOMEM;
    spin_lock(&icache_lock);
    struct inode *i = find_loaded(ino, &err);
    if (!i && !err) {
        hash_insert(mine);
        live++;
    }
    spin_unlock(&icache_lock);

    if (i || err) {
        kfree(mine);
    } else {
        i = mine;
        err = load(i);
        end_loading(i, err);
    }
    if (err && i)
        inode_put(i);
    if (!err)
        *out = i;
    return err;
}

int inode_load(u64 ino, struct inode **out)
{
    int err;

    // The usual case needs no memory.
    spin_lock(&icache_lock);
    struct inode *i = find(ino);
    bool ready = i && i->state == INODE_READY;
    if (ready)
        take_reference(i);
    spin_unlock(&icache_lock);
    if (ready) {
        *out = i;
        return 0;
    }
    err = load_any(ino, out);
    return err == -ESTALE ? -EIO : err;
}

int inode_find(u64 ino, u64 generation, struct inode **out)
{
    struct inode *i;
    int err = load_any(ino, &i);

    if (err)
        return err;
    mutex_lock(&i->lock);
    bool same = i->d.generation == generation && (i->d.nlink > 0 || inode_is_orphan(i));
    mutex_unlock(&i->lock);
    if (!same) {
        inode_put(i);
        return -ESTALE;
    }
    *out = i;
    return 0;
}

struct inode *inode_get(struct inode *i)
{
    spin_lock(&icache_lock);
    take_reference(i);
    spin_unlock(&icache_lock);
    return i;
}

void inode_lock_pair(struct inode *a, struct inode *b) NO_LOCK_ANALYSIS
{
    mutex_lock(a < b ? &a->lock : &b->lock);
    mutex_lock_nested(a < b ? &b->lock : &a->lock);
}

// The inode bitmap.

static u64 bitmap_block(u64 ino)
{
    return ino / FS_BITS_PER_BLOCK;
}

static bool in_use(u64 ino) REQUIRES(ialloc_lock)
{
    return fs_bit(buf_data(bitmap[bitmap_block(ino)]), (u32)(ino % FS_BITS_PER_BLOCK));
}

// The first free number from `from` on; 0: none.
static u64 next_free(u64 from) REQUIRES(ialloc_lock)
{
    while (from < super.inodes) {
        const u8 *map = buf_data(bitmap[bitmap_block(from)]);
        u32 bit = (u32)(from % FS_BITS_PER_BLOCK);
        if (bit % 8 == 0 && map[bit / 8] == 0xff)
            from += 8;
        else if (fs_bit(map, bit))
            from++;
        else
            return from;
    }
    return 0;
}

// Insert i, which has a number now, as LOADING. False if another has that number: who looks for a file that is gone.
static bool insert(struct inode *i)
{
    spin_lock(&icache_lock);
    bool first = !find(i->ino);
    if (first) {
        hash_insert(i);
        live++;
    }
    spin_unlock(&icache_lock);
    return first;
}

// Is that number really free? If the table says otherwise, the bitmap is wrong, and the number is passed over.
static int check_free(const struct inode *i, u64 *generation)
{
    struct fs_inode old;
    enum fs_error bad;
    int err = read_record(i->ino, &old, &bad);

    if (err)
        return err;
    if (bad || old.type != FS_FREE) {
        (void)inode_damaged(i, "the bitmap calls it free, but it is not");
        return -ESTALE;
    }
    *generation = old.generation;
    return 0;
}

// Find a number for i, and insert it; nothing has changed on the disk.
static int find_number(struct inode *i) REQUIRES(ialloc_lock)
{
    u64 from = MAX(first_free, FS_ROOT_INO + 1), passed_over = 0, generation;
    int err;

    do {
        i->ino = free_inodes ? next_free(from) : 0;
        if (!i->ino)
            return -ENOSPC;
        from = i->ino + 1;
        err = check_free(i, &generation);
        if (!err && !insert(i)) {
            err = -ESTALE;
            passed_over = passed_over ? passed_over : i->ino;
        }
    } while (err == -ESTALE);
    if (err)
        return err;
    first_free = passed_over ? passed_over : i->ino;
    i->d.generation = generation + 1;
    return 0;
}

// Mark the number used. All that can fail comes first.
static int take_number(struct tx *tx, struct inode *i) REQUIRES(ialloc_lock)
{
    struct buffer *b = bitmap[bitmap_block(i->ino)];
    int err = prepare_record(tx, i->ino);

    if (!err)
        err = tx_write(tx, b);
    if (err)
        return err;
    fs_bit_set(buf_data(b), (u32)(i->ino % FS_BITS_PER_BLOCK));
    free_inodes--;
    return 0;
}

// The bitmap block is in the handle.
static void give_number(u64 ino)
{
    mutex_lock(&ialloc_lock);
    fs_bit_clear(buf_data(bitmap[bitmap_block(ino)]), (u32)(ino % FS_BITS_PER_BLOCK));
    free_inodes++;
    first_free = MIN(first_free, ino);
    mutex_unlock(&ialloc_lock);
}

static int prepare_number(struct tx *tx, u64 ino)
{
    mutex_lock(&ialloc_lock);
    int err = tx_write(tx, bitmap[bitmap_block(ino)]);
    mutex_unlock(&ialloc_lock);
    return err;
}

int inode_create(struct tx *tx, u32 type, struct inode **out)
{
    struct inode *i = allocate(0);

    if (!i)
        return -ENOMEM;
    mutex_lock(&ialloc_lock);
    int err = find_number(i);
    if (err) {
        mutex_unlock(&ialloc_lock);
        kfree(i);
        return err;
    }
    err = take_number(tx, i);
    mutex_unlock(&ialloc_lock);
    if (!err) {
        set_type(i, type);
        i->d.type = (u16)type;
        i->d.mtime_ns = i->d.ctime_ns = time_wall_ns();
        i->round = tx->round;
    }
    end_loading(i, err);
    if (err)
        inode_put(i);
    else
        *out = i;
    return err;
}

// The inode becomes a free one on disk: the handle has its place and its bitmap block.
static void store_free(struct inode *i)
{
    struct fs_inode free = { .type = FS_FREE, .generation = i->d.generation };

    mutex_lock(block_lock(i->ino));
    struct buffer *b = prepared(i->ino);
    fs_inode_encode(&free, i->ino, record(b, i->ino));
    buf_put(b);
    mutex_unlock(block_lock(i->ino));
}

void inode_uncreate(struct tx *tx, struct inode *i)
{
    u64 ino = i->ino;

    (void)tx;
    store_free(i);
    end_loading(i, -ESTALE);  // as if it had never been there, also for who found it meanwhile
    give_number(ino);
    inode_put(i);
}

// The orphan list.

bool inode_is_orphan(struct inode *i)
{
    return !list_empty(&i->orphan_link);
}

// Inode `ino` (0: the head) is followed by `next`. Its block is in the handle; of a file in memory `i` is it.
static void set_next_orphan(u64 ino, struct inode *i, u64 next) REQUIRES(orphan_lock)
{
    struct fs_inode d;

    mutex_lock(block_lock(ino));
    struct buffer *b = prepared(ino);
    if (i)
        i->d.next_orphan = next;
    if (fs_inode_decode(record(b, ino), ino, &super, &d) == FS_OK) {
        d.next_orphan = next;
        fs_inode_encode(&d, ino, record(b, ino));
    }
    buf_put(b);
    mutex_unlock(block_lock(ino));
}

int orphan_prepare(struct tx *tx, struct inode *i)
{
    int err = prepare_record(tx, 0);

    return err ? err : prepare_record(tx, i->ino);
}

// The first of the list, as the disk says: it may name inodes that could not be loaded.
static u64 orphan_head(void)
{
    struct fs_inode head = {};

    mutex_lock(block_lock(0));
    struct buffer *b = prepared(0);
    if (fs_inode_decode(record(b, 0), 0, &super, &head) != FS_OK)
        head.next_orphan = 0;
    buf_put(b);
    mutex_unlock(block_lock(0));
    return head.next_orphan;
}

void orphan_add(struct tx *tx, struct inode *i)
{
    (void)tx;
    mutex_lock(&orphan_lock);
    if (list_empty(&i->orphan_link)) {
        set_next_orphan(i->ino, i, orphan_head());
        set_next_orphan(0, NULL, i->ino);
        list_push(&orphans, &i->orphan_link);
    }
    mutex_unlock(&orphan_lock);
}

int orphan_remove(struct tx *tx, struct inode *i)
{
    int err = 0;

    mutex_lock(&orphan_lock);
    if (!list_empty(&i->orphan_link)) {
        struct list *link = i->orphan_link.prev;
        struct inode *before = link == &orphans ? NULL : list_entry(link, struct inode, orphan_link);
        u64 before_ino = before ? before->ino : 0;
        err = prepare_record(tx, before_ino);
        if (!err)
            err = prepare_record(tx, i->ino);
        if (!err) {
            set_next_orphan(before_ino, before, i->d.next_orphan);
            set_next_orphan(i->ino, i, 0);
            list_remove(&i->orphan_link);
        }
    }
    mutex_unlock(&orphan_lock);
    return err;
}

// Deletion.

// The last handle of an inode's life.
static int free_inode(struct inode *i) REQUIRES(i->lock)
{
    struct tx tx;
    int err = tx_begin(&tx, ORPHAN_CREDITS + 2);

    if (err)
        return err;
    err = inode_prepare(&tx, i);
    if (!err)
        err = prepare_number(&tx, i->ino);
    if (!err)
        err = orphan_remove(&tx, i);
    if (!err) {
        store_free(i);
        spin_lock(&icache_lock);
        hash_remove(i);
        spin_unlock(&icache_lock);
        give_number(i->ino);
    }
    tx_end(&tx);
    return err;
}

// Nobody else holds it or can get it. What can't be deleted now stays in the orphan list, for the next mount.
static void delete (struct inode *i)
{
    mutex_lock(&i->lock);
    int err = inode_cut(i, 0);
    if (!err)
        err = free_inode(i);
    mutex_unlock(&i->lock);
    live--;
    if (!err)
        destroy(i);
    else if (err != -EROFS)
        printk("fs: %s: inode %llu could not be deleted (error %d); the next mount will try again\n", disk->name,
               (unsigned long long)i->ino, -err);
}

// Before a writer lets go of it. What can't be stored now is stored with its next change; only times are lost without,
// and so no sync has to wait for them.
static void store_stale(struct inode *i)
{
    mutex_lock(&i->lock);
    u64 round = i->round;
    if (i->d.nlink > 0)
        (void)!inode_refresh(i);
    i->round = round;
    mutex_unlock(&i->lock);
}

void inode_put(struct inode *i)
{
    struct inode *bad = NULL, *dying = NULL;

    if (i->stale)
        store_stale(i);
    spin_lock(&icache_lock);
    if (--i->refs == 0) {
        if (i->state == INODE_BAD) {
            live--;
            bad = i;
        } else if (i->d.nlink == 0) {
            i->state = INODE_DYING;
            dying = i;
        } else {
            live--;
            list_push(inode_is_orphan(i) ? &unfinished : &idle, &i->idle_link);
            idle_count++;
            idle_frames += dir_index_frames(i);
        }
    }
    bool many = idle_count > IDLE_MAX;
    spin_unlock(&icache_lock);

    if (bad)
        destroy(bad);
    if (dying)
        delete (dying);
    if (many)
        destroy_chain(evict(IDLE_MAX));
}

// Cut or delete one orphan that a crash or an error left behind. *next: the one after it.
static int clear_orphan(u64 ino, u64 *next)
{
    struct inode *i;
    int err = load_any(ino, &i);

    if (err)
        return err;
    mutex_lock(&orphan_lock);
    list_append(&orphans, &i->orphan_link);
    *next = i->d.next_orphan;
    mutex_unlock(&orphan_lock);
    if (i->d.nlink == 0 || i->type != FS_FILE) {
        inode_put(i);
        return 0;
    }
    mutex_lock(&i->lock);
    err = inode_cut(i, DIV_ROUND_UP(i->d.size, FS_BLOCK_SIZE));
    mutex_unlock(&i->lock);
    inode_put(i);
    return err;
}

void orphans_clear(void)
{
    struct fs_inode head;
    enum fs_error bad;
    u64 count = 0, next = 0;
    int err = read_record(0, &head, &bad);

    if (!err && bad)
        err = -EIO;
    for (u64 ino = err ? 0 : head.next_orphan; ino && !err; ino = next) {
        // A list that is longer than the table has a cycle.
        err = ++count > super.inodes ? -EIO : clear_orphan(ino, &next);
    }
    if (err)
        printk("fs: %s: the list of deleted files can't be followed to its end (error %d); run fsck\n", disk->name,
               -err);
}

// Failed writes, and waiting.

void inode_write_failed(u64 ino)
{
    u64 round = journal_round();

    spin_lock(&icache_lock);
    struct inode *i = find(ino);
    if (i)
        i->failed_round = round;
    spin_unlock(&icache_lock);
}

static u64 failed_round(struct inode *i)
{
    spin_lock(&icache_lock);
    u64 round = i->failed_round;
    spin_unlock(&icache_lock);
    return round;
}

int inode_commit(struct inode *i, u64 round)
{
    // Data that could not be written is tried again in every commit; failed_round is one more than that of the last
    // attempt that failed.
    u64 failed = failed_round(i), now = journal_round();

    if (failed && failed + 1 >= now)
        round = now;
    int err = journal_commit(round);
    u64 then = failed_round(i);
    if (!err && then > round && then != failed)
        err = -EIO;
    return err;
}

u32 inodes_live(void)
{
    return live;
}

// Beginning and end.

static u64 count_free(void) REQUIRES(ialloc_lock)
{
    u64 n = 0;

    for (u64 ino = 1; ino < super.inodes; ino++)
        n += !in_use(ino);
    return n;
}

static int bitmap_init(void)
{
    u32 blocks = (u32)DIV_ROUND_UP(super.inodes, FS_BITS_PER_BLOCK);
    int err = 0;

    mutex_lock(&ialloc_lock);
    bitmap = kzalloc(blocks * sizeof(*bitmap));
    if (!bitmap)
        err = -ENOMEM;
    for (u32 k = 0; k < blocks && !err; k++)
        err = buf_read(super.inode_bitmap_start + k, &bitmap[k]);
    if (!err) {
        free_inodes = count_free();
        first_free = 0;
    }
    mutex_unlock(&ialloc_lock);
    return err;
}

static void bitmap_release(void)
{
    u32 blocks = (u32)DIV_ROUND_UP(super.inodes, FS_BITS_PER_BLOCK);

    mutex_lock(&ialloc_lock);
    for (u32 k = 0; bitmap && k < blocks; k++)
        if (bitmap[k])
            buf_put(bitmap[k]);
    kfree(bitmap);
    bitmap = NULL;
    mutex_unlock(&ialloc_lock);
}

int inodes_init(struct disk *d, const struct fs_super *s)
{
    static bool registered;

    disk = d;
    super = *s;
    complaints = 0;
    mutex_init(&orphan_lock, "orphans", RANK_ITABLE);
    mutex_init(&ialloc_lock, "inode allocator", RANK_ITABLE);
    for (u32 k = 0; k < BLOCK_LOCKS; k++)
        mutex_init(&block_locks[k], "inode table", RANK_BUFFER);
    int err = bitmap_init();
    if (err) {
        bitmap_release();
        return err;
    }
    if (!registered)
        shrinker_register(&shrinker);
    registered = true;
    return 0;
}

// Also what could not be deleted or cut.
void inodes_release(void)
{
    destroy_chain(evict(0));
    spin_lock(&icache_lock);
    list_init(&unfinished);
    idle_count = 0;
    idle_frames = 0;
    for (u32 k = 0; k < BUCKETS; k++) {
        while (table[k]) {
            struct inode *i = table[k];
            table[k] = i->hash_next;
            destroy(i);
        }
    }
    spin_unlock(&icache_lock);
    mutex_lock(&orphan_lock);
    list_init(&orphans);
    mutex_unlock(&orphan_lock);
    bitmap_release();
}

// Figures.

u32 inode_type(const struct inode *i)
{
    return i->type;
}

int inode_check_file(const struct inode *i)
{
    return i->type == FS_FILE ? 0 : i->type == FS_DIR ? -EISDIR : -EINVAL;
}

void inode_identify(struct inode *i, struct inode_identity *id)
{
    mutex_lock(&i->lock);
    *id = (struct inode_identity){
        .ino = i->ino,
        .generation = i->d.generation,
        .size = i->d.size,
        .changes = i->d.changes,
        .type = i->type,
        .nlink = i->d.nlink,
        .major = i->d.major,
        .minor = i->d.minor,
    };
    mutex_unlock(&i->lock);
}

void inode_stat(struct inode *i, struct stat *st)
{
    mutex_lock(&i->lock);
    u64 size = i->type == FS_DIR ? i->d.size / FS_DIRENT_SIZE * sizeof(struct dirent) : i->d.size;
    *st = (struct stat){
        .type = (int16_t)i->type,
        .dev = 1,
        .ino = (u32)i->ino,
        .nlink = (int16_t)MIN(i->d.nlink, INT16_MAX),
        .size = (u32)MIN(size, UINT32_MAX),
    };
    mutex_unlock(&i->lock);
}

u64 inodes_free_count(void)
{
    mutex_lock(&ialloc_lock);
    u64 n = free_inodes;
    mutex_unlock(&ialloc_lock);
    return n;
}

int inode_writer_begin(struct inode *i)
{
    spin_lock(&icache_lock);
    int err = i->backings ? -ETXTBSY : 0;
    if (!err)
        i->writers++;
    spin_unlock(&icache_lock);
    return err;
}

void inode_writer_end(struct inode *i)
{
    spin_lock(&icache_lock);
    i->writers--;
    spin_unlock(&icache_lock);
}

int inode_backing_begin(struct inode *i)
{
    spin_lock(&icache_lock);
    int err = i->writers ? -ETXTBSY : 0;
    if (!err)
        i->backings++;
    spin_unlock(&icache_lock);
    return err;
}

void inode_backing_end(struct inode *i)
{
    spin_lock(&icache_lock);
    i->backings--;
    spin_unlock(&icache_lock);
}

bool inode_is_backing(struct inode *i)
{
    spin_lock(&icache_lock);
    bool yes = i->backings > 0;
    spin_unlock(&icache_lock);
    return yes;
}

int inode_writes_deny(struct inode *i)
{
    return i->type == FS_FILE ? inode_backing_begin(i) : -EINVAL;
}

void inode_writes_allow(struct inode *i)
{
    inode_backing_end(i);
}
