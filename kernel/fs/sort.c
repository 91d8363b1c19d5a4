// Merge sort of linked lists.
#include "sort.h"

// Merge two sorted chains (by next, ended by NULL). Of equals, those of `a` come first.
static struct list *merge(struct list *a, struct list *b, u64 (*key)(const struct list *))
{
    struct list *head, **end = &head;

    while (a && b) {
        struct list **less = key(a) <= key(b) ? &a : &b;
        *end = *less;
        end = &(*less)->next;
        *less = (*less)->next;
    }
    *end = a ? a : b;
    return head;
}

void list_sort(struct list *head, u64 (*key)(const struct list *link))
{
    // runs[k] is a sorted chain of 2^k links, or none: the bits of a counter.
    struct list *runs[32] = {}, *chain = NULL;

    for (struct list *it = head->next, *after; it != head; it = after) {
        u32 k = 0;
        after = it->next;
        it->next = NULL;
        for (; runs[k]; k++) {
            it = merge(runs[k], it, key);
            runs[k] = NULL;
        }
        runs[k] = it;
    }
    for (u32 k = 0; k < ARRAY_SIZE(runs); k++)
        if (runs[k])
            chain = merge(runs[k], chain, key);

    list_init(head);
    while (chain) {
        struct list *after = chain->next;
        list_append(head, chain);
        chain = after;
    }
}
