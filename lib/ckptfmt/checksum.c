// The checksum of a page.

#include <base/byteorder.h>
#include <base/crc32c.h>
#include <ckptfmt/ckptfmt.h>

#define WORDS (CKPT_BLOCK_SIZE / 4)

// Fletcher's two sums, of 32-bit words and without any modulus: the second, of at most WORDS * (WORDS + 1) / 2 words,
// needs 52 bits. So whatever changes in one word or two changes the sums. A processor adds much faster than it divides
// polynomials, an emulated one above all: the CRC is left for the sums alone.
static u32 page_sum(const u8 *page)
{
    u64 sum = 0, weighted = 0;
    u8 sums[16];

#pragma unroll 16
    for (const u8 *end = page + CKPT_BLOCK_SIZE; page < end; page += 4) {
        sum += le32(page);
        weighted += sum;
    }
    put_le64(sums, sum);
    put_le64(sums + 8, weighted);
    return crc32c(0, sums, sizeof sums);
}

_Static_assert(((u64)WORDS * (WORDS + 1) / 2) >> 32 == 0, "the weighted sum fits");

u32 ckpt_page_checksum(u32 features, const u8 page[CKPT_BLOCK_SIZE])
{
    return features & CKPT_FEATURE_SUMS ? page_sum(page) : crc32c(0, page, CKPT_BLOCK_SIZE);
}
