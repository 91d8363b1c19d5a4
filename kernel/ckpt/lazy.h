// Memory that comes out of an image when it is touched, or all at once.
#pragma once

#include "plan.h"
#include "use.h"
#include <mm/vmspace.h>

// An image that processes are being restored from, or may still need. As long as it lives the file can't be opened for
// writing, and the epoch is kept.
struct source;

/* Takes over the pin. *source has one reference. -ETXTBSY (open for writing), -ENOMEM; then the pin is gone, too. */
MUST_CHECK int source_create(struct image *image, struct image_pin *pin, struct source **out);
void source_put(struct source *source);

/* A backing that gives the pages of a tree: offsets are addresses. -ENOMEM. */
MUST_CHECK int lazy_backing(struct source *source, const struct ckpt_bounds *bounds, const struct ckpt_tree *tree,
                            struct backing **out);

/* Fetch all of a lazy backing's pages now, and put them into `space`. Says what is wrong. image_errno()'s, -ENOMEM,
 * -EINTR. */
MUST_CHECK int lazy_hurry(struct backing *b, struct vmspace *space);
