// Memo: what is remembered of an image between two epochs.
#pragma once

#include "base.h"
#include "recent.h"
#include "spare.h"

// Which state of which file it is of.
struct memo_key {
    u64 ino, generation, epoch;
    u32 digest;
};

struct memo {
    struct memo_key key;
    u64 changes;            // of the file, when its slots were remembered, too; 0: they weren't
    struct spare *spare;    // NULL: what is spare isn't known
    struct recent *recent;  // NULL: no memory
    struct base *base;      // for the next epoch; NULL: no memory
};

MUST_CHECK struct memo *memo_create(void);  // NULL: no memory
void memo_destroy(struct memo *m);          // NULL is fine

/* Keep it for the next epoch: a few are kept, and let go when memory is short. Takes *m. */
void memo_keep(struct memo *m, const struct memo_key *key);

/* That of a file, of whatever state, which is the caller's now; NULL: there is none. */
struct memo *memo_recall(u64 ino, u64 generation);

void memo_init(void);
