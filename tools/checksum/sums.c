// The sums of a page for the host's tools, eight words at a time: in place of lib/ckptfmt/sums.c, which is made for
// processors that add one after the other.
//
// Lane j adds up words j, j + LANES, ...: plain[j] is their sum, rising[j] the sum of what plain[j] was after each. Of
// n words the i-th counts n - i times in the page's weighted sum; with i = LANES * k + j that is LANES * (n / LANES -
// k) times, as LANES * rising[j] has it, less j times.
#include <base/string.h>
#include <ckptfmt/ckptfmt.h>

#define LANES 8

typedef u32 words __attribute__((vector_size(4 * LANES)));
typedef u64 sums __attribute__((vector_size(8 * LANES)));

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as they lie in the page");

void ckpt_page_sums(const u8 page[CKPT_BLOCK_SIZE], u64 *sum, u64 *weighted)
{
    sums plain = {}, rising = {};

    for (const u8 *at = page; at < page + CKPT_BLOCK_SIZE; at += sizeof(words)) {
        words w;
        memcpy(&w, at, sizeof w);
        plain += __builtin_convertvector(w, sums);
        rising += plain;
    }
    *sum = *weighted = 0;
    for (u32 j = 0; j < LANES; j++) {
        *sum += plain[j];
        *weighted += LANES * rising[j] - j * plain[j];
    }
}
