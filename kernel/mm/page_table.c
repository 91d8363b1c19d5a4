// A space's page tables.
#include "page_table.h"
#include "page_set.h"
#include <base/string.h>
#include <uapi/errno.h>

#define ROOT_LEVEL (PT_LEVELS - 1)

// Most tables of most processes are nearly empty. The passes over them look at so many entries at once.
#define GROUP 8

_Static_assert(PT_ENTRIES % GROUP == 0, "tables are whole groups");

// Absent entries are 0.
static bool group_is_empty(const pte_t *e)
{
    return !(e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]);
}

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

// The entry at which the way down to va ends, and its level: above 0 only if there is no table below.
static pte_t *deepest_entry(pte_t *root, uaddr_t va, unsigned *level)
{
    pte_t *table = root;

    for (*level = ROOT_LEVEL; *level > 0; --*level) {
        pte_t *e = &table[pt_index(va, *level)];
        if (!pte_present(*e))
            return e;
        table = table_of(*e);
    }
    return &table[pt_index(va, 0)];
}

// The first entry in [e, past) that is present, or past.
static const pte_t *first_present(const pte_t *e, const pte_t *past)
{
    while (e < past && !pte_present(*e)) {
        e++;
        while (past - e >= GROUP && group_is_empty(e))
            e += GROUP;
    }
    return e;
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
        const pte_t *e = deepest_entry(root, *va, &level);
        uaddr_t table_end = entry_end(*va, MAX(level, 1u), end);
        if (level == 0) {
            const pte_t *found = first_present(e, e + ((table_end - *va) >> PAGE_SHIFT));
            *va += (uaddr_t)(found - e) << PAGE_SHIFT;
            if (*va < table_end) {
                *entry = *found;
                return true;
            }
        }
        *va = table_end;
    }
    return false;
}

static u32 count_present(const pte_t *e, const pte_t *past)
{
    u32 n = 0;

    while ((e = first_present(e, past)) < past) {
        n++;
        e++;
    }
    return n;
}

// The entry for a table that is open from now on.
static pte_t opened(struct frame *table)
{
    atomic_store_explicit(&table->pages, 0, memory_order_relaxed);
    return pte_table(frame_addr(table));
}

// Of a closed table, which stays as it is: they are counted once.
static u32 count_closed(pte_t table)
{
    struct frame *f = frame_of_pte(table);
    u32 known = atomic_load_explicit(&f->pages, memory_order_relaxed);

    if (!known) {
        known = 1 + count_present(table_of(table), table_of(table) + PT_ENTRIES);
        atomic_store_explicit(&f->pages, (u16)known, memory_order_relaxed);
    }
    return known - 1;
}

// The entry of the table of pages that va lies in; NULL if there is none.
static pte_t *table_entry(pte_t *root, uaddr_t va)
{
    unsigned level = ROOT_LEVEL;
    pte_t *e = &root[pt_index(va, level)];

    for (; level > 1 && pte_present(*e); e = &table_of(*e)[pt_index(va, level)])
        level--;
    return pte_present(*e) ? e : NULL;
}

u32 page_table_count(pte_t *root, uaddr_t start, uaddr_t end)
{
    u32 n = 0;

    for (uaddr_t next; start < end; start = next) {
        unsigned level;
        const pte_t *e = deepest_entry(root, start, &level);
        next = entry_end(start, MAX(level, 1u), end);
        if (level > 0)
            continue;
        const pte_t *table = next - start == PT_SPAN(1) ? table_entry(root, start) : NULL;
        if (table && !pte_table_is_open(*table))
            n += count_closed(*table);
        else
            n += count_present(e, e + ((next - start) >> PAGE_SHIFT));
    }
    return n;
}

// The entry for va is absent: where the next one that isn't begins, or `end`.
static uaddr_t absent_end(const pte_t *table, unsigned level, uaddr_t va, uaddr_t end)
{
    const pte_t *e = &table[pt_index(va, level)];
    const pte_t *found = first_present(e, &table[pt_index(end - 1, level)] + 1);

    return MIN(ROUND_DOWN(va, PT_SPAN(level)) + (uaddr_t)(found - e) * PT_SPAN(level), end);
}

static u32 unmap_pages(pte_t *e, u32 entries, struct frame_batch *batch)
{
    u32 gone = 0;
    const pte_t *past = e + entries;

    while ((e += first_present(e, past) - e) < past) {
        frame_batch_put(batch, frame_of_pte(*e));
        *e++ = 0;
        gone++;
    }
    return gone;
}

