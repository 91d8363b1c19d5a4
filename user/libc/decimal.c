// Doubles and decimal digits, by whole numbers of many words: slow for extreme exponents, right for all.
//
// x = m * 2^e. For e >= 0 that is a whole number. For e < 0 it is m * 5^-e / 10^-e: again a whole number, with a
// decimal point put into it. The way back divides by powers of 5 with enough bits in front, and remembers whether
// anything was left over.
#include "decimal.h"

#include <base/types.h>
#include <string.h>

#define WORDS     180          // 800 digits, and as many bits again to divide by 5^1130
#define FIVES     13           // the largest power of 5 in 32 bits:
#define FIVES_POW 1220703125u  // 5^13

// Least word first; no zero words at the end.
struct big {
    int count;
    u32 word[WORDS];
};

static void big_trim(struct big *b)
{
    while (b->count && !b->word[b->count - 1])
        b->count--;
}

// b = b * by + add
static void big_multiply(struct big *b, u32 by, u32 add)
{
    u64 carry = add;

    for (int i = 0; i < b->count; i++) {
        carry += (u64)b->word[i] * by;
        b->word[i] = (u32)carry;
        carry >>= 32;
    }
    if (carry)
        b->word[b->count++] = (u32)carry;
}

// b = b / by; returns the rest.
static u32 big_divide(struct big *b, u32 by)
{
    u64 rest = 0;

    for (int i = b->count - 1; i >= 0; i--) {
        rest = rest << 32 | b->word[i];
        b->word[i] = (u32)(rest / by);
        rest %= by;
    }
    big_trim(b);
    return (u32)rest;
}

static void big_shift_left(struct big *b, int bits)
{
    int words = bits / 32;

    memmove(b->word + words, b->word, (size_t)b->count * sizeof(u32));
    memset(b->word, 0, (size_t)words * sizeof(u32));
    b->count += words;
    big_multiply(b, 1u << bits % 32, 0);
}

static int big_bits(const struct big *b)
{
    return b->count ? b->count * 32 - __builtin_clz(b->word[b->count - 1]) : 0;
}

static bool big_bit(const struct big *b, int n)
{
    return n >= 0 && n < b->count * 32 && (b->word[n / 32] >> (n % 32) & 1);
}

// Is any of the bits below n set?
static bool big_any_below(const struct big *b, int n)
{
    for (int i = 0; i < n; i++)
        if (big_bit(b, i))
            return true;
    return false;
}

static void big_power_of_5(struct big *b, int power)
{
    static const u32 small[FIVES] = { 1,     5,      25,      125,     625,      3125,     15625,
                                      78125, 390625, 1953125, 9765625, 48828125, 244140625 };

    for (; power >= FIVES; power -= FIVES)
        big_multiply(b, FIVES_POW, 0);
    big_multiply(b, small[power], 0);
}

static void decimal_trim(struct decimal *d)
{
    while (d->count && d->digit[d->count - 1] == 0)
        d->count--;
}

// All digits of the whole number b, which is used up.
static void decimal_from_big(struct big *b, struct decimal *d)
{
    char reversed[DECIMAL_DIGITS + 9];
    int n = 0;

    while (b->count) {
        u32 nine = big_divide(b, 1000000000);
        for (int i = 0; i < 9; i++, nine /= 10)
            reversed[n++] = (char)(nine % 10);
    }
    while (n && reversed[n - 1] == 0)
        n--;
    d->count = d->point = n;
    for (int i = 0; i < n; i++)
        d->digit[i] = reversed[n - 1 - i];
}

void decimal_from_double(double x, struct decimal *d)
{
    u64 bits;
    struct big b;

    memcpy(&bits, &x, sizeof(bits));
    u64 mantissa = bits & ((1ull << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent)
        mantissa |= 1ull << 52;
    else
        exponent = 1;
    exponent -= 1075;
    for (; mantissa && !(mantissa & 1); exponent++)
        mantissa >>= 1;

    b = (struct big){ .count = 2, .word = { (u32)mantissa, (u32)(mantissa >> 32) } };
    big_trim(&b);
    if (exponent >= 0)
        big_shift_left(&b, exponent);
    else
        big_power_of_5(&b, -exponent);
    decimal_from_big(&b, d);
    if (exponent < 0)
        d->point += exponent;
    decimal_trim(d);
}

static bool decimal_rounds_up(const struct decimal *d, int n)
{
    if (n < 0 || d->digit[n] < 5)
        return false;
    if (d->digit[n] > 5 || d->count > n + 1)
        return true;
    return n > 0 && (d->digit[n - 1] & 1);
}

void decimal_round(struct decimal *d, int n)
{
    if (n >= d->count)
        return;
    bool up = decimal_rounds_up(d, n);
    d->count = MAX(n, 0);
    while (up && d->count && d->digit[d->count - 1] == 9)
        d->count--;
    if (up && d->count) {
        d->digit[d->count - 1]++;
    } else if (up) {
        d->count = 1;
        d->digit[0] = 1;
        d->point++;
    }
    decimal_trim(d);
}

// b * 2^exponent, and a little more if `more`, as the nearest double.
static double double_from_big(const struct big *b, int exponent, bool more)
{
    const int least = -1074;
    u64 bits = 0;
    double x;

    int unit = MAX(big_bits(b) - 53 + exponent, least);  // what the last bit of the mantissa is worth
    int drop = unit - exponent;
    for (int i = 52; i >= 0; i--)
        bits = bits << 1 | big_bit(b, i + drop);
    if (big_bit(b, drop - 1) && (more || big_any_below(b, drop - 1) || (bits & 1)))
        bits++;
    // The mantissa's leading bit, or a carry out of it, adds one to the exponent's field.
    bits += (u64)(unit - least) << 52;
    if (bits >> 52 >= 0x7ff)
        bits = 0x7ffull << 52;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

double decimal_to_double(const struct decimal *d, bool more)
{
    struct big b = { 0 };
    int power = d->point - d->count;
    int shift = 0;

    if (d->count == 0 || d->point < -330)
        return 0;
    if (d->point > 310)
        return __builtin_inf();
    for (int i = 0; i < d->count; i++)
        big_multiply(&b, 10, (u32)d->digit[i]);
    if (power >= 0) {
        big_power_of_5(&b, power);
    } else {
        shift = -power * 7 / 3 + 64;  // 5^3 is less than 2^7: at least 64 bits are left after the division
        big_shift_left(&b, shift);
        int left = -power;
        for (; left >= FIVES; left -= FIVES)
            more |= big_divide(&b, FIVES_POW) != 0;
        for (; left; left--)
            more |= big_divide(&b, 5) != 0;
    }
    return double_from_big(&b, power - shift, more);
}
