// The kernel's small objects.
#pragma once

#include <base/types.h>

/*
 * Up to 128 KiB, aligned to 16 (and to its size, if that is a power of two up to a page); 0 bytes are an object, too.
 * NULL when there is no memory. Sleeps: no.
 */
MUST_CHECK void *kmalloc(size_t size);
MUST_CHECK void *kzalloc(size_t size);
void kfree(void *p);  // NULL is fine
MUST_CHECK char *kstrdup(const char *text);

/* Objects allocated and not freed: for the leak check. */
u64 kmem_live(void);
void kmem_init(void);
