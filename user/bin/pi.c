// pi: the digits of pi, 50 a line, as they are found. Each one takes longer than the one before.
//
// The method is the unbounded spigot of J. Gibbons (American Mathematical Monthly 113, 2006) on the series
//     pi = 2 + 1/3 (2 + 2/5 (2 + 3/7 (2 + ...
// What has been read of the series is a function x -> (q x + r) / t, and the rest of it is a number between 3 and 4.
// With s = 3 q + r, which is never negative, pi lies between s / t and (s + q) / t. When both begin with the same
// digit, it is the next one.
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_DIGITS 50

// A whole number of any size, least word first.
struct big {
    uint32_t *word;
    size_t count, room;
};

static void big_append(struct big *b, uint32_t word)
{
    if (b->count == b->room) {
        b->room = b->room ? b->room * 2 : 16;
        b->word = realloc(b->word, b->room * sizeof(uint32_t));
        if (!b->word)
            err(1, "memory");
    }
    b->word[b->count++] = word;
}

static void big_append_carry(struct big *b, uint64_t carry)
{
    for (; carry; carry >>= 32)
        big_append(b, (uint32_t)carry);
}

// b = b * by
static void big_scale(struct big *b, uint32_t by)
{
    uint64_t carry = 0;

    for (size_t i = 0; i < b->count; i++) {
        carry += (uint64_t)b->word[i] * by;
        b->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    big_append_carry(b, carry);
}

// b = b * by + a * times; both factors are below 2^31, so that the carry fits.
static void big_scale_add(struct big *b, uint32_t by, const struct big *a, uint32_t times)
{
    uint64_t carry = 0;

    while (b->count < a->count)
        big_append(b, 0);
    for (size_t i = 0; i < b->count; i++) {
        carry += (uint64_t)b->word[i] * by;
        if (i < a->count)
            carry += (uint64_t)a->word[i] * times;
        b->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    big_append_carry(b, carry);
}

// b = 10 * (b - a * times), which is not negative.
static void big_subtract_shift(struct big *b, const struct big *a, uint32_t times)
{
    uint64_t carry = 0, product = 0;
    int64_t difference = 0;

    for (size_t i = 0; i < b->count; i++) {
        if (i < a->count)
            product += (uint64_t)a->word[i] * times;
        difference += (int64_t)b->word[i] - (uint32_t)product;
        carry += (uint64_t)(uint32_t)difference * 10;
        b->word[i] = (uint32_t)carry;
        product >>= 32;
        difference >>= 32;
        carry >>= 32;
    }
    big_append_carry(b, carry);
    while (b->count && !b->word[b->count - 1])
        b->count--;
}

// The value of b, where word number `unit` counts as whole.
static double big_ratio(const struct big *b, size_t unit)
{
    double value = 0, weight = 1;

    if (b->count > unit + 1)
        return 1e30;  // out of sight: the caller looks for numbers below 10
    for (size_t i = unit + 1; i-- > 0 && i + 4 > unit; weight /= 4294967296.0)
        if (i < b->count)
            value += b->word[i] * weight;
    return value;
}

static struct big q, s, t;

// Is the next digit known? Near the borders between digits the machine's fractions are not trusted, and more of the
// series is read. (That would never end at twelve 0s or 9s in a row: none are known in the first 10^11 digits.)
static bool next_digit(uint32_t *digit)
{
    const double margin = 1e-12;
    double unit = big_ratio(&t, t.count - 1);
    double low = big_ratio(&s, t.count - 1) / unit, high = low + big_ratio(&q, t.count - 1) / unit;

    if (high >= 10)
        return false;
    *digit = (uint32_t)low;
    return low - *digit > margin && high - *digit < 1 - margin;
}

static void read_term(uint32_t k)
{
    big_scale_add(&s, 2 * k + 1, &q, k - 1);
    big_scale(&q, k);
    big_scale(&t, 2 * k + 1);
}

static void print_digits(long wanted)
{
    uint32_t digit;
    long printed = -1;  // the 3 does not count

    for (uint32_t k = 1; printed < wanted; k++) {
        read_term(k);
        while (printed < wanted && next_digit(&digit)) {
            if (++printed == 0)
                printf("3.\n");
            else
                putchar((int)('0' + digit));
            if (printed && (printed % LINE_DIGITS == 0 || printed == wanted))
                putchar('\n');
            if (printed % LINE_DIGITS == 0)
                fflush(stdout);
            big_subtract_shift(&s, &t, digit);
            big_scale(&q, 10);
        }
    }
}

int main(int argc, char **argv)
{
    char *end = "";
    long wanted = argc > 1 ? strtol(argv[1], &end, 10) : 1000;

    if (argc > 2 || wanted < 0 || *end)
        usage("pi [DIGITS]");
    big_append(&q, 1);
    big_append(&s, 3);
    big_append(&t, 1);
    print_digits(wanted);
    return 0;
}
