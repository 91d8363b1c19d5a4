// Formatted text, as printf: %d %i %u %x %X %o %c %s %p %%, flags - 0 + space #, width and precision (also *), lengths
// hh h l ll z j t. Floating point is the C library's matter (format_to_more).
#pragma once

#include <base/types.h>
#include <stdarg.h>

/* Send the text to `put` piece by piece. Returns how many bytes that was. */
size_t format_to(void (*put)(void *arg, const char *bytes, size_t n), void *arg, const char *format, va_list ap);

/* Into buf, cut to size (> 0) and terminated. Returns the length of the whole text. */
size_t format_text(char *buf, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
size_t format_text_va(char *buf, size_t size, const char *format, va_list ap);

// One conversion: what stands between '%' and its letter.
struct format_spec {
    bool left, zero, plus, space, alternate;
    int width;
    int precision;  // -1: none given
    char length;    // 0, 'H' (hh), 'h', 'l', 'L' (ll), 'z', 'j', 't'
};

struct format_output;

/* A caller's own conversions: takes the argument from *ap and sends its text with format_field(); false if the letter
 * is not one of them. */
typedef bool format_more_fn(struct format_output *out, const struct format_spec *spec, char letter, va_list *ap);

/* A prefix (sign, 0x), zeros and a body, padded with spaces to the width. */
void format_field(struct format_output *out, const struct format_spec *spec, const char *prefix, int zeros,
                  const char *body, size_t n);

/* format_to() that asks `more` about letters that are not its own. */
size_t format_to_more(void (*put)(void *arg, const char *bytes, size_t n), void *arg, format_more_fn *more,
                      const char *format, va_list ap);
