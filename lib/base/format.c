// printf's little language, without floating point.
#include <base/format.h>
#include <base/string.h>

struct format_output {
    void (*put)(void *arg, const char *bytes, size_t n);
    void *arg;
    format_more_fn *more;  // NULL: there are none
    size_t total;
};

static void emit(struct format_output *out, const char *bytes, size_t n)
{
    if (n)
        out->put(out->arg, bytes, n);
    out->total += n;
}

static void emit_repeated(struct format_output *out, char c, int n)
{
    char some[16];

    memset(some, c, sizeof(some));
    for (; n > 0; n -= (int)sizeof(some))
        emit(out, some, MIN((size_t)n, sizeof(some)));
}

void format_field(struct format_output *out, const struct format_spec *spec, const char *prefix, int zeros,
                  const char *body, size_t n)
{
    int padding = spec->width - (int)(strlen(prefix) + (size_t)zeros + n);

    if (!spec->left)
        emit_repeated(out, ' ', padding);
    emit(out, prefix, strlen(prefix));
    emit_repeated(out, '0', zeros);
    emit(out, body, n);
    if (spec->left)
        emit_repeated(out, ' ', padding);
}

static void format_number(struct format_output *out, const struct format_spec *spec, u64 value, unsigned base,
                          bool upper, const char *prefix)
{
    char digits[24];
    char *p = digits + sizeof(digits);
    int zeros = 0;

    // The usual 32-bit numbers are spared the long division.
    for (; value > UINT32_MAX; value /= base)
        *--p = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
    for (u32 low = (u32)value; low; low /= base)
        *--p = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[low % base];

    int n = (int)(digits + sizeof(digits) - p);
    if (spec->precision >= 0)
        zeros = spec->precision - n;
    else if (spec->zero && !spec->left)
        zeros = spec->width - (int)strlen(prefix) - n;
    if (n == 0 && spec->precision != 0)
        zeros = MAX(zeros, 1);
    if (base == 8 && spec->alternate && zeros <= 0)
        zeros = 1;
    format_field(out, spec, prefix, MAX(zeros, 0), p, (size_t)n);
}

static u64 argument_unsigned(char length, va_list *ap)
{
    switch (length) {
    case 'H':
        return (unsigned char)va_arg(*ap, unsigned);
    case 'h':
        return (unsigned short)va_arg(*ap, unsigned);
    case 'l':
        return va_arg(*ap, unsigned long);
    case 'L':
    case 'j':
        return va_arg(*ap, unsigned long long);
    case 'z':
    case 't':
        return va_arg(*ap, size_t);
    default:
        return va_arg(*ap, unsigned);
    }
}

static s64 argument_signed(char length, va_list *ap)
{
    switch (length) {
    case 'H':
        return (signed char)va_arg(*ap, int);
    case 'h':
        return (short)va_arg(*ap, int);
    case 'l':
        return va_arg(*ap, long);
    case 'L':
    case 'j':
        return va_arg(*ap, long long);
    case 'z':
    case 't':
        return va_arg(*ap, ptrdiff_t);
    default:
        return va_arg(*ap, int);
    }
}

static int read_number(const char **text, va_list *ap)
{
    int n = 0;

    if (**text == '*') {
        ++*text;
        return va_arg(*ap, int);
    }
    for (; **text >= '0' && **text <= '9'; ++*text)
        if (n < 100000)
            n = n * 10 + (**text - '0');
    return n;
}

static const char *read_spec(const char *f, struct format_spec *spec, va_list *ap)
{
    *spec = (struct format_spec){ .precision = -1 };
    for (;; f++) {
        if (*f == '-')
            spec->left = true;
        else if (*f == '0')
            spec->zero = true;
        else if (*f == '+')
            spec->plus = true;
        else if (*f == ' ')
            spec->space = true;
        else if (*f == '#')
            spec->alternate = true;
        else
            break;
    }
    spec->width = read_number(&f, ap);
    if (spec->width < 0) {
        spec->left = true;
        spec->width = -spec->width;
    }
    if (*f == '.') {
        f++;
        spec->precision = read_number(&f, ap);
    }
    if (*f && strchr("hlzjt", *f)) {
        spec->length = *f++;
        if (*f == spec->length && (*f == 'h' || *f == 'l'))
            spec->length = *f++ == 'h' ? 'H' : 'L';
    }
    return f;
}

static void format_signed(struct format_output *out, const struct format_spec *spec, s64 value)
{
    const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";

    format_number(out, spec, value < 0 ? 0 - (u64)value : (u64)value, 10, false, sign);
}

static void format_string(struct format_output *out, const struct format_spec *spec, const char *s)
{
    if (!s)
        s = "(null)";
    format_field(out, spec, "", 0, s, spec->precision >= 0 ? strnlen(s, (size_t)spec->precision) : strlen(s));
}

static void convert(struct format_output *out, const struct format_spec *spec, char letter, va_list *ap)
{
    char c;
    u64 value;

    switch (letter) {
    case 'd':
    case 'i':
        format_signed(out, spec, argument_signed(spec->length, ap));
        break;
    case 'u':
        format_number(out, spec, argument_unsigned(spec->length, ap), 10, false, "");
        break;
    case 'o':
        format_number(out, spec, argument_unsigned(spec->length, ap), 8, false, "");
        break;
    case 'x':
    case 'X':
        value = argument_unsigned(spec->length, ap);
        format_number(out, spec, value, 16, letter == 'X',
                      !spec->alternate || !value ? ""
                      : letter == 'X'            ? "0X"
                                                 : "0x");
        break;
    case 'p':
        format_number(out, spec, (uintptr_t)va_arg(*ap, void *), 16, false, "0x");
        break;
    case 'c':
        c = (char)va_arg(*ap, int);
        format_field(out, spec, "", 0, &c, 1);
        break;
    case 's':
        format_string(out, spec, va_arg(*ap, const char *));
        break;
    default:
        if (out->more && out->more(out, spec, letter, ap))
            break;
        emit(out, "%", 1);
        if (letter != '%')
            emit(out, &letter, 1);
    }
}

size_t format_to_more(void (*put)(void *arg, const char *bytes, size_t n), void *arg, format_more_fn *more,
                      const char *format, va_list ap)
{
    struct format_output out = { put, arg, more, 0 };
    struct format_spec spec;
    va_list args;

    va_copy(args, ap);
    while (*format) {
        const char *percent = format;
        while (*percent && *percent != '%')
            percent++;
        emit(&out, format, (size_t)(percent - format));
        if (!*percent)
            break;
        format = read_spec(percent + 1, &spec, &args);
        if (!*format)
            break;
        convert(&out, &spec, *format++, &args);
    }
    va_end(args);
    return out.total;
}

size_t format_to(void (*put)(void *arg, const char *bytes, size_t n), void *arg, const char *format, va_list ap)
{
    return format_to_more(put, arg, NULL, format, ap);
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

size_t format_text_va(char *buf, size_t size, const char *format, va_list ap)
{
    struct buffer b = { buf, size - 1 };
    size_t n = format_to(put_buffer, &b, format, ap);

    *b.next = 0;
    return n;
}

size_t format_text(char *buf, size_t size, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    size_t n = format_text_va(buf, size, format, ap);
    va_end(ap);
    return n;
}
