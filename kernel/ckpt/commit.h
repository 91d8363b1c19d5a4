// Commit: epochs that are written become durable, and the newest one's header is turned over for all of them.
//
// While one commit waits for the disk, more epochs can be written, each going on from the one before; the next commit
// takes them together. So an image has a durable epoch, whose header is in a slot, and maybe newer ones that only the
// kernel knows of yet: the newest one's header stands for the slots as far as their writers are concerned.
#pragma once

#include <base/list.h>
#include <ckptfmt/ckptfmt.h>
#include <mm/frame.h>
#include <sched/wait.h>

struct inode;

// What a header says.
struct turn {
    u64 epoch;
    u32 kept;     // older ones
    u32 slot;     // where it is
    u64 blocks;   // of the file, in use
    u64 changes;  // of the file, as inode_identify() counts them, when it had become durable
};

struct commit {
    struct turn durable;   // what the file says, once somebody has looked
    struct turn written;   // of the newest epoch that is written; its slot is not chosen yet
    struct frame *header;  // of that: a reference; NULL: nothing is to be made durable
    u64 failures;          // how often that was given up
    bool uncertain;        // the slot that isn't the durable one's may have the header of an epoch that failed
    bool running;
    bool several;         // epochs are in that one, or in the last one
    u64 ended_ns;         // when the last one ended
    u32 count;            // tickets, those in the commit that runs among them
    u32 waiting;          // of them, those in the next one
    u32 under_way;        // of all, those whose blocks haven't arrived
    struct list tickets;  // the next one's
    struct wait_queue changed, lingering;
};

// Who waits for an epoch to be durable.
struct ticket {
    struct list link;
    bool pending;
    bool arrived;  // its blocks are with the disk, or won't be:
    int err;
};

void commit_init(struct commit *c);  // of zeros

/* The header of the newest epoch that is written and not durable, a reference; NULL: there is none, the file's slots
 * tell of the newest. *failures: for commit_add(). */
struct frame *commit_header(struct commit *c, u64 *failures);

/* Tell what the slots say, when there is no such header. */
void commit_know(struct commit *c, const struct turn *d);

/* What is durable now. */
struct turn commit_durable(struct commit *c);

/* An epoch that goes on from the newest one is on its way to the disk; `header` is a frame with its header, which says
 * *what, but for the slot. `failures`: from before that one was looked at. -EIO: that one has failed. The image's use
 * is locked. */
MUST_CHECK int commit_add(struct commit *c, struct ticket *t, struct frame *header, const struct turn *what,
                          u64 failures);

/* Its blocks have come to the disk; err: they haven't. */
void commit_arrived(struct commit *c, struct ticket *t, int err);

/* Wait until the blocks of all epochs that were added have come to the disk, and can be read. */
void commit_await_blocks(struct commit *c);

/* Give others a moment to add theirs, if one runs or has just ended; not if the ticket's blocks have failed, since
 * others would go on from them. */
void commit_linger(struct commit *c, const struct ticket *t);

/* Wait until the epoch is durable, or isn't to be: what the disk says, -ENOMEM. file: the image's. */
MUST_CHECK int commit_wait(struct commit *c, struct ticket *t, struct inode *file);

/* Wait until at most `most` epochs are written and not durable. Returns how often commits have failed, as
 * commit_header() tells it. */
u64 commit_settle(struct commit *c, struct inode *file, u32 most);

/* False: an epoch that was reported as failed may be in the file, and its blocks must stay there. */
bool commit_is_certain(struct commit *c);

/* Is none written and not durable? */
bool commit_is_settled(struct commit *c);
