// Image files in use: who writes epochs into one, and which epochs are being restored from.
#pragma once

#include "commit.h"
#include <fs/inode.h>

struct image_use;

/* What the kernel knows of that file; one for all who ask. -ENOMEM. */
MUST_CHECK int image_use_get(u64 ino, u64 generation, struct image_use **out);
void image_use_put(struct image_use *use);

/* One at a time writes epochs, or chooses one to restore. -EINTR. Whoever unlocks need not be the thread that locked.
 */
MUST_CHECK int image_use_lock(struct image_use *use);
bool image_use_trylock(struct image_use *use);  // false: somebody does
void image_use_unlock(struct image_use *use);

/* What becomes of the epochs that are written into it. */
struct commit *image_use_commit(struct image_use *use);

/* As long as an epoch is pinned, it is kept. -ENOMEM. Pin it while the use is locked. */
struct image_pin;
MUST_CHECK int image_pin(struct image_use *use, u64 epoch, struct image_pin **out);
void image_unpin(struct image_pin *pin);

/* The oldest epoch that is pinned; UINT64_MAX: none is. */
u64 image_oldest_pin(struct image_use *use);
