// Promises: how many pages the processes may come to own, together.
//
// Memory is promised before it is used, and never more than there is: who asks for too much hears it from the call that
// asks (-ENOMEM), and a page that was promised is there when it is touched. A part is kept back for the kernel's own
// use: page tables, stacks, caches.
#include "space.h"
#include <uapi/errno.h>

#define KERNEL_RESERVE ((4u << 20) >> PAGE_SHIFT)

static _Atomic size_t promised;

// A small machine keeps a quarter for the kernel instead.
static size_t limit(void)
{
    size_t total = frames_total();

    return total - MIN(total / 16 + KERNEL_RESERVE, total / 4);
}

int commit_promise(struct vmspace *space, size_t pages)
{
    size_t used = atomic_load_explicit(&promised, memory_order_relaxed);
    size_t most = limit();

    do {
        if (used > most || pages > most - used)
            return -ENOMEM;
    } while (!atomic_compare_exchange_weak_explicit(&promised, &used, used + pages, memory_order_relaxed,
                                                    memory_order_relaxed));
    space->committed += (u32)pages;
    return 0;
}

void commit_release(struct vmspace *space, size_t pages)
{
    assert(pages <= space->committed);
    space->committed -= (u32)pages;
    atomic_fetch_sub_explicit(&promised, pages, memory_order_relaxed);
}

u64 commit_used(void)
{
    return atomic_load_explicit(&promised, memory_order_relaxed);
}

u64 commit_limit(void)
{
    return limit();
}
