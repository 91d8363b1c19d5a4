// Recent: blocks of an image that were written lately and will be read for the next epoch: tree nodes and records.
#pragma once

#include <mm/frame.h>

struct recent;

MUST_CHECK struct recent *recent_create(void);  // NULL: no memory
void recent_destroy(struct recent *r);          // NULL is fine

/* The frame's bytes stand in that block; a reference is taken, and the bytes must not change. An older block may have
 * to go for it. */
void recent_put(struct recent *r, u32 block, struct frame *frame);

/* These blocks get other bytes. */
void recent_forget(struct recent *r, u32 first, u32 count);

/* Read from the file's offset on, if all of that is here; r NULL: it isn't. */
bool recent_read(const struct recent *r, u64 offset, void *buf, size_t n);

/* How many frames are held; r NULL: none. */
u32 recent_count(const struct recent *r);
