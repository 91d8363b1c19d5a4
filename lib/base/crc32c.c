// CRC-32C by tables, eight bytes a step ("slicing by 8": Kounavis and Berry, 2005). The tables are made at first use.
#include <base/byteorder.h>
#include <base/crc32c.h>

#define POLYNOMIAL 0x82f63b78u  // Castagnoli's, bits reversed

static u32 table[8][256];
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
    for (int slice = 1; slice < 8; slice++)
        for (u32 byte = 0; byte < 256; byte++)
            table[slice][byte] = table[0][table[slice - 1][byte] & 0xff] ^ table[slice - 1][byte] >> 8;
    table_ready = true;
}

u32 crc32c(u32 crc, const void *bytes, size_t n)
{
    const u8 *p = bytes;

    if (!table_ready)
        table_make();
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        u32 low = crc ^ le32(p), high = le32(p + 4);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^
              table[3][high & 0xff] ^ table[2][high >> 8 & 0xff] ^ table[1][high >> 16 & 0xff] ^ table[0][high >> 24];
    }
    for (; n; n--, p++)
        crc = table[0][(crc ^ *p) & 0xff] ^ crc >> 8;
    return ~crc;
}
