// Numbers out of text, and a few about numbers.
#include "decimal.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct whole {
    bool minus, overflow;
    unsigned long long value;
};

static int digit_value(char c)
{
    if (isdigit(c))
        return c - '0';
    return isalpha(c) ? (c | 32) - 'a' + 10 : 99;
}

static bool has_hex_prefix(const char *s)
{
    return s[0] == '0' && (s[1] | 32) == 'x' && digit_value(s[2]) < 16;
}

static const char *skip_sign(const char *s, bool *minus)
{
    while (isspace(*s))
        s++;
    *minus = *s == '-';
    return *s == '-' || *s == '+' ? s + 1 : s;
}

static struct whole read_whole(const char *text, char **end, int base)
{
    struct whole w = { 0 };
    const char *s = skip_sign(text, &w.minus);

    if ((base == 0 || base == 16) && has_hex_prefix(s)) {
        base = 16;
        s += 2;
    } else if (base == 0) {
        base = *s == '0' ? 8 : 10;
    }
    const char *first = s;
    for (; digit_value(*s) < base; s++) {
        w.overflow |= __builtin_mul_overflow(w.value, (unsigned)base, &w.value);
        w.overflow |= __builtin_add_overflow(w.value, (unsigned)digit_value(*s), &w.value);
    }
    if (end)
        *end = (char *)(s == first ? text : s);
    return w;
}

static long long read_signed(const char *s, char **end, int base, long long least, long long most)
{
    struct whole w = read_whole(s, end, base);

    if (w.overflow || w.value > (unsigned long long)most + w.minus) {
        errno = ERANGE;
        return w.minus ? least : most;
    }
    return (long long)(w.minus ? 0 - w.value : w.value);
}

static unsigned long long read_unsigned(const char *s, char **end, int base, unsigned long long most)
{
    struct whole w = read_whole(s, end, base);

    if (w.overflow || w.value > most) {
        errno = ERANGE;
        return most;
    }
    return w.minus ? 0 - w.value : w.value;
}

long strtol(const char *s, char **end, int base)
{
    return (long)read_signed(s, end, base, LONG_MIN, LONG_MAX);
}

long long strtoll(const char *s, char **end, int base)
{
    return read_signed(s, end, base, LLONG_MIN, LLONG_MAX);
}

unsigned long strtoul(const char *s, char **end, int base)
{
    return (unsigned long)read_unsigned(s, end, base, ULONG_MAX);
}

unsigned long long strtoull(const char *s, char **end, int base)
{
    return read_unsigned(s, end, base, ULLONG_MAX);
}

int atoi(const char *s)
{
    return (int)strtol(s, NULL, 10);
}

long atol(const char *s)
{
    return strtol(s, NULL, 10);
}

// The digits of a mantissa, without the zeros around them. False if there are none at all.
static bool read_mantissa(const char **text, struct decimal *d, bool *more)
{
    const char *s = *text;
    bool any = false, point = false;

    d->count = d->point = 0;
    *more = false;
    for (; isdigit(*s) || (*s == '.' && !point); s++) {
        if (*s == '.') {
            point = true;
            continue;
        }
        any = true;
        if (d->count == 0 && *s == '0') {
            d->point -= point;
            continue;
        }
        d->point += !point;
        if (d->count < DECIMAL_DIGITS)
            d->digit[d->count++] = (char)(*s - '0');
        else
            *more |= *s != '0';
    }
    while (d->count && d->digit[d->count - 1] == 0)
        d->count--;
    if (any)
        *text = s;
    return any;
}

static const char *read_exponent(const char *s, int *exponent)
{
    if ((*s | 32) != 'e')
        return s;
    bool minus = s[1] == '-';
    const char *after = s + 1 + (minus || s[1] == '+');
    if (!isdigit(*after))
        return s;
    for (; isdigit(*after); after++)
        if (*exponent < 100000)
            *exponent = *exponent * 10 + (*after - '0');
    if (minus)
        *exponent = -*exponent;
    return after;
}

static bool skip_word(const char **s, const char *word)
{
    const char *t = *s;

    for (; *word; word++, t++)
        if (tolower(*t) != *word)
            return false;
    *s = t;
    return true;
}

double strtod(const char *text, char **end)
{
    struct decimal d;
    bool minus, more;
    int exponent = 0;
    double x = 0;
    const char *s = skip_sign(text, &minus);

    if (skip_word(&s, "infinity") || skip_word(&s, "inf")) {
        x = __builtin_inf();
    } else if (skip_word(&s, "nan")) {
        x = __builtin_nan("");
    } else if (!read_mantissa(&s, &d, &more)) {
        s = text;
        minus = false;
    } else {
        s = read_exponent(s, &exponent);
        d.point += exponent;
        x = decimal_to_double(&d, more);
        if (d.count && (x == 0 || __builtin_isinf(x)))
            errno = ERANGE;
    }
    if (end)
        *end = (char *)s;
    return minus ? -x : x;
}

double atof(const char *s)
{
    return strtod(s, NULL);
}

int abs(int n)
{
    return n < 0 ? -n : n;
}

long labs(long n)
{
    return n < 0 ? -n : n;
}

static unsigned long long rand_state = 1;

void srand(unsigned seed)
{
    rand_state = seed;
}

// A linear congruential generator with Knuth's constants for 64 bits (MMIX); the upper bits are the good ones.
int rand(void)
{
    rand_state = rand_state * 6364136223846793005ull + 1442695040888963407ull;
    return (int)(rand_state >> 33);
}
