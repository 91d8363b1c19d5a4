// The sums of a page, word by word.
//
// They are Fletcher's two, of 32-bit words and without any modulus: the second, of at most WORDS * (WORDS + 1) / 2
// words, needs 52 bits. So whatever changes in one word or two changes the sums.
#include <base/byteorder.h>
#include <ckptfmt/ckptfmt.h>

#define WORDS (CKPT_BLOCK_SIZE / 4)

_Static_assert(((u64)WORDS * (WORDS + 1) / 2) >> 32 == 0, "the weighted sum fits");

void ckpt_page_sums(const u8 page[CKPT_BLOCK_SIZE], u64 *sum, u64 *weighted)
{
    u64 plain = 0, rising = 0;

#pragma unroll 16
    for (const u8 *end = page + CKPT_BLOCK_SIZE; page < end; page += 4) {
        plain += le32(page);
        rising += plain;
    }
    *sum = plain;
    *weighted = rising;
}
