// Read-ahead: pages of an image that will be wanted soon are read and checked by others, while who wants them works on
// those before.
#pragma once

#include <base/types.h>
#include <kern/annotate.h>

struct frame;

// The pages from `first` on, at most `want` of them: frames with a reference, checked; NULL: a page of zeros. Fewer, or
// none, is fine.
typedef u32 ahead_fetch(void *ctx, u64 first, u32 want, struct frame **out);

struct ahead;

/* fetch(ctx, …) is called by several threads at a time. -ENOMEM. */
MUST_CHECK int ahead_create(ahead_fetch *fetch, void *ctx, struct ahead **out);

/* Waits for fetch() to return. NULL is fine. */
void ahead_destroy(struct ahead *a);

/*
 * Take at most `most` pages from `index` on, if they were asked for; waits for them. Returns how many; 0: they weren't,
 * or couldn't be had. The pages that follow what was asked for are asked for next.
 */
u32 ahead_take(struct ahead *a, u64 index, u32 most, struct frame **out);

/* The pages from `index` on will be wanted, and those before were not. */
void ahead_ask(struct ahead *a, u64 index);