// Let go of a whole table of pages; *e is gone already. Returns how many pages were in it.
static u32 unmap_table(pte_t e, struct frame_batch *batch)
{
    pte_t *table = table_of(e);

    if (!pte_table_is_open(e)) {
        u32 pages = count_closed(e);
        if (frame_put_shared(frame_of_pte(e)))
            return pages;
    }
    u32 pages = unmap_pages(table, PT_ENTRIES, batch);
    frame_batch_put(batch, frame_of_pte(e));
    return pages;
}

static u32 unmap_level(pte_t *table, unsigned level, uaddr_t start, uaddr_t end, bool current,
                       struct frame_batch *batch)
{
    u32 gone = 0;

    for (uaddr_t next; start < end; start = next) {
        pte_t *e = &table[pt_index(start, level)];
        if (!pte_present(*e)) {
            next = absent_end(table, level, start, end);
            continue;
        }
        next = entry_end(start, level, end);
        pte_t below = *e;
        bool whole = next - start == PT_SPAN(level);
        if (whole) {
            *e = 0;
            if (current)
                tlb_flush_all();  // the processor may hold a way through the table that goes
        }
        if (level > 1) {
            gone += unmap_level(table_of(below), level - 1, start, next, current, batch);
            if (whole)
                frame_batch_put(batch, frame_of_pte(below));
        } else if (whole) {
            gone += unmap_table(below, batch);
        } else {
            assert(pte_table_is_open(below));
            gone += unmap_pages(&table_of(below)[pt_index(start, 0)], (u32)((next - start) >> PAGE_SHIFT), batch);
        }
    }
    return gone;
}

u32 page_table_unmap(pte_t *root, uaddr_t start, uaddr_t end, bool current)
{
    struct frame_batch batch;

    batch.count = 0;
    u32 gone = unmap_level(root, ROOT_LEVEL, start, end, current, &batch);

    frame_batch_finish(&batch);
    if (current && gone)
        tlb_flush_all();
    return gone;
}

static void clear_group(pte_t *e)
{
    e[0] = e[1] = e[2] = e[3] = e[4] = e[5] = e[6] = e[7] = 0;
}

static pte_t without(pte_t e, u32 flags)
{
    return pte_page(pte_addr(e), pte_flags(e) & ~flags);
}

static inline void share_group(pte_t *from, pte_t *to, u32 clear, bool open)
{
#pragma clang loop unroll(full)
    for (unsigned i = 0; i < GROUP; i++) {
        pte_t e = from[i];
        if (pte_flags(e) & PTE_WRITE)
            from[i] = e = without(e, PTE_WRITE);
        to[i] = pte_flags(e) & clear ? without(e, clear) : e;
        if (!pte_present(e))
            continue;
        if (open)
            frame_share(frame_of_pte(e));
        else
            frame_get(frame_of_pte(e));
    }
}

static inline void share_pages(pte_t *from, pte_t *to, u32 clear, bool open)
{
    for (const pte_t *past = from + PT_ENTRIES; from < past; from += GROUP, to += GROUP) {
        if (group_is_empty(from))
            clear_group(to);
        else
            share_group(from, to, clear, open);
    }
}

// Both tables have the pages now, and neither may write to them. Pages that only an open table has are nobody else's to
// take references to. Those of a closed one are: who writes a snapshot out does so while the process runs. Each is a
// function of its own, so that it has all registers.
__attribute__((noinline)) static void share_open(pte_t *from, pte_t *to)
{
    share_pages(from, to, 0, true);
}

// The flags `clear` are gone in `to`.
__attribute__((noinline)) static void share_closed(pte_t *from, pte_t *to, u32 clear)
{
    share_pages(from, to, clear, false);
}

static void clean_group(pte_t *e)
{
    for (unsigned i = 0; i < GROUP; i++)
        if (pte_flags(e[i]) & PTE_DIRTY)
            e[i] = without(e[i], PTE_DIRTY);
}

static void clean_table(pte_t *table)
{
    for (unsigned i = 0; i < PT_ENTRIES; i += GROUP)
        if (!group_is_empty(table + i))
            clean_group(table + i);
}

// One that shared a table has its own now.
static void drop_table(struct frame *f)
{
    struct frame_batch batch = { .count = 0 };

    unmap_table(pte_table_closed(pte_table(frame_addr(f))), &batch);
    frame_batch_finish(&batch);
}

// Open a closed table. What is dirty in it is old news, but for a snapshot that hasn't told it yet.
static int open_table(pte_t *e, uaddr_t va)
{
    struct frame *shared = frame_of_pte(*e);
    u32 news = pte_flags(*e) & PTE_SOFT;

    if (frame_is_sole(shared)) {
        if (!news)
            clean_table(table_of(*e));
        *e = opened(shared) | news;
    } else {
        struct frame *own = frame_alloc();
        if (!own)
            return -ENOMEM;
        share_closed(table_of(*e), frame_data(own), news ? 0 : PTE_DIRTY);
        *e = opened(own) | news;
        drop_table(shared);
    }
    tlb_flush_page(va);  // and what the processor kept of the way to it
    return 0;
}

