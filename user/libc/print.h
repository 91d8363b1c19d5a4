// printf's engine. Private to the library.
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Send the text to `put` piece by piece; returns its length. */
size_t print_to(void (*put)(void *arg, const char *bytes, size_t n), void *arg, const char *format, va_list ap);

/* Into buf, cut to size and terminated (nothing is written when size is 0). Returns the length of the whole text. */
size_t print_text(char *buf, size_t size, const char *format, va_list ap);
