// primes: how many primes there are up to LIMIT, and the largest. -p: all of them.
//
// A sieve in segments: a byte for each odd number of the segment; the primes up to the root of LIMIT cross out their
// multiples.
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT 32768  // odd numbers in a segment

// The odd primes that cross out, each with its next multiple.
struct divisor {
    uint32_t prime;
    uint64_t next;
};

static struct divisor *divisors;
static size_t divisor_count;
static uint64_t found, largest;
static bool show;

static void divisors_find(uint64_t limit)
{
    uint32_t root = 1;

    while ((uint64_t)(root + 1) * (root + 1) <= limit)
        root++;
    bool *crossed = calloc(root + 1, 1);
    divisors = calloc(root / 2 + 1, sizeof(*divisors));
    if (!crossed || !divisors)
        err(1, "memory");
    for (uint32_t n = 3; n <= root; n += 2) {
        if (crossed[n])
            continue;
        divisors[divisor_count++] = (struct divisor){ n, (uint64_t)n * n };
        for (uint64_t m = (uint64_t)n * n; m <= root; m += n)
            crossed[m] = true;
    }
    free(crossed);
}

static void prime(uint64_t n)
{
    found++;
    largest = n;
    if (show)
        printf("%llu\n", n);
}

// The odd numbers of [low, low + 2 * SEGMENT), low odd, up to limit.
static void segment_sieve(uint64_t low, uint64_t limit)
{
    static uint8_t crossed[SEGMENT];
    uint64_t end = low + 2 * SEGMENT;

    memset(crossed, 0, sizeof(crossed));
    for (size_t i = 0; i < divisor_count && divisors[i].next < end; i++) {
        uint32_t at = (uint32_t)((divisors[i].next - low) / 2), step = divisors[i].prime;
        for (; at < SEGMENT; at += step)
            crossed[at] = 1;
        divisors[i].next = low + (uint64_t)at * 2;
    }
    for (uint32_t i = 0; i < SEGMENT && low + 2 * i <= limit; i++)
        if (!crossed[i])
            prime(low + 2 * i);
}

int main(int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "p")) != -1) {
        if (letter == '?')
            usage("primes [-p] [LIMIT]");
        show = true;
    }
    uint64_t limit = optind < argc ? strtoull(argv[optind], NULL, 10) : 1000000;
    if (limit > 1000000000000ull)
        errx(2, "LIMIT is at most 10^12");
    divisors_find(limit);
    if (limit >= 2)
        prime(2);
    for (uint64_t low = 3; low <= limit; low += 2 * SEGMENT)
        segment_sieve(low, limit);
    if (!show)
        printf("%llu primes up to %llu, the largest is %llu\n", found, limit, largest);
    return 0;
}