int page_table_open(pte_t *root, uaddr_t va)
{
    pte_t *e = table_entry(root, va);

    return e && !pte_table_is_open(*e) ? open_table(e, va) : 0;
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
            *e = opened(f);
        } else if (!pte_table_is_open(*e) && open_table(e, va)) {
            return NULL;
        }
        table = table_of(*e);
    }
    return &table[pt_index(va, 0)];
}

static u32 dirty_word(const pte_t *entries)
{
    u32 word = 0;

#pragma clang loop unroll_count(GROUP)
    for (unsigned i = 32; i-- > 0;)
        word = word << 1 | (pte_flags(entries[i]) & PTE_DIRTY ? 1u : 0);
    return word;
}

// Add the dirty pages of a table, whose first one is at va. A pass of its own: the loop above has more to do than there
// are registers.
static void collect_dirty(const pte_t *table, uaddr_t va, struct page_set *out)
{
    u32 bits[CHUNK_WORDS], all = 0;

    for (unsigned i = 0; i < CHUNK_WORDS; i++)
        all |= bits[i] = dirty_word(table + 32 * i);
    if (all)
        page_set_add_bits(out, va / PT_SPAN(1), bits);
}

// The number of the first entry from i on that is present, or `entries`.
static unsigned next_present(const pte_t *table, unsigned i, unsigned entries)
{
    return (unsigned)(first_present(table + i, table + entries) - table);
}

static int clone_table(pte_t *from, pte_t *to)
{
    struct frame *table = frame_alloc();

    if (!table)
        return -ENOMEM;
    if (pte_table_is_open(*from))
        share_open(table_of(*from), frame_data(table));
    else
        share_closed(table_of(*from), frame_data(table), 0);
    *to = opened(table);
    return 0;
}

static int share_table(pte_t *from, pte_t *to)
{
    bool news = pte_table_is_open(*from);

    frame_share(frame_of_pte(*from));
    *from = pte_table_closed(*from);
    *to = *from | (news ? PTE_SOFT : 0);
    return 0;
}

// Give `to` what each table of pages in `from` becomes in it.
static int pass_tables(pte_t *from, pte_t *to, unsigned level, unsigned entries, int (*pass)(pte_t *, pte_t *))
{
    int err = 0;

    for (unsigned i = 0; !err && (i = next_present(from, i, entries)) < entries; i++) {
        if (level == 1) {
            err = pass(&from[i], &to[i]);
            continue;
        }
        struct frame *table = frame_alloc_zeroed();
        if (!table)
            return -ENOMEM;
        to[i] = pte_table(frame_addr(table));
        err = pass_tables(table_of(from[i]), frame_data(table), level - 1, PT_ENTRIES, pass);
    }
    return err;
}

int page_table_clone(pte_t *from, pte_t *to)
{
    return pass_tables(from, to, ROOT_LEVEL, PT_USER_ENTRIES, clone_table);
}

int page_table_share(pte_t *from, pte_t *to)
{
    return pass_tables(from, to, ROOT_LEVEL, PT_USER_ENTRIES, share_table);
}

static void news_of(pte_t *e, uaddr_t va, struct page_set *out)
{
    if (pte_flags(*e) & PTE_SOFT)
        collect_dirty(table_of(*e), va, out);
}

static void clean(pte_t *e, uaddr_t va, struct page_set *out)
{
    if (!pte_table_is_open(*e))
        return;
    if (out)
        collect_dirty(table_of(*e), va, out);
    clean_table(table_of(*e));
}

// start: where the table's first entry belongs.
static void visit_tables(pte_t *table, unsigned level, unsigned entries, uaddr_t start, struct page_set *out,
                         void (*visit)(pte_t *, uaddr_t, struct page_set *))
{
    for (unsigned i = 0; (i = next_present(table, i, entries)) < entries; i++) {
        uaddr_t va = start + i * PT_SPAN(level);
        if (level == 1)
            visit(&table[i], va, out);
        else
            visit_tables(table_of(table[i]), level - 1, PT_ENTRIES, va, out, visit);
    }
}

void page_table_news(pte_t *root, struct page_set *out)
{
    visit_tables(root, ROOT_LEVEL, PT_USER_ENTRIES, 0, out, news_of);
}

void page_table_clean(pte_t *root, struct page_set *cleaned)
{
    visit_tables(root, ROOT_LEVEL, PT_USER_ENTRIES, 0, cleaned, clean);
}
