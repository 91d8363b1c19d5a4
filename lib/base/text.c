// What no C library has, in every build.
#include <base/string.h>

size_t text_copy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);
    size_t kept = MIN(length, size - 1);

    memcpy(to, from, kept);
    to[kept] = 0;
    return length;
}

bool path_ends_in_dots(const char *path)
{
    size_t end = strlen(path), dots = 0;

    if (end == 0)
        return false;
    while (end > 0 && path[end - 1] == '/')
        end--;
    for (; end > 0 && path[end - 1] == '.'; end--)
        dots++;
    return dots <= 2 && (end == 0 || path[end - 1] == '/');
}

bool memory_is_zero(const void *p, size_t n)
{
    typedef u32 __attribute__((may_alias)) word_t;
    const word_t *w = p;

    // Full memory is told from empty by its first words, mostly.
    size_t words = n / 4;
    for (; words >= 8; words -= 8, w += 8)
        if (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7])
            return false;
    for (; words >= 2; words -= 2, w += 2)
        if (w[0] | w[1])
            return false;
    return true;
}
