// A space's page tables: finding entries, and the passes over them. Tables are frames of their own; level 0 holds
// pages.
//
// All of these are called with the space's lock held, or where nobody else knows the space.
#pragma once

#include "frame_table.h"

struct page_set;

/* The entry for the page at va; NULL if there is no table for it yet. */
pte_t *page_table_find(pte_t *root, uaddr_t va);

/* The same, and makes the tables; NULL if there is no memory. */
pte_t *page_table_make(pte_t *root, uaddr_t va);

/* The first page at or after *va, before end, that is present: moves *va there. */
bool page_table_next(pte_t *root, uaddr_t *va, uaddr_t end, pte_t *entry);

/* How many pages in [start, end) are present. */
u32 page_table_count(pte_t *root, uaddr_t start, uaddr_t end);

/* Let go of all pages in [start, end), and of tables that lie wholly in it. Returns how many pages that were. */
u32 page_table_unmap(pte_t *root, uaddr_t start, uaddr_t end, bool current);

/* What a clone does besides. */
struct clone_pass {
    u32 clear;                 // flags that pages lose, in both: PTE_WRITE at least
    struct page_set *cleaned;  // gets the numbers of the pages that lost PTE_DIRTY; NULL: nobody wants to know
};

/* Copy the user part of `from` into the empty root `to`, and share all pages, read-only from now on. -ENOMEM leaves
 * `to` incomplete but whole; *pass->cleaned holds what was cleaned until then. */
MUST_CHECK int page_table_clone(pte_t *from, pte_t *to, const struct clone_pass *pass);

/* The same without a copy: all user pages lose the flags. */
void page_table_clean(pte_t *root, const struct clone_pass *pass);

static inline bool pte_writable(pte_t e)
{
    return pte_flags(e) & PTE_WRITE;
}
