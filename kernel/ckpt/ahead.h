// Read-ahead: pages of an image that will be wanted soon are read and checked by a thread of the kernel's own, while
// the process works on those before.
#pragma once

#include <base/types.h>
#include <kern/annotate.h>

struct backing;
struct frame;

// The pages from `first` on, at most `want` that lie together: frames with a reference, checked. Fewer, or none, is
// fine.
typedef u32 ahead_fetch(struct backing *b, u64 first, u32 want, struct frame **out);

struct ahead;

/* For one backing, which outlives it. -ENOMEM. */
MUST_CHECK int ahead_create(struct backing *b, ahead_fetch *fetch, struct ahead **out);
void ahead_destroy(struct ahead *a);  // NULL is fine

/*
 * Take at most `most` pages from `index` on, if they were asked for; waits for them. Returns how many; 0: they weren't,
 * or couldn't be had. What lies elsewhere is thrown away. The pages that follow what was asked for are asked for next.
 */
u32 ahead_take(struct ahead *a, u64 index, u32 most, struct frame **out);

/* The pages from `index` on will be wanted. */
void ahead_ask(struct ahead *a, u64 index);

/* Start the thread. Without memory for it nothing is read ahead. */
void ahead_init(void);
