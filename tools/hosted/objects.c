// The kernel's small objects are the host's, so that a sanitizer sees each of them.
#include "objects.h"
#include <base/string.h>
#include <mm/kmalloc.h>
#include <stdlib.h>

#define LARGEST ((size_t)128 << 10)  // as in the kernel

static u64 objects;

void *kzalloc(size_t size)
{
    if (size > LARGEST || host_alloc_fails())
        return NULL;
    objects++;
    return calloc(1, size);
}

void *kmalloc(size_t size)
{
    void *p = kzalloc(size);

    return p ? memset(p, 0xa5, size) : NULL;
}

void kfree(void *p)
{
    objects -= p != NULL;
    free(p);
}

char *kstrdup(const char *text)
{
    char *copy = kmalloc(strlen(text) + 1);

    return copy ? memcpy(copy, text, strlen(text) + 1) : NULL;
}

u64 host_objects(void)
{
    return objects;
}
