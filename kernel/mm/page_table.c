// A space's page tables.
#include "page_table.h"
#include <base/string.h>
#include <uapi/errno.h>

#define ROOT_LEVEL (PT_LEVELS - 1)

static pte_t *table_of(pte_t e)
{
    return phys_to_virt(pte_addr(e));
}

pte_t *page_table_find(pte_t *root, uaddr_t va)
{
    pte_t *table = root;

    for (unsigned level = ROOT_LEVEL; level > 0; level--) {
        pte_t e = table[pt_index(va, level)];
        if (!pte_present(e))
            return NULL;
        table = table_of(e);
    }
    return &table[pt_index(va, 0)];
}

pte_t *page_table_make(pte_t *root, uaddr_t va)
{
    pte_t *table = root;

    for (unsigned level = ROOT_LEVEL; level > 0; level--) {
        pte_t *e = &table[pt_index(va, level)];
        if (!pte_present(*e)) {
            struct frame *f = frame_alloc_zeroed();
            if (!f)
                return NULL;
            *e = pte_table(frame_addr(f));
        }
        table = table_of(*e);
    }
    return &table[pt_index(va, 0)];
}

// The entry at which the way down to va ends, and its level: above 0 only if there is no table below.
static pte_t deepest_entry(pte_t *root, uaddr_t va, unsigned *level)
{
    pte_t *table = root;

    for (*level = ROOT_LEVEL; *level > 0; --*level) {
        pte_t e = table[pt_index(va, *level)];
        if (!pte_present(e))
            return e;
        table = table_of(e);
    }
    return table[pt_index(va, 0)];
}

// Where the next entry of that level begins, or `end` if that comes first.
static uaddr_t entry_end(uaddr_t va, unsigned level, uaddr_t end)
{
    uaddr_t last = va | (PT_SPAN(level) - 1);

    return last < end ? last + 1 : end;
}

bool page_table_next(pte_t *root, uaddr_t *va, uaddr_t end, pte_t *entry)
{
    while (*va < end) {
        unsigned level;
        *entry = deepest_entry(root, *va, &level);
        if (pte_present(*entry))
            return true;
        *va = entry_end(*va, level, end);
    }
    return false;
}

static u32 unmap_pages(pte_t *table, uaddr_t start, uaddr_t end, struct frame_batch *batch)
{
    u32 gone = 0;
    pte_t *e = &table[pt_index(start, 0)];

    for (uaddr_t left = (end - start) >> PAGE_SHIFT; left; left--, e++) {
        if (!pte_present(*e))
            continue;
        frame_batch_put(batch, frame_of_pte(*e));
        *e = 0;
        gone++;
    }
    return gone;
}

static u32 unmap_level(pte_t *table, unsigned level, uaddr_t start, uaddr_t end, bool current,
                       struct frame_batch *batch)
{
    u32 gone = 0;

    if (level == 0)
        return unmap_pages(table, start, end, batch);
    for (uaddr_t next; start < end; start = next) {
        pte_t *e = &table[pt_index(start, level)];
        next = entry_end(start, level, end);
        if (!pte_present(*e))
            continue;
        pte_t below = *e;
        gone += unmap_level(table_of(below), level - 1, start, next, current, batch);
        if (next - start < PT_SPAN(level))
            continue;
        *e = 0;
        if (current)
            tlb_flush_all();  // the processor may hold a way through the table that goes
        frame_batch_put(batch, frame_of_pte(below));
    }
    return gone;
}

u32 page_table_unmap(pte_t *root, uaddr_t start, uaddr_t end, bool current)
{
    struct frame_batch batch = { .count = 0 };
    u32 gone = unmap_level(root, ROOT_LEVEL, start, end, current, &batch);

    frame_batch_finish(&batch);
    if (current && gone)
        tlb_flush_all();
    return gone;
}

// The one loop that a checkpoint stops a process for.
static void share_pages(pte_t *from, pte_t *to)
{
    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        pte_t e = from[i];
        if (pte_present(e)) {
            if (pte_writable(e))
                from[i] = e = pte_page(pte_addr(e), pte_flags(e) & ~PTE_WRITE);
            frame_share(frame_of_pte(e));
        }
        to[i] = e;
    }
}

static int clone_level(pte_t *from, pte_t *to, unsigned level, unsigned entries)
{
    for (unsigned i = 0; i < entries; i++) {
        if (!pte_present(from[i]))
            continue;
        // Pages fill their new table wholly; a table of tables starts empty, so that it's whole at any moment.
        struct frame *table = level == 1 ? frame_alloc() : frame_alloc_zeroed();
        if (!table)
            return -ENOMEM;
        to[i] = pte_table(frame_addr(table));
        if (level == 1) {
            share_pages(table_of(from[i]), frame_data(table));
            continue;
        }
        int err = clone_level(table_of(from[i]), frame_data(table), level - 1, PT_ENTRIES);
        if (err)
            return err;
    }
    return 0;
}

int page_table_clone(pte_t *from, pte_t *to)
{
    return clone_level(from, to, ROOT_LEVEL, PT_USER_ENTRIES);
}
