// printf's family over lib/base/format, with floating point added.
#include "print.h"
#include "decimal.h"

#include <base/format.h>
#include <stdio.h>
#include <string.h>

#define PRECISION_MAX 1100  // no double has a digit other than 0 further behind its point

struct text {
    char *next;
};

static void add(struct text *t, char c)
{
    *t->next++ = c;
}

// Digit i of d, where 0 is the first; zeros on both sides.
static char digit_at(const struct decimal *d, int i)
{
    return (char)('0' + (i >= 0 && i < d->count ? d->digit[i] : 0));
}

// dddd.ffff with `places` digits behind the point.
static void add_fixed(struct text *t, const struct decimal *d, int places, bool point)
{
    for (int i = MIN(d->point - 1, 0); i < d->point; i++)
        if (d->point > 0 || i == d->point - 1)
            add(t, digit_at(d, i));
    if (places || point)
        add(t, '.');
    for (int i = 0; i < places; i++)
        add(t, digit_at(d, d->point + i));
}

// d.ffffe+xx
static void add_exponential(struct text *t, const struct decimal *d, int places, bool point, char letter)
{
    int exponent = d->count ? d->point - 1 : 0;
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);

    add(t, digit_at(d, 0));
    if (places || point)
        add(t, '.');
    for (int i = 1; i <= places; i++)
        add(t, digit_at(d, i));
    add(t, letter);
    add(t, exponent < 0 ? '-' : '+');
    if (size >= 100)
        add(t, (char)('0' + size / 100));
    add(t, (char)('0' + size / 10 % 10));
    add(t, (char)('0' + size % 10));
}

// The shorter of the two ways, for `precision` significant digits; without zeros at the end unless `alternate`.
static void add_general(struct text *t, struct decimal *d, int precision, bool alternate, char letter)
{
    precision = MAX(precision, 1);
    decimal_round(d, precision);
    int exponent = d->count ? d->point - 1 : 0;
    if (exponent < -4 || exponent >= precision)
        add_exponential(t, d, (alternate ? precision : MAX(d->count, 1)) - 1, alternate, letter);
    else
        add_fixed(t, d, MAX((alternate ? precision : MAX(d->count, 1)) - 1 - exponent, 0), alternate);
}

static void add_double(struct text *t, double x, const struct format_spec *spec, char letter)
{
    struct decimal d;
    int precision = spec->precision < 0 ? 6 : MIN(spec->precision, PRECISION_MAX);

    decimal_from_double(x, &d);
    switch (letter | 32) {
    case 'f':
        decimal_round(&d, d.point + precision);
        if (d.count == 0)
            d.point = 0;
        add_fixed(t, &d, precision, spec->alternate);
        break;
    case 'e':
        decimal_round(&d, precision + 1);
        add_exponential(t, &d, precision, spec->alternate, letter);
        break;
    default:
        add_general(t, &d, precision, spec->alternate, (char)(letter - 2));  // 'e' for 'g'
    }
}

static bool print_double(struct format_output *out, const struct format_spec *spec, char letter, va_list *ap)
{
    char body[PRECISION_MAX + 320];
    struct text t = { body };

    if (!strchr("fFeEgG", letter))
        return false;
    double x = va_arg(*ap, double);
    bool minus = __builtin_signbit(x);
    bool finite = __builtin_isfinite(x);
    const char *sign = minus ? "-" : spec->plus ? "+" : spec->space ? " " : "";
    if (!finite) {
        bool upper = !(letter & 32);
        const char *word = x != x ? (upper ? "NAN" : "nan") : upper ? "INF" : "inf";
        format_field(out, spec, sign, 0, word, 3);
        return true;
    }
    add_double(&t, minus ? -x : x, spec, letter);
    int n = (int)(t.next - body);
    int zeros = spec->zero && !spec->left ? spec->width - (int)strlen(sign) - n : 0;
    format_field(out, spec, sign, MAX(zeros, 0), body, (size_t)n);
    return true;
}

size_t print_to(void (*put)(void *arg, const char *bytes, size_t n), void *arg, const char *format, va_list ap)
{
    return format_to_more(put, arg, print_double, format, ap);
}

struct buffer {
    char *next;
    size_t left;
};

static void put_buffer(void *arg, const char *bytes, size_t n)
{
    struct buffer *b = arg;
    size_t kept = MIN(n, b->left);

    memcpy(b->next, bytes, kept);
    b->next += kept;
    b->left -= kept;
}

size_t print_text(char *buf, size_t size, const char *format, va_list ap)
{
    struct buffer b = { buf, size ? size - 1 : 0 };
    size_t n = print_to(put_buffer, &b, format, ap);

    if (size)
        *b.next = 0;
    return n;
}
