// Sorting in place, by a heap: never slower than n log n, and no recursion. And searching in what is sorted.
#include <stdlib.h>

typedef int compare_fn(const void *a, const void *b);

static void swap(char *a, char *b, size_t size)
{
    for (; size; size--, a++, b++) {
        char c = *a;
        *a = *b;
        *b = c;
    }
}

// Let member i sink until none of its two successors is greater.
static void sink(char *base, size_t i, size_t n, size_t size, compare_fn *compare)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && compare(base + child * size, base + (child + 1) * size) < 0)
            child++;
        if (compare(base + i * size, base + child * size) >= 0)
            return;
        swap(base + i * size, base + child * size, size);
        i = child;
    }
}

void qsort(void *array, size_t n, size_t size, compare_fn *compare)
{
    char *base = array;

    for (size_t i = n / 2; i-- > 0;)
        sink(base, i, n, size, compare);
    while (n > 1) {
        n--;
        swap(base, base + n * size, size);
        sink(base, 0, n, size, compare);
    }
}

void *bsearch(const void *key, const void *array, size_t n, size_t size, compare_fn *compare)
{
    const char *base = array;

    while (n) {
        const char *middle = base + n / 2 * size;
        int order = compare(key, middle);
        if (order == 0)
            return (void *)middle;
        if (order > 0) {
            base = middle + size;
            n -= n / 2 + 1;
        } else {
            n /= 2;
        }
    }
    return NULL;
}
