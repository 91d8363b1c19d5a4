// Epoch: a snapshot on its way into a store.
#pragma once

#include "collect.h"
#include "pages.h"
#include "store.h"

struct content {
    u32 file;  // its place in the snapshot's files
    u64 size;
    struct ckpt_tree tree;
};

// What a process still shares with its parent is written once: the pages are in the parent's tree.
struct kin {
    struct vmspace *space;  // the parent's; NULL: its tree isn't there
    bool readable;          // its tree has been written
    struct ckpt_source source;
    int read_error;             // why the last read failed
    struct ckpt_lookup lookup;  // of its tree
};

// The record area, in memory until it is whole.
struct area {
    struct frame **frames;
    u32 count, room;
    u64 size;
    u32 digest;
};

struct epoch {
    struct store *store;
    struct snapshot *snap;
    u32 history;
    struct base *base;  // NULL: there is none
    struct ckpt_epoch e;
    struct ckpt_header header;
    struct ckpt_tree *trees;  // by member
    u32 space_count;
    struct content *contents;
    u32 content_count;
    struct kin *kin;  // NULL: there is one space, or no memory
    struct area area;
    _Atomic u32 *looked_at;   // pages, for who watches
    _Atomic bool *cancelled;  // stop with -EINTR
    u32 pages_due;
    u64 rest_due;  // blocks that aren't pages, about
    int err;       // why emit() failed

    // From here on: large, and not zeroed.
    struct pages pages;
    struct ckpt_builder builder;
    u8 record[CKPT_RECORD_MAX];
};

/* The last two are the caller's and stay while the epoch does. */
MUST_CHECK int epoch_create(struct store *store, _Atomic u32 *looked_at, _Atomic bool *cancelled, struct epoch **out);
void epoch_destroy(struct epoch *x);

/* Do contents of files travel in the image? They are saved by epoch_begin(), while the processes stand still. */
bool epoch_carries(const struct snapshot *snap, u32 flags);

/* What there is to write. */
void epoch_describe(struct epoch *x, struct snapshot *snap);

/* Does that take so short that to have it done by a thread would take as long? Then it waits for no flush, either. */
bool epoch_is_small(const struct epoch *x);

/* Begin to write, with the contents of the files that go along. */
MUST_CHECK int epoch_begin(struct epoch *x, const struct ckpt_save_args *args);

/* The rest. It is for store_commit() to make it durable; waits: that comes before epoch_leave(). */
MUST_CHECK int epoch_write(struct epoch *x, bool waits);

/* From now on what changes is counted from this epoch, and others may go on from it. If it doesn't become durable after
 * this, the next one is a whole one. */
void epoch_leave(struct epoch *x);

// Inside: contents.c, pages.c, records.c.

/* Save the contents of file number `file` as the next content. */
MUST_CHECK int epoch_content(struct epoch *x, u32 file);

/* Put out pages that are numbered one after the other, CHUNK_PAGES at most, and enter their places in the tree that is
 * being built. */
MUST_CHECK int epoch_pages(struct epoch *x, u64 index, u32 count, struct frame *const *frames, const u32 *crc);

/* Enter those of pages that stand in the image already; block 0 (crc 0): of none. */
MUST_CHECK int epoch_placed_pages(struct epoch *x, u64 index, u32 count, const u32 *block, const u32 *crc);

/* There is no such page. */
MUST_CHECK int epoch_no_page(struct epoch *x, u64 index);

/* Begin a tree, over that of the base (NULL: none), and end it. */
void epoch_tree_begin(struct epoch *x, const struct ckpt_tree *base);
MUST_CHECK int epoch_tree_end(struct epoch *x, struct ckpt_tree *tree);

/* All records, into x->area. */
MUST_CHECK int epoch_records(struct epoch *x);
