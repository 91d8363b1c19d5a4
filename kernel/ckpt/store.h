// Store: where an epoch is written to. Either the file that holds the earlier ones, or a new file that takes its name
// when it is whole.
#pragma once

#include "image.h"
#include "memo.h"
#include "output.h"
#include "use.h"

struct file;

struct store {
    struct inode *cwd;  // where `path` is seen from: a reference
    char *path;
    struct image_use *use;    // of the file that is there; NULL: there is no image
    bool locked;              // and it is locked
    struct inode *there;      // that file: a reference
    struct frame *header;     // of its newest epoch, if that isn't durable yet; else NULL
    u64 failures;             // of commits, before that was looked at
    struct ckpt_header head;  // its newest epoch
    struct ckpt_epoch newest;
    struct memo *memo;     // what is remembered of the file that is written
    bool continues;        // the new epoch goes there; otherwise into `unnamed`
    struct file *unnamed;  // the new file
    bool begun;            // `output` may be used
    u32 kept;              // older epochs that the new one keeps
    bool written;          // and waits to be durable:
    bool under_way;        // its blocks may not have arrived
    struct ticket ticket;
    struct frame *slot;   // its header: a reference; else NULL
    struct memo_key key;  // what it will be remembered as

    // From here on: large, and not zeroed.
    struct image image;  // the file that is there
    struct output output;
};

/*
 * See what is at `path`, and keep others from writing epochs into it. -EINTR, -ENOMEM, path_lookup()'s but for -ENOENT.
 */
MUST_CHECK int store_open(struct inode *cwd, const char *path, struct store **out);

/* Lets others write, if they may not yet. What was not finished is given up: the file is as before. */
void store_close(struct store *s);

/* Is the file that is there an image that keeps this epoch? */
bool store_keeps(struct store *s, u64 epoch, u32 digest);

/* The number of the epoch that one goes on from which was marked as that one; 0: that never became durable. */
u64 store_parent(struct store *s, u64 epoch, u32 digest);

/*
 * Begin to write. continues: into the file that is there. history: how many epochs it is to keep; 0: all. pages: at
 * most so many there will be; rest: and about so many other blocks. cancelled: stop with -EINTR when it becomes true.
 */
MUST_CHECK int store_begin(struct store *s, bool continues, u32 history, u64 pages, u64 rest, _Atomic bool *cancelled);

/* What the image needs a reader to know: CKPT_FEATURE_…. An older one stays as it is. */
u32 store_features(const struct store *s);

/* The file that is written. */
void store_identify(struct store *s, struct inode_identity *id);

/* The new epoch's number, and how it goes on from the newest one, in *header and *epoch, which has the rest already. */
MUST_CHECK int store_number(struct store *s, u32 history, struct ckpt_header *header, struct ckpt_epoch *epoch);

/* A tree of the new epoch doesn't have these blocks of the one before, and no other tree has them. */
void store_replaced(struct store *s, u32 first, u32 count);

/* All blocks have been put out, the record area, `header` says where, too: who asks for the image's newest epoch from
 * here on gets this one. waits: the caller makes it durable before it lets others go on. */
MUST_CHECK int store_finish(struct store *s, struct ckpt_header *header, bool waits);

/* Others may write the next epoch. */
void store_leave(struct store *s);

/* Wait until the blocks of an epoch that is written have arrived. Its pages must stay as they are until then. */
void store_await_blocks(struct store *s);

/* Make it durable: before that it isn't in the file. lingers: others have a moment to add theirs. -EIO, -ENOMEM: and it
 * won't be. */
MUST_CHECK int store_commit(struct store *s, bool lingers);

/* After that: is the file much longer than it has to be? */
bool store_is_long(struct store *s);

/* Cut it to where its last block in use is, unless somebody is going on with it, who will then, or has written
 * something else to it. */
void store_trim(struct store *s);
