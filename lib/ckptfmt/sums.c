// The sums of a page, word by word.
//
// They are Fletcher's two, of 32-bit words and without any modulus: the second, of at most WORDS * (WORDS + 1) / 2
// words, needs 52 bits. So whatever changes in one word or two changes the sums.
//
// Processors of 32 bits carry over slowly, emulated ones above all. So nothing is carried: within a block the sums are
// taken modulo 2^32, and those of the words' upper halves apart. What these leave of the whole sum is that of the lower
// halves, which is less than 2^32.
#include <base/byteorder.h>
#include <ckptfmt/ckptfmt.h>

#define WORDS         (CKPT_BLOCK_SIZE / 4)
#define BLOCK         256  // words
#define STEP          16   // words that are added without a look at where the block ends

#define RISING(words) ((u64)(words) * ((words) + 1) / 2)

_Static_assert(RISING(WORDS) >> 32 == 0, "the weighted sum fits");
_Static_assert((RISING(BLOCK) * 0xffff) >> 32 == 0, "the halves' sums fit");
_Static_assert(WORDS % BLOCK == 0 && BLOCK % STEP == 0, "a page is whole blocks, a block whole steps");

struct sums {
    u64 plain, rising;
};

// The sum whose upper halves have the sum `high`, and which is `low` modulo 2^32.
static u64 whole(u32 low, u32 high)
{
    u64 upper = (u64)high << 16;

    return upper + (u32)(low - (u32)upper);
}

// The compiler is to count with the address alone: one of its own making for each word doesn't fit into the registers.
static inline const u8 *counted_with(const u8 *at)
{
    __asm__("" : "+r"(at));
    return at;
}

// And it is to load both before it adds one: at each load an emulator puts its registers in order.
static inline void both_loaded(u32 *a, u32 *b)
{
    __asm__("" : "+r"(*a), "+r"(*b));
}

static struct sums sum_block(const u8 *at)
{
    u32 plain = 0, rising = 0, high = 0, rising_high = 0;

    for (const u8 *end = at + 4 * BLOCK; at < end; at += 4 * STEP) {
        at = counted_with(at);
#pragma clang loop unroll(full)
        for (u32 i = 0; i < STEP; i += 2) {
            u32 word = le32(at + 4 * i), next = le32(at + 4 * i + 4);
            both_loaded(&word, &next);
            rising += plain += word;
            rising += plain += next;
            rising_high += high += word >> 16;
            rising_high += high += next >> 16;
        }
    }
    return (struct sums){ whole(plain, high), whole(rising, rising_high) };
}

// An emulator goes on slowly from one page of code to the next: the loop stays within one.
__attribute__((aligned(512))) void ckpt_page_sums(const u8 page[CKPT_BLOCK_SIZE], u64 *sum, u64 *weighted)
{
    struct sums all = { 0, 0 };

    for (u32 at = 0; at < CKPT_BLOCK_SIZE; at += 4 * BLOCK) {
        struct sums block = sum_block(page + at);
        all.rising += BLOCK * all.plain + block.rising;
        all.plain += block.plain;
    }
    *sum = all.plain;
    *weighted = all.rising;
}
