// CRC-32C by tables, sixteen bytes a step (slicing, after Kounavis and Berry, 2005). The tables are made at first use.
//
// The processor's instruction for it (SSE4.2) is not used: emulated, it is a loop over bits, much slower than tables.
#include <base/byteorder.h>
#include <base/crc32c.h>

#define POLYNOMIAL 0x82f63b78u  // Castagnoli's, bits reversed

#define SLICES     16

static u32 table[SLICES][256];
static _Atomic bool table_ready;

// Threads that meet here together write the same values.
static void table_make(void)
{
    for (u32 byte = 0; byte < 256; byte++) {
        u32 crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        table[0][byte] = crc;
    }
    for (int slice = 1; slice < SLICES; slice++)
        for (u32 byte = 0; byte < 256; byte++)
            table[slice][byte] = table[0][table[slice - 1][byte] & 0xff] ^ table[slice - 1][byte] >> 8;
    table_ready = true;
}

// What four bytes do to the result, the first of them `3 + distance` bytes before the end of a step.
static inline u32 slice(u32 word, unsigned distance)
{
    u32 upper = word >> 16;

    return table[distance + 3][word & 0xff] ^ table[distance + 2][word >> 8 & 0xff] ^
           table[distance + 1][upper & 0xff] ^ table[distance][upper >> 8];
}

u32 crc32c(u32 crc, const void *bytes, size_t n)
{
    const u8 *p = bytes;

    if (!table_ready)
        table_make();
    crc = ~crc;
    for (; n >= SLICES; n -= SLICES, p += SLICES)
        crc = slice(crc ^ le32(p), 12) ^ slice(le32(p + 4), 8) ^ slice(le32(p + 8), 4) ^ slice(le32(p + 12), 0);
    for (; n; n--, p++)
        crc = table[0][(crc ^ *p) & 0xff] ^ crc >> 8;
    return ~crc;
}
