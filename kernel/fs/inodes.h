// Inodes in memory. Private to fs; what others see is fs/inode.h.
//
// An inode in memory is found by its number, loaded once, and kept for a while after its last reference. Contents and
// fields belong to i->lock, which is taken before a handle is begun. Directories before what they contain, and of two
// inodes that are no directories the one with the lower address first.
//
// Changing an inode, inside a handle:  inode_prepare() (can fail) ... change i->d ... inode_store() (can't).
#pragma once

#include "journal.h"
#include <fs/inode.h>
#include <kern/annotate.h>
#include <sched/mutex.h>

struct dir_index;

enum inode_state {
    INODE_LOADING,
    INODE_READY,
    INODE_BAD,    // could not be loaded; goes with its last reference
    INODE_DYING,  // being deleted: nobody can get it any more
};

struct inode {
    // Constant.
    u64 ino;
    u32 type;  // enum fs_type, which is T_*

    // Guarded by the lock of the inode table in memory.
    struct inode *hash_next;
    struct list idle_link;
    u32 refs;
    enum inode_state state;
    u32 writers;       // open for writing
    u32 backings;      // being executed or restored from
    u64 failed_round;  // the last round in which some of its data could not be written

    struct list orphan_link;  // the orphan list's lock

    struct mutex lock;
    struct fs_inode d FIELD_GUARDED_BY(lock);  // but next_orphan: the orphan list's lock
    u64 round FIELD_GUARDED_BY(lock);          // of its last change
    bool buffered FIELD_GUARDED_BY(lock);      // data was written through the cache since the last inode_sync()
    u64 overwrite FIELD_GUARDED_BY(lock);      // number of the last write in place past the cache; 0: none
    _Atomic bool stale;                      // d says more than the disk and the running transaction; set under `lock`
    u64 read_next FIELD_GUARDED_BY(lock);    // where a sequential reader would go on
    u32 read_window FIELD_GUARDED_BY(lock);  // blocks to read ahead
    struct dir_index *index FIELD_GUARDED_BY(lock);  // of a directory, or NULL
    bool complained FIELD_GUARDED_BY(lock);          // about a damaged entry in it
};

MUST_CHECK int inodes_init(struct disk *disk, const struct fs_super *super);
void inodes_release(void);

/* Delete or cut what the orphan list names. Errors are told on the console. */
void orphans_clear(void);

const struct fs_super *fs_layout(void);
struct disk *fs_disk(void);

/* The inode that a directory entry names. -EIO (there is no such file: damaged), -ENOMEM. */
MUST_CHECK int inode_load(u64 ino, struct inode **out);

/* A new one: no name yet (nlink 0), empty; goes away again unless it gets a link or becomes an orphan in the same
 * handle. -ENOSPC, -EIO, -ENOMEM. */
#define INODE_CREATE_CREDITS 2
MUST_CHECK int inode_create(struct tx *tx, u32 type, struct inode **out);

/* Undo inode_create() in the same handle. Takes the reference. */
void inode_uncreate(struct tx *tx, struct inode *i);

/* Its place in the inode table may be written in this handle. One credit. -EIO, -ENOMEM. */
MUST_CHECK int inode_prepare(struct tx *tx, struct inode *i) REQUIRES(i->lock);

/* i->d to the inode table. Its block is in the handle. */
void inode_store(struct tx *tx, struct inode *i) REQUIRES(i->lock);

/* If it's stale: all of that, in a handle of its own. */
MUST_CHECK int inode_refresh(struct inode *i) REQUIRES(i->lock);

/* Contents changed: times and change count. inode_changed(): only the inode itself did (links). */
void inode_modified(struct inode *i) REQUIRES(i->lock);
void inode_changed(struct inode *i) REQUIRES(i->lock);

/*
 * The orphan list. _prepare is the part that can fail, in the same handle and before the other. Credits: what both
 * touch.
 */
#define ORPHAN_CREDITS 3
MUST_CHECK int orphan_prepare(struct tx *tx, struct inode *i) REQUIRES(i->lock);
void orphan_add(struct tx *tx, struct inode *i) REQUIRES(i->lock);

/* Does both; nothing if it isn't in the list. */
MUST_CHECK int orphan_remove(struct tx *tx, struct inode *i) REQUIRES(i->lock);
bool inode_is_orphan(struct inode *i);

/* For the journal: data of this inode could not be written in the commit of `round`. */
void inode_write_failed(u64 ino);

/* What the disk says of this inode can't be true. Says so, and is -EIO. */
int inode_damaged(const struct inode *i, const char *what);

/* Wait until it's durable what was done to i up to `round`; -EIO also when data could not be written. */
MUST_CHECK int inode_commit(struct inode *i, u64 round);

/* For execution and restore: as inode_writer_begin(), the other way round. -ETXTBSY. */
MUST_CHECK int inode_backing_begin(struct inode *i);
void inode_backing_end(struct inode *i);
bool inode_is_backing(struct inode *i);

u64 inodes_free_count(void);

/* Lock two inodes that are no directories. */
void inode_lock_pair(struct inode *a, struct inode *b);

/* Write at the file's end, wherever that is now: *offset. As inode_write(). */
MUST_CHECK int inode_append(struct inode *i, const struct piece *pieces, u32 count, u64 *offset, size_t *done);

/* The part of a file's life that is data.c's: give back all blocks past `keep`, in handles of its own. */
MUST_CHECK int inode_cut(struct inode *i, u64 keep) REQUIRES(i->lock);
