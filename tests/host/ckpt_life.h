// The life of a family that is saved again and again: it changes, is saved to one of two names, goes back to an older
// epoch, forks; its image is replaced, removed, pinned. After every step the model agrees with the file.
#pragma once

#include "ckpt_book.h"

#define UNWAITED_MAX 8

struct life {
    struct household h;
    // What it was restored from and still needs. NULL: nothing.
    struct image_pin *pin;
    struct inode *pinned;
    u64 pinned_epoch;
    // Saves that nobody has waited for yet.
    u64 unwaited[UNWAITED_MAX];  // their numbers
    u32 unwaited_count;
};

// How a save goes.
struct plan {
    u32 flags, history;
    u32 cancel_after;  // NEVER_CANCEL, or so many thread switches
    bool faulty;       // it may fail in any way
};
#define NEVER_CANCEL UINT32_MAX

// What the last save did.
struct outcome {
    int err;
    bool continued;
    u32 used;    // blocks that all kept epochs use
    u64 blocks;  // below which they lie
    u64 file_blocks;
    u32 flushes;
    u64 pages_written;
};

/* Once: from now on there are workers. */
void life_prepare(void);

void life_begin(struct life *l, int pid);
void life_end(struct life *l);

struct plan plan_random(void);

/* Save it to the name and check what is there afterwards. */
void life_save(struct life *l, struct book *b, const struct plan *plan, struct outcome *out);

/* Save it to the name's image, from which it goes on, without waiting; up to UNWAITED_MAX times. */
void life_save_unwaited(struct life *l, struct book *b, const struct plan *plan);

/* Begin a save that is cancelled from the start. */
void life_give_up(struct life *l, struct book *b, const struct plan *plan);

/* Wait for all of them, one after the other, and check what is there then. Returns how often the disk was flushed since
 * the first one. */
u32 life_await(struct life *l, struct book *b);

/* Go back to some epoch that the name's image keeps. */
void life_restore(struct life *l, struct book *b);

/* Let go of what it was restored from. */
void life_unpin(struct life *l);

/* It writes to its files. */
void life_write(struct life *l);

/* One of everything else that may happen to it between two saves, to it and to the name's file. */
void life_step(struct life *l, struct book *b);

/* The last save failed in such a way that its epoch may have become durable nonetheless: look, and take it as it is. */
void life_settle(struct book *b);

/* Is the name's file what the model says? */
void life_check(struct book *b, struct outcome *out);
