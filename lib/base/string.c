// Memory and text: what the C library offers on the host, for everywhere else.
#include <base/string.h>

#if !__STDC_HOSTED__

// Words that may alias anything and lie anywhere: the machines that we run on take unaligned words.
typedef uintptr_t __attribute__((may_alias, aligned(1))) word_t;

// Large amounts go in steps of so many words: in an emulator the loop around a word costs more than the word.
#define STEP_WORDS 8
#define STEP       (STEP_WORDS * sizeof(word_t))

static void step_copy(word_t *to, const word_t *from)
{
#pragma clang loop unroll(full)
    for (int i = 0; i < STEP_WORDS; i++)
        to[i] = from[i];
}

// Going up, a word is read before anything at or above it is written: so `to` may also lie below `from`.
static void copy_up(u8 *t, const u8 *f, size_t n)
{
    for (; n >= STEP; n -= STEP, t += STEP, f += STEP)
        step_copy((word_t *)t, (const word_t *)f);
    for (; n >= sizeof(word_t); n -= sizeof(word_t), t += sizeof(word_t), f += sizeof(word_t))
        *(word_t *)t = *(const word_t *)f;
    while (n--)
        *t++ = *f++;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    copy_up(to, from, n);
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    u8 *t = to;
    const u8 *f = from;

    if (t <= f || t >= f + n) {
        copy_up(t, f, n);
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

static void step_set(word_t *to, word_t word)
{
#pragma clang loop unroll(full)
    for (int i = 0; i < STEP_WORDS; i++)
        to[i] = word;
}

void *memset(void *to, int byte, size_t n)
{
    u8 *t = to;
    word_t word = (u8)byte * ((word_t)-1 / 255);

    for (; n >= STEP; n -= STEP, t += STEP)
        step_set((word_t *)t, word);
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
