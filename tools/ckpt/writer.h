// Writes a new image: pages first, in any order, then its epochs, oldest first.
//
// It is written beside the file that it shall become, verified as a whole, and only then given its name: what isn't
// sound, or isn't finished, never gets there. Nodes of page trees that are alike are written once.
#pragma once

#include <ckpt/epoch.h>

struct writer;

/* NULL: a message was printed. `force`: a file of that name is replaced. */
struct writer *writer_create(const char *path, bool force);

/* Append a page; *block becomes its place. False: a message was printed. */
MUST_CHECK bool writer_page(struct writer *w, const u8 bytes[CKPT_BLOCK_SIZE], u32 *block);

/*
 * Append an epoch whose pages have been written: place[b] is where the page that e calls block b is now. e->info's
 * number, parent and figures are taken over; the way to the epoch before, and how many are kept, are the writer's.
 */
MUST_CHECK bool writer_epoch(struct writer *w, const struct epoch *e, const u32 *place);

/* Write the header, verify, give it its name. False: a message was printed, and there is no new file. */
MUST_CHECK bool writer_finish(struct writer *w);

/* Let go of it; unfinished, it's gone. */
void writer_release(struct writer *w);
