// What must be in a file system after a crash, whatever the moment: rules for the files that the storms write, images
// that are whole, everything else as it was; and what commands had reported durable.
#pragma once

#include <lib/files.h>
#include <stdio.h>

struct contents;

/*
 * Learn from the disk as it was at the beginning, and from a file of expectations, one a line:
 *
 *     FROM UNTIL WHAT PATH [VALUE]
 *
 * It holds for crashes after FROM entries of the log or more, and, unless UNTIL is 0, at most UNTIL. WHAT is one of
 * `exists`, `absent`, `size` (at least VALUE bytes), `round` (no sector is older than VALUE), `image` (not older than
 * the one that FROM entries give).
 */
struct contents *contents_create(struct image *img, const char *expectations);

/* Does an expectation begin with just so many entries? Then contents_learn() wants to see the disk that they give. */
bool contents_wants(const struct contents *c, u64 entries);
void contents_learn(struct contents *c, struct image *img, u64 entries);

/* Look at everything, after a crash at so many entries. Tells on `out` what is wrong; returns how much that is. */
u64 contents_check(struct contents *c, struct image *img, u64 entries, FILE *out);
