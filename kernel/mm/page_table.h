// A space's page tables: finding entries, and the passes over them. Tables are frames of their own; level 0 holds
// pages.
//
// A table of pages is open, or closed: then programs can't write through it. A snapshot shares the tables of the space
// that it is of, closed in both. The first change of one of its pages opens a table: a shared one by a copy, and the
// others keep theirs as it was. So its frame's references are the spaces that share it, and the pages of a table
// count as referenced once, whoever shares it. PTE_WRITE in an entry says that this table has the only reference to the
// page; PTE_DIRTY that it changed while the table was open, before it was closed.
//
// All of these are called with the space's lock held, or where nobody else knows the space.
#pragma once

#include "frame_table.h"

struct page_set;

/* The entry for the page at va; NULL if there is no table for it yet. */
pte_t *page_table_find(pte_t *root, uaddr_t va);

/* The same, to be changed: makes and opens the tables; NULL if there is no memory. */
pte_t *page_table_make(pte_t *root, uaddr_t va);

/* The first page at or after *va, before end, that is present: moves *va there. */
bool page_table_next(pte_t *root, uaddr_t *va, uaddr_t end, pte_t *entry);

/* How many pages in [start, end) are present. */
u32 page_table_count(pte_t *root, uaddr_t start, uaddr_t end);

/* Let go of all pages in [start, end), and of tables that lie wholly in it; one that doesn't must be open. Returns how
 * many pages that were. */
u32 page_table_unmap(pte_t *root, uaddr_t start, uaddr_t end, bool current);

/* Open the table that va lies in, if there is one. -ENOMEM. */
MUST_CHECK int page_table_open(pte_t *root, uaddr_t va);

/* Copy the user part of `from` into the empty root `to`, and share all pages, read-only from now on. -ENOMEM leaves
 * `to` incomplete but whole. */
MUST_CHECK int page_table_clone(pte_t *from, pte_t *to);

/* Share the tables themselves, closed in both. Those that were open are the news of `to`: page_table_news(). As
 * above. */
MUST_CHECK int page_table_share(pte_t *from, pte_t *to);

/* Add the numbers of the pages that are dirty in tables that were open when `root` was made of them. */
void page_table_news(pte_t *root, struct page_set *out);

/* All pages of open tables are clean from now on; *cleaned, unless NULL, gets the numbers of those that weren't. */
void page_table_clean(pte_t *root, struct page_set *cleaned);

static inline bool pte_writable(pte_t e)
{
    return pte_flags(e) & PTE_WRITE;
}
