// Spare blocks of an image file: those that no kept epoch uses.
#pragma once

#include "image.h"

struct spare;

/* A map that knows of no spare ones below `blocks`; NULL: no memory. */
MUST_CHECK struct spare *spare_create(u32 blocks);

/* Find out what is spare: reads the tree nodes of all epochs that the image's newest header keeps. -ENOMEM, and
 * image_errno()'s; says what is wrong with the image. */
MUST_CHECK int spare_find(struct image *image, struct spare **out);

void spare_destroy(struct spare *s);  // NULL is fine

/* Take `count` blocks together, from where they fit best: how many; 0: there aren't so many. Looks at the whole map. */
u32 spare_take_best(struct spare *s, u32 count, u32 *first);

/* Take a run of at most `most` and at least `least` blocks: how many; 0: there is none. */
u32 spare_take(struct spare *s, u32 least, u32 most, u32 *first);

void spare_give_back(struct spare *s, u32 first, u32 count);

u32 spare_count(const struct spare *s);

/* Blocks that are spare, or that may be without being known to be. */
u32 spare_unused(const struct spare *s);

/* Does it lack what is wanted, and may there be so many that it doesn't know of that it's worth to look again? */
bool spare_is_stale(const struct spare *s, u64 wanted);

/* Does the map tell of all the file's blocks? Then every one from spare_end() on is spare: the file may end there. */
bool spare_tells_of(const struct spare *s, u64 blocks);
u32 spare_end(const struct spare *s);

/* From now on: note blocks of the epoch before that the new one doesn't use. Each must be in no tree of the new one. */
void spare_note(struct spare *s);
void spare_replaced(struct spare *s, u32 first, u32 count);

/* The new epoch is written; the file's blocks, `blocks` of them, are in use, those but that were known to be spare.
 * branches: it doesn't go on from the one before it. False: no memory, the map is of no use any more. */
MUST_CHECK bool spare_publish(struct spare *s, u64 epoch, bool branches, u32 blocks);

/* No epoch older than that one is kept any more, durably: what newer ones have replaced is spare. */
void spare_dropped(struct spare *s, u64 oldest);

/* How many frames it takes, about; s NULL: none. */
u32 spare_frames(const struct spare *s);
