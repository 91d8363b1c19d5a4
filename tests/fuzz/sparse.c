// Sparse files: reading them.
#include "fuzz.h"
#include <base/byteorder.h>
#include <base/string.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE_HEAD 4
#define WORD       8

void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    abort();
}

void sparse_begin(struct sparse *s, const u8 *data, size_t size)
{
    s->at = data + MIN(size, (size_t)SPARSE_HEAD);
    s->end = data + size;
}

bool sparse_next(struct sparse *s, struct sparse_piece *piece)
{
    if (s->end - s->at < PIECE_HEAD)
        return false;
    u32 word = le32(s->at);
    size_t left = (size_t)(s->end - s->at) - PIECE_HEAD;
    piece->offset = (u64)(word & 0xffffff) * WORD;
    piece->size = (u32)MIN((size_t)(word >> 24), left);
    piece->bytes = s->at + PIECE_HEAD;
    s->at = piece->bytes + piece->size;
    return true;
}

size_t sparse_expand(const u8 *data, size_t size, u8 *to, size_t room)
{
    struct sparse_piece p;
    struct sparse s;
    size_t end = 0;

    sparse_begin(&s, data, size);
    while (sparse_next(&s, &p)) {
        if (p.offset > room || p.size > room - p.offset)
            continue;
        memcpy(to + p.offset, p.bytes, p.size);
        end = MAX(end, (size_t)p.offset + p.size);
    }
    return end;
}
