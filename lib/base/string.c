// Memory and text: what the C library offers on the host, for everywhere else.
#include <base/string.h>

#if !__STDC_HOSTED__

// Words that may alias anything and lie anywhere: the machines that we run on take unaligned words.
typedef uintptr_t __attribute__((may_alias, aligned(1))) word_t;

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    u8 *t = to;
    const u8 *f = from;

    for (; n >= sizeof(word_t); n -= sizeof(word_t), t += sizeof(word_t), f += sizeof(word_t))
        *(word_t *)t = *(const word_t *)f;
    while (n--)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    u8 *t = to;
    const u8 *f = from;

    if (t <= f || t >= f + n) {
        // Going up, a word is read before anything at or above it is written.
        for (; n >= sizeof(word_t); n -= sizeof(word_t), t += sizeof(word_t), f += sizeof(word_t))
            *(word_t *)t = *(const word_t *)f;
        while (n--)
            *t++ = *f++;
        return to;
    }
    while (n >= sizeof(word_t)) {
        n -= sizeof(word_t);
        *(word_t *)(t + n) = *(const word_t *)(f + n);
    }
    while (n--)
        t[n] = f[n];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    u8 *t = to;
    word_t word = (u8)byte * ((word_t)-1 / 255);

    for (; n >= sizeof(word_t); n -= sizeof(word_t), t += sizeof(word_t))
        *(word_t *)t = word;
    while (n--)
        *t++ = (u8)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void *memchr(const void *in, int byte, size_t n)
{
    for (const u8 *p = in; n; n--, p++)
        if (*p == (u8)byte)
            return (void *)p;
    return NULL;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n])
        n++;
    return n;
}

size_t strlen(const char *s)
{
    return strnlen(s, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (u8)*a - (u8)*b;
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}

char *strrchr(const char *s, int c)
{
    const char *last = NULL;

    for (;; s++) {
        if (*s == (char)c)
            last = s;
        if (!*s)
            return (char *)last;
    }
}

#endif
