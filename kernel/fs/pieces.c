// Lists of pieces.
#include "pieces.h"
#include <base/string.h>

size_t pieces_size(const struct piece *pieces, u32 count)
{
    size_t n = 0;

    for (u32 k = 0; k < count; k++)
        n += pieces[k].size;
    return n;
}

// The next contiguous part, of at most `max` bytes; *n is its size.
static void *advance(struct walk *w, size_t max, size_t *n)
{
    while (w->offset == w->piece->size) {
        w->piece++;
        w->left--;
        w->offset = 0;
    }
    void *at = (char *)w->piece->data + w->offset;
    *n = MIN(max, w->piece->size - w->offset);
    w->offset += (u32)*n;
    return at;
}

void walk_to_memory(struct walk *w, void *to, size_t n)
{
    for (size_t part; n > 0; n -= part) {
        const void *from = advance(w, n, &part);
        memcpy(to, from, part);
        to = (char *)to + part;
    }
}

void walk_from_memory(struct walk *w, const void *from, size_t n)
{
    for (size_t part; n > 0; n -= part) {
        void *to = advance(w, n, &part);
        if (from) {
            memcpy(to, from, part);
            from = (const char *)from + part;
        } else {
            memset(to, 0, part);
        }
    }
}
