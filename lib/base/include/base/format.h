// Formatted text, as printf: %d %i %u %x %X %o %c %s %p %%, flags - 0 + space #, width and precision (also *), lengths hh h l ll z j t.
// Floating point is the C library's matter.
#pragma once

#include <base/types.h>
#include <stdarg.h>

/* Send the text to `put` piece by piece. Returns how many bytes that was. */
size_t format_to(void (*put)(void *arg, const char *bytes, size_t n), void *arg, const char *format, va_list ap);

/* Into buf, cut to size (> 0) and terminated. Returns the length of the whole text. */
size_t format_text(char *buf, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
size_t format_text_va(char *buf, size_t size, const char *format, va_list ap);
