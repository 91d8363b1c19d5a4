// Doubly linked lists, woven into the structs that they link. A list head and a link are the same thing; an unlinked
// one points to itself.
#pragma once

#include <base/types.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_between(struct list *link, struct list *prev, struct list *next)
{
    link->prev = prev;
    link->next = next;
    prev->next = link;
    next->prev = link;
}

static inline void list_push(struct list *head, struct list *link)
{
    list_insert_between(link, head, head->next);
}

static inline void list_append(struct list *head, struct list *link)
{
    list_insert_between(link, head->prev, head);
}

// Unlink; harmless on what is not linked.
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define list_entry(link, type, member) container_of(link, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

// The body may not unlink `it`; list_for_each_safe allows that.
#define list_for_each(it, head, member)                                                                                \
    for (it = list_entry((head)->next, __typeof__(*it), member); &it->member != (head);                                \
         it = list_entry(it->member.next, __typeof__(*it), member))

#define list_for_each_safe(it, after, head, member)                                                                    \
    for (it = list_entry((head)->next, __typeof__(*it), member),                                                       \
        after = list_entry(it->member.next, __typeof__(*it), member);                                                  \
         &it->member != (head); it = after, after = list_entry(after->member.next, __typeof__(*it), member))
