// Changes a sparse file: one field of a piece, or the piece is moved, doubled or dropped.
#include "fuzz.h"
#include <base/byteorder.h>
#include <base/string.h>

#define PIECE_HEAD 4
#define WORD       8

static u64 random_state;

static u64 draw(u64 below)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (random_state >> 33) % below;
}

// Any piece, with the same chance for each; false: there is none.
static bool choose(u8 *data, size_t size, struct sparse_piece *chosen)
{
    struct sparse_piece p;
    struct sparse s;
    u64 n = 0;

    sparse_begin(&s, data, size);
    while (sparse_next(&s, &p))
        if (p.size && draw(++n) == 0)
            *chosen = p;
    return n > 0;
}

static u64 telling_value(u64 now)
{
    static const u64 values[] = { 0,          1,          2,       3,          0x7f,          0xff,       0x1000,
                                  0x7fffffff, 0x80000000, ~0u,     1ull << 32, 1ull << 51,    1ull << 63, ~0ull,
                                  0xfff,      0x1001,     4 << 10, 0xffff,     INT64_MAX - 1, 512,        500 };

    switch (draw(5)) {
    case 0:
        return now + 1;
    case 1:
        return now - 1;
    case 2:
        return now ^ 1ull << draw(64);
    case 3:
        return draw(64);
    default:
        return values[draw(ARRAY_SIZE(values))];
    }
}

static void change_field(u8 *data, const struct sparse_piece *p)
{
    u32 width = 1u << draw(4);
    u8 field[8] = { 0 };

    if (p->size < width)
        return;
    u8 *at = data + (p->bytes - data) + draw(p->size / width) * width;
    memcpy(field, at, width);
    put_le64(field, telling_value(le64(field)));
    memcpy(at, field, width);
}

static size_t drop(u8 *data, size_t size, const struct sparse_piece *p)
{
    const u8 *from = p->bytes + p->size;
    u8 *to = data + (p->bytes - data) - PIECE_HEAD;

    memmove(to, from, (size_t)(data + size - from));
    return size - p->size - PIECE_HEAD;
}

// The same bytes once more, somewhere near.
static size_t repeat(u8 *data, size_t size, size_t max_size, const struct sparse_piece *p)
{
    if (size + PIECE_HEAD + p->size > max_size)
        return size;
    u32 word = (u32)(p->offset / WORD + draw(1024) - 512) & 0xffffff;
    u8 copy[256];
    memcpy(copy, p->bytes, p->size);
    put_le32(data + size, word | p->size << 24);
    memcpy(data + size + PIECE_HEAD, copy, p->size);
    return size + PIECE_HEAD + p->size;
}

// One number where there was none: near a piece.
static size_t add_number(u8 *data, size_t size, size_t max_size, const struct sparse_piece *p)
{
    if (size + PIECE_HEAD + WORD > max_size)
        return size;
    u32 word = (u32)(p->offset / WORD + draw(64) - 16) & 0xffffff;
    put_le32(data + size, word | WORD << 24);
    put_le64(data + size + PIECE_HEAD, telling_value(0));
    return size + PIECE_HEAD + WORD;
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned seed)
{
    struct sparse_piece p;

    random_state = seed;
    if (draw(4) == 0 || !choose(data, size, &p))
        return LLVMFuzzerMutate(data, size, max_size);
    switch (draw(12)) {
    case 0:
        return drop(data, size, &p);
    case 1:
        return repeat(data, size, max_size, &p);
    case 2:
    case 3:
        return add_number(data, size, max_size, &p);
    case 4:
        put_le32(data + (p.bytes - data) - PIECE_HEAD,
                 (u32)((p.offset / WORD + draw(16) - 8) & 0xffffff) | p.size << 24);
        return size;
    default:
        change_field(data, &p);
        return size;
    }
}
