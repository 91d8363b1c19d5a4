// Sorting of linked lists, without memory. Private to fs.
#pragma once

#include <base/list.h>

/* By rising key, in O(n log n); equal ones keep their order. */
void list_sort(struct list *head, u64 (*key)(const struct list *link));
