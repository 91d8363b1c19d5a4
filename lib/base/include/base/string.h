// Memory and text. On the host the C library's own; elsewhere lib/base/string.c, with the same contracts.
#pragma once

#include <base/types.h>

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *in, int byte, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
#endif

/* Copy text, cut to fit size (> 0) and always terminated. Returns the length of the whole `from`. */
size_t text_copy(char *to, const char *from, size_t size);

/* Is a path the root, or does it end in . or .. (slashes behind it don't count)? The empty one: no. */
bool path_ends_in_dots(const char *path);

/* Is every byte of the n zero? n a multiple of 8, p aligned to 4. */
bool memory_is_zero(const void *p, size_t n);
