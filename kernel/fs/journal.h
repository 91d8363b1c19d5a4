// The journal: what several blocks of metadata have in common, all of them change or none. Private to fs.
//
// An operation that changes metadata runs inside a handle:
//
//     err = tx_begin(&tx, CREDITS);       // the most blocks it may touch; may wait
//     ...
//     err = tx_write(&tx, buffer);        // before the change; everything that can fail comes before the first change
//     change buf_data(buffer)
//     tx_end(&tx);
//
// All handles that are open at the same time belong to one transaction, which becomes durable as a whole. A handle is a
// lock (RANK_JOURNAL): inodes are locked before it begins, and while it's open its thread must not wait for a commit.
#pragma once

#include "cache.h"
#include <fsfmt/fsfmt.h>

// The most credits of one handle.
#define TX_CREDITS_MAX 48

struct tx {
    u32 credits;  // blocks that it may still add to the transaction
    u64 round;    // what journal_commit() takes
};

/* Find what is in the log, write it home, and start. -EIO, -EINVAL (damaged; says how), -ENOMEM. */
MUST_CHECK int journal_init(struct disk *disk, const struct fs_super *super);

/* Commit, write everything home, stop. No handle is open, nor will be. */
void journal_release(void);

/* -EROFS: the journal could not be written, once; from then on nothing changes. */
MUST_CHECK int tx_begin(struct tx *tx, u32 credits);
void tx_end(struct tx *tx);

/* The block becomes part of the transaction and may be changed until tx_end(). -ENOMEM. */
MUST_CHECK int tx_write(struct tx *tx, struct buffer *b);

/* The metadata block was freed in this handle: it need not be logged any more, and leaves the cache. */
void tx_forget(struct tx *tx, u64 block);

/* Wait until all handles of `round` are durable, with the file data that was dirty when they ended. -EIO. */
MUST_CHECK int journal_commit(u64 round);

/*
 * Data was written to blocks in their places, past the cache, and that is over. Returns the number of the write.
 * journal_flush() sees to it that those up to number n are durable: it flushes the disk, unless that happened since.
 * -EIO: and then the file system is read-only, as what was written may be lost, whatever later flushes say.
 */
u64 journal_overwrote(void);
MUST_CHECK int journal_flush(u64 n);

/* Flush the disk now, whatever was written. -EIO, likewise. */
MUST_CHECK int journal_flush_now(void);

/* The round that a handle would belong to now. */
u64 journal_round(void);

/* Get a commit going, but don't wait. */
void journal_hurry(void);

/* Commit and write everything home, so that what was freed can be allocated. No handle may be open. -EIO. */
MUST_CHECK int journal_checkpoint(void);

/* Memory is short: commit and write home soon. */
void journal_relieve(void);

bool journal_failed(void);
