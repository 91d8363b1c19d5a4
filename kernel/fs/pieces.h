// Walking over a list of pieces. Private to fs.
#pragma once

#include <base/piece.h>

struct walk {
    const struct piece *piece;
    u32 left;    // pieces, the current one included
    u32 offset;  // in the current one
};

static inline void walk_init(struct walk *w, const struct piece *pieces, u32 count)
{
    *w = (struct walk){ .piece = pieces, .left = count };
}

/* How many bytes all pieces have. */
size_t pieces_size(const struct piece *pieces, u32 count);

/* Move n bytes between memory and the pieces, which have at least so many left. */
void walk_to_memory(struct walk *w, void *to, size_t n);
void walk_from_memory(struct walk *w, const void *from, size_t n);  // from NULL: zeros
