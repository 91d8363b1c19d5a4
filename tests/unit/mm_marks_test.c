// Unit tests of sets of pages, and of what kernel/mm knows about the changes since a mark.
#include "mm/spaces.h"
#include "page_set.h"
#include <base/string.h>
#include <kern/fault.h>
#include <mm/usercopy.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <uapi/errno.h>

// Sets of pages

#define SET_PAGES (5 * PT_ENTRIES)

static void expect_set(const struct page_set *set, const bool *model, uaddr_t first)
{
    uaddr_t expected = 0;  // the first of the set from page i on; 0: none
    u32 n = 0;

    for (u32 i = SET_PAGES; i-- > 0;) {
        uaddr_t page = first + i;
        if (model[i])
            expected = page;
        n += model[i];
        assert_int_equal(page_set_next(set, &page), n > 0);
        assert_int_equal(page, n > 0 ? expected : first + i);
    }
    assert_int_equal(page_set_count(set), n);
}

static void random_range(struct page_set *set, bool *model, uaddr_t first)
{
    u32 most = rand() % 3 ? 5 : SET_PAGES / 2;
    u32 from = (u32)rand() % SET_PAGES, end = from + (u32)rand() % most;

    end = MIN(end, SET_PAGES);
    page_set_add_range(set, first + from, first + end);
    for (u32 i = from; i < end; i++)
        model[i] = true;
}

static void sets_hold_what_was_added(void **state)
{
    static const uaddr_t firsts[] = { 0, 7 * PT_ENTRIES, (uaddr_t)-PAGE_SIZE / PAGE_SIZE - SET_PAGES };

    srand(1);
    for (u32 round = 0; round < 60; round++) {
        struct page_set a = { .chunks = NULL }, b = { .chunks = NULL };
        bool model_a[SET_PAGES] = { false }, model_b[SET_PAGES] = { false };
        uaddr_t first = ROUND_DOWN(firsts[round % ARRAY_SIZE(firsts)], PT_ENTRIES);
        for (u32 i = 0; i < round % 9; i++) {
            random_range(&a, model_a, first);
            random_range(&b, model_b, first);
        }
        expect_set(&a, model_a, first);
        page_set_add_set(&a, &b);
        for (u32 i = 0; i < SET_PAGES; i++)
            model_a[i] |= model_b[i];
        expect_set(&a, model_a, first);
        expect_set(&b, model_b, first);
        page_set_release(&a);
        page_set_release(&b);
    }
}

static void a_set_of_far_pages_is_small_and_quick(void **state)
{
    struct page_set set = { .chunks = NULL };
    uaddr_t page = 1, n = 0;

    for (uaddr_t i = 400; i > 0; i--)
        page_set_add_range(&set, i * 10 * PT_ENTRIES + i, i * 10 * PT_ENTRIES + i + 1);
    assert_int_equal(page_set_count(&set), 400);
    for (; page_set_next(&set, &page); page++, n++)
        assert_int_equal(page, (n + 1) * 10 * PT_ENTRIES + n + 1);
    assert_int_equal(n, 400);
    page_set_release(&set);
}

static void a_set_without_memory_is_lost_for_good(void **state)
{
    struct page_set set = { .chunks = NULL }, other = { .chunks = NULL };

    page_set_add_range(&set, 1, 2);
    fault_arm(FAULT_KMALLOC, 1, false);
    page_set_add_range(&set, PT_ENTRIES, PT_ENTRIES + 1);
    assert_true(set.lost);
    page_set_add_range(&set, 1, 2);
    assert_int_equal(page_set_count(&set), 0);
    page_set_add_set(&other, &set);
    assert_true(other.lost);
    page_set_release(&set);
    assert_false(set.lost);
}

// A space with memory from an image across two page tables, a heap and a stack.

#define IMAGE       0x3f8000u
#define IMAGE_PAGES 16

static struct pattern image;

static int space_make(struct vmspace **out)
{
    struct vmspace *space;
    int err = vmspace_create(&space);

    if (err)
        return err;
    err = add_backed(space, &image.backing, IMAGE, IMAGE + IMAGE_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, 0,
                     (IMAGE_PAGES - 2) * PAGE_SIZE + 100);
    if (!err)
        err = add_region(space, STACK, STACK + USER_STACK_MAX, PROT_READ | PROT_WRITE, REGION_STACK, false);
    vmspace_set_heap(space, HEAP, LIMIT);
    if (err)
        vmspace_destroy(space);
    else
        *out = space;
    return err;
}

static struct vmspace *space_run(void)
{
    struct vmspace *space = NULL;

    generous_start(&image, false);
    image.zeros[3] = true;
    assert_int_equal(space_make(&space), 0);
    vmspace_use(space);
    return space;
}

static void space_end(struct vmspace *space)
{
    end_current(space);
    backing_put(&image.backing);
}

static struct mark_label label_of(u64 file, u64 epoch)
{
    return (struct mark_label){ { file, 1, epoch, 0, 0, 0 } };
}

// A snapshot on its way.
struct shot {
    struct vmspace *space;
    const struct page_set *changed;
    struct snapshot_mark *mark;
};

static struct shot shoot(struct vmspace *space, const struct mark_label *base)
{
    struct shot s = { .space = NULL };

    assert_int_equal(vmspace_snapshot(space, base, &s.space, &s.changed, &s.mark), 0);
    assert_true(snapshot_mark_settle(s.mark));
    return s;
}

static void keep(struct shot s, u64 file, u64 epoch)
{
    struct mark_label label = label_of(file, epoch);

    snapshot_mark_keep(s.mark, &label);
    vmspace_destroy(s.space);
}

static void drop(struct shot s)
{
    snapshot_mark_drop(s.mark);
    vmspace_destroy(s.space);
}

static struct shot shoot_since(struct vmspace *space, u64 file, u64 epoch)
{
    struct mark_label base = label_of(file, epoch);

    return shoot(space, &base);
}

static bool marked(struct vmspace *space, u64 file, u64 epoch)
{
    struct mark_label label;

    return vmspace_find_mark(space, file, 1, &label) && label.word[2] == epoch;
}

// The set is exactly these addresses, in order; ends with 0.
static void expect_changed(const struct page_set *set, ...)
{
    uaddr_t page = 0, expected;
    va_list ap;

    assert_non_null(set);
    va_start(ap, set);
    for (; (expected = va_arg(ap, unsigned)); page++) {
        assert_true(page_set_next(set, &page));
        assert_int_equal(page * PAGE_SIZE, expected);
    }
    va_end(ap);
    assert_false(page_set_next(set, &page));
}

static void what_was_written_has_changed_and_nothing_else(void **state)
{
    struct vmspace *space = space_run();
    struct frame *f;
    u8 bytes[3] = { 1, 2, 3 };

    grow(space, 20 * PAGE);
    for (u32 i = 0; i < 20; i++)
        set_byte(HEAP + i * PAGE_SIZE, 1);
    set_byte(IMAGE, 1);
    struct shot s = shoot(space, NULL);
    assert_null(s.changed);
    keep(s, 7, 1);
    assert_true(marked(space, 7, 1));

    assert_int_equal(byte_at(HEAP), 1);
    assert_int_equal(byte_at(IMAGE + 5 * PAGE_SIZE), pattern_byte(5 * PAGE_SIZE));  // brings neighbours
    assert_int_equal(byte_at(IMAGE + 3 * PAGE_SIZE), 0);
    assert_int_equal(byte_at(STACK), 0);
    set_byte(IMAGE + 6 * PAGE_SIZE, 5);  // mapped at once
    set_byte(IMAGE + 12 * PAGE_SIZE, 5);
    set_byte(IMAGE + 15 * PAGE_SIZE, 5);
    set_byte(HEAP + 2 * PAGE_SIZE, 5);
    assert_int_equal(vmspace_pin(space, HEAP + 4 * PAGE_SIZE, FAULT_WRITES, &f), 0);
    frame_put(f);
    assert_int_equal(vmspace_pin(space, HEAP + 5 * PAGE_SIZE, FAULT_READS, &f), 0);
    frame_put(f);
    assert_int_equal(copy_to_user((void *)(uintptr_t)(HEAP + 9 * PAGE_SIZE - 1), bytes, 3), 0);
    set_byte(STACK + PAGE_SIZE, 1);
    assert_int_equal(vmspace_install(space, STACK + 3 * PAGE_SIZE, frame_alloc_zeroed()), 0);
    s = shoot_since(space, 7, 1);
    expect_changed(s.changed, IMAGE + 6 * PAGE_SIZE, IMAGE + 12 * PAGE_SIZE, IMAGE + 15 * PAGE_SIZE,
                   HEAP + 2 * PAGE_SIZE, HEAP + 4 * PAGE_SIZE, HEAP + 8 * PAGE_SIZE, HEAP + 9 * PAGE_SIZE,
                   STACK + PAGE_SIZE, STACK + 3 * PAGE_SIZE, 0);
    keep(s, 7, 2);
    assert_true(marked(space, 7, 2));

    // Without a snapshot alive, and with one.
    set_byte(HEAP, 1);
    s = shoot_since(space, 7, 2);
    expect_changed(s.changed, HEAP, 0);
    set_byte(HEAP + PAGE_SIZE, 1);
    keep(s, 7, 3);
    set_byte(HEAP + 2 * PAGE_SIZE, 1);
    s = shoot_since(space, 7, 3);
    expect_changed(s.changed, HEAP + PAGE_SIZE, HEAP + 2 * PAGE_SIZE, 0);
    drop(s);
    space_end(space);
}

static void a_page_that_the_kernel_can_write_to_already_counts_when_it_is_pinned(void **state)
{
    struct vmspace *space = space_run();
    struct frame *f;

    grow(space, 4 * PAGE);
    keep(shoot(space, NULL), 7, 1);
    assert_int_equal(byte_at(HEAP), 0);  // mapped writable, and clean
    assert_int_equal(vmspace_pin(space, HEAP, FAULT_WRITES, &f), 0);
    *(u8 *)frame_data(f) = 5;
    frame_put(f);
    struct shot s = shoot_since(space, 7, 1);
    expect_changed(s.changed, HEAP, 0);
    drop(s);
    space_end(space);
}

static void pages_given_up_have_changed(void **state)
{
    struct vmspace *space = space_run();

    grow(space, 8 * PAGE);
    set_byte(HEAP + 6 * PAGE_SIZE, 1);
    keep(shoot(space, NULL), 7, 1);
    struct shot s = shoot_since(space, 7, 1);
    grow(space, -2 * PAGE);
    keep(s, 8, 1);
    grow(space, 1);
    for (u64 file = 7; file <= 8; file++) {
        s = shoot_since(space, file, 1);
        expect_changed(s.changed, HEAP + 6 * PAGE_SIZE, HEAP + 7 * PAGE_SIZE, 0);
        drop(s);
    }
    space_end(space);
}

static void a_fork_in_between_hides_nothing(void **state)
{
    struct vmspace *space = space_run(), *child;

    grow(space, 4 * PAGE);
    for (u32 i = 0; i < 4; i++)
        set_byte(HEAP + i * PAGE_SIZE, 1);
    keep(shoot(space, NULL), 7, 1);
    set_byte(HEAP, 2);
    assert_int_equal(vmspace_clone(space, true, &child), 0);
    assert_false(marked(child, 7, 1));
    set_byte(HEAP + PAGE_SIZE, 2);
    vmspace_use(child);
    set_byte(HEAP + 2 * PAGE_SIZE, 2);
    vmspace_use(space);
    struct shot s = shoot_since(space, 7, 1);
    expect_changed(s.changed, HEAP, HEAP + PAGE_SIZE, 0);
    drop(s);
    s = shoot_since(child, 7, 1);
    assert_null(s.changed);
    drop(s);
    vmspace_destroy(child);
    space_end(space);
}

static void a_snapshot_given_up_leaves_the_base_as_it_was(void **state)
{
    struct vmspace *space = space_run();

    grow(space, 4 * PAGE);
    keep(shoot(space, NULL), 7, 1);
    set_byte(HEAP, 1);
    struct shot first = shoot_since(space, 7, 1);
    set_byte(HEAP + PAGE_SIZE, 1);
    assert_true(marked(space, 7, 1));
    struct shot second = shoot_since(space, 7, 1);
    assert_null(second.changed);  // the first one has part of it
    drop(first);
    set_byte(HEAP + 2 * PAGE_SIZE, 1);
    drop(second);
    first = shoot_since(space, 7, 1);
    expect_changed(first.changed, HEAP, HEAP + PAGE_SIZE, HEAP + 2 * PAGE_SIZE, 0);
    keep(first, 8, 1);  // another file: the base stays, and is whole again
    first = shoot_since(space, 7, 1);
    expect_changed(first.changed, HEAP, HEAP + PAGE_SIZE, HEAP + 2 * PAGE_SIZE, 0);
    second = shoot_since(space, 8, 1);
    expect_changed(second.changed, 0);
    drop(second);
    drop(first);
    space_end(space);
}

static void snapshots_to_several_files_do_not_disturb_each_other(void **state)
{
    struct vmspace *space = space_run();

    grow(space, 4 * PAGE);
    keep(shoot(space, NULL), 7, 1);
    set_byte(HEAP, 1);
    struct shot other = shoot(space, NULL);
    set_byte(HEAP + PAGE_SIZE, 1);
    struct shot s = shoot_since(space, 7, 1);
    expect_changed(s.changed, HEAP, HEAP + PAGE_SIZE, 0);
    set_byte(HEAP + 2 * PAGE_SIZE, 1);
    keep(other, 8, 1);  // its instant was before the page above
    keep(s, 7, 2);
    s = shoot_since(space, 8, 1);
    expect_changed(s.changed, HEAP + PAGE_SIZE, HEAP + 2 * PAGE_SIZE, 0);
    drop(s);
    s = shoot_since(space, 7, 2);
    expect_changed(s.changed, HEAP + 2 * PAGE_SIZE, 0);
    drop(s);
    s = shoot_since(space, 7, 1);
    assert_null(s.changed);
    drop(s);
    space_end(space);
}

// Does the mark know what changed?
static bool knows(struct vmspace *space, u64 file, u64 epoch)
{
    struct shot s = shoot_since(space, file, epoch);
    bool yes = s.changed;

    drop(s);
    return yes;
}

static void the_oldest_mark_makes_room(void **state)
{
    struct vmspace *space = space_run();

    for (u64 file = 1; file <= MARKS_KNOWING; file++)
        keep(shoot(space, NULL), file, 1);
    struct shot s = shoot_since(space, 2, 1);
    keep(shoot(space, NULL), 1, 2);
    keep(shoot(space, NULL), 9, 1);
    assert_false(knows(space, 2, 1));
    keep(shoot(space, NULL), 10, 1);
    assert_false(knows(space, 3, 1));
    assert_true(knows(space, 4, 1) && knows(space, 1, 2) && knows(space, 9, 1) && knows(space, 10, 1));
    expect_changed(s.changed, 0);  // still the taker's
    keep(s, 2, 2);
    assert_true(knows(space, 2, 2));
    assert_false(knows(space, 4, 1));
    space_end(space);
}

// So a file is known again after many others, though no longer what changed since.
static void marks_that_know_nothing_are_kept_longer(void **state)
{
    struct vmspace *space = space_run();

    for (u64 file = 1; file <= MARKS_MAX; file++)
        keep(shoot(space, NULL), file, 1);
    for (u64 file = 1; file <= MARKS_MAX; file++) {
        assert_true(marked(space, file, 1));
        assert_true(knows(space, file, 1) == (file > MARKS_MAX - MARKS_KNOWING));
    }
    keep(shoot(space, NULL), MARKS_MAX + 1, 1);
    assert_false(marked(space, 1, 1));
    assert_true(marked(space, 2, 1));
    space_end(space);
}

static void a_snapshot_may_outlive_the_space(void **state)
{
    struct vmspace *space = space_run();

    grow(space, 4 * PAGE);
    keep(shoot(space, NULL), 7, 1);
    set_byte(HEAP, 1);
    struct shot a = shoot_since(space, 7, 1), b = shoot(space, NULL);
    space_end(space);
    expect_changed(a.changed, HEAP, 0);
    keep(a, 7, 2);
    drop(b);
}

static void a_new_space_can_be_marked(void **state)
{
    struct mark_label label = label_of(7, 3);
    struct vmspace *space;

    generous_start(&image, false);
    assert_int_equal(space_make(&space), 0);
    assert_int_equal(vmspace_install(space, STACK, frame_alloc_zeroed()), 0);
    assert_int_equal(vmspace_mark(space, &label), 0);
    vmspace_use(space);
    assert_int_equal(byte_at(IMAGE), pattern_byte(0));
    set_byte(IMAGE + PAGE_SIZE, 1);
    struct shot s = shoot_since(space, 7, 3);
    expect_changed(s.changed, IMAGE + PAGE_SIZE, 0);
    drop(s);
    space_end(space);
}

static void a_mark_that_finds_no_memory_knows_no_change(void **state)
{
    struct vmspace *space = space_run();

    grow(space, 4 * PAGE);
    keep(shoot(space, NULL), 7, 1);
    fault_arm(FAULT_KMALLOC, 1, false);
    grow(space, -PAGE);
    assert_true(marked(space, 7, 1));
    struct shot s = shoot_since(space, 7, 1);
    assert_null(s.changed);
    keep(s, 8, 1);
    assert_true(marked(space, 7, 1));  // whose it is doesn't get lost
    s = shoot_since(space, 7, 1);
    assert_null(s.changed);
    keep(s, 7, 2);
    s = shoot_since(space, 7, 2);
    assert_non_null(s.changed);
    drop(s);
    space_end(space);
}

// Whatever allocation fails while a snapshot is made: either all may have changed, or what changed is known.
static void a_failed_snapshot_forgets_no_change(void **state)
{
    const enum fault_kind kinds[] = { FAULT_FRAME, FAULT_KMALLOC };
    u32 failed = 0;

    for (u32 i = 0; i < 2 * 30; i++) {
        struct vmspace *space = space_run();
        struct mark_label base = label_of(7, 1);
        struct shot s;

        grow(space, 4 * PAGE);
        keep(shoot(space, NULL), 7, 1);
        set_byte(IMAGE, 1);
        set_byte(HEAP, 1);
        set_byte(STACK, 1);
        fault_arm(kinds[i % 2], 1 + i / 2, false);
        int err = vmspace_snapshot(space, &base, &s.space, &s.changed, &s.mark);
        fault_arm(kinds[i % 2], 0, false);
        assert_true(err == 0 || err == -ENOMEM);
        failed += err != 0;
        set_byte(HEAP + PAGE_SIZE, 1);
        if (!err)
            drop(s);
        s = shoot_since(space, 7, 1);
        if (s.changed)
            expect_changed(s.changed, IMAGE, HEAP, HEAP + PAGE_SIZE, STACK, 0);
        drop(s);
        space_end(space);
    }
    assert_true(failed >= 5);
}

// The thread that writes a snapshot out keeps or drops its mark while the process runs on.

struct keeper {
    pthread_t thread;
    struct shot shot;
    u64 epoch;
    bool keeps;
};

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;

    machine_become_cpu(1);
    if (k->keeps)
        keep(k->shot, 7, k->epoch);
    else
        drop(k->shot);
    return NULL;
}

static void marks_are_kept_while_the_process_runs_on(void **state)
{
    struct vmspace *space = space_run();
    u64 epoch = 1;

    srand(1);
    grow(space, 4 * PAGE);
    keep(shoot(space, NULL), 7, epoch);
    keep(shoot(space, NULL), 8, epoch);
    set_byte(HEAP + PAGE_SIZE, 1);
    grow(space, -PAGE);
    grow(space, PAGE);
    for (u64 round = 2; round < 500; round++) {
        struct keeper k = { .shot = shoot_since(space, 7, epoch), .epoch = round, .keeps = round % 3 };
        expect_changed(k.shot.changed, HEAP + PAGE_SIZE, HEAP + 3 * PAGE_SIZE, 0);
        pthread_create(&k.thread, NULL, keeper_main, &k);
        set_byte(HEAP + PAGE_SIZE, (u8)round);
        grow(space, -PAGE);
        struct shot other = shoot_since(space, 8, 1);
        assert_non_null(other.changed);
        drop(other);
        grow(space, PAGE);
        pthread_join(k.thread, NULL);
        epoch = k.keeps ? round : epoch;
    }
    space_end(space);
}

static void changed_pages_come_some_at_a_time(void **state)
{
    struct vmspace *space = space_run();
    struct space_page pages[2];
    uaddr_t va = 0;

    grow(space, 20 * PAGE);
    for (u32 i = 0; i < 20; i++)
        set_byte(HEAP + i * PAGE_SIZE, 1);
    keep(shoot(space, NULL), 1, 1);
    set_byte(HEAP + PAGE_SIZE, 2);
    set_byte(HEAP + 2 * PAGE_SIZE, 2);
    set_byte(HEAP + 5 * PAGE_SIZE, 2);
    grow(space, -PAGE);
    struct shot s = shoot_since(space, 1, 1);
    assert_int_equal(vmspace_next_of_set(s.space, s.changed, &va, pages, 2), 2);
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(pages[i].va, HEAP + (1 + i) * PAGE_SIZE);
        assert_ptr_equal(pages[i].frame, vmspace_present(space, pages[i].va));
    }
    assert_int_equal(vmspace_next_of_set(s.space, s.changed, &va, pages, 2), 2);
    assert_int_equal(pages[0].va, HEAP + 5 * PAGE_SIZE);
    assert_int_equal(pages[1].va, HEAP + 19 * PAGE_SIZE);
    assert_null(pages[1].frame);
    assert_int_equal(vmspace_next_of_set(s.space, s.changed, &va, pages, 2), 0);
    drop(s);
    space_end(space);
}

// How many pages of the heap a space has, as it tells for each region.
static u64 heap_resident(struct vmspace *space)
{
    struct x_region regions[8];
    u32 n = vmspace_export(space, regions, ARRAY_SIZE(regions));

    for (u32 i = 0; i < n; i++)
        if (regions[i].start == HEAP)
            return regions[i].resident_pages;
    return 0;
}

static void pages_are_counted_anew_after_a_change(void **state)
{
    struct vmspace *space = space_run();

    grow(space, (intptr_t)(3 * PT_ENTRIES) * PAGE);  // with a whole table in the middle
    uaddr_t table = ROUND_UP(HEAP, PT_ENTRIES * PAGE_SIZE);
    for (u32 i = 0; i < 5; i++)
        set_byte(table + i * PAGE_SIZE, 1);
    struct shot first = shoot(space, NULL);
    assert_int_equal(heap_resident(first.space), 5);
    assert_int_equal(heap_resident(first.space), 5);
    for (u32 i = 5; i < 9; i++)
        set_byte(table + i * PAGE_SIZE, 1);
    assert_int_equal(heap_resident(space), 9);
    assert_int_equal(heap_resident(first.space), 5);
    struct shot second = shoot(space, NULL);
    assert_int_equal(heap_resident(second.space), 9);
    drop(first);
    drop(second);
    // Now the table is the space's alone, and still closed.
    assert_int_equal(heap_resident(space), 9);
    set_byte(table + 9 * PAGE_SIZE, 1);
    struct shot third = shoot(space, NULL);
    assert_int_equal(heap_resident(third.space), 10);
    drop(third);
    grow(space, -(intptr_t)(3 * PT_ENTRIES) * PAGE);
    assert_int_equal(heap_resident(space), 0);
    space_end(space);
}

// The thread that writes a snapshot out takes references to its pages, while the process opens the table that they are
// in.

#define WRITTEN 1000

struct writer {
    pthread_t thread;
    struct vmspace *snapshot;
    _Atomic bool begun, enough;
};

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    struct frame *frames[WRITTEN];

    machine_become_cpu(1);
    for (u32 i = 0; i < WRITTEN; i++)
        frames[i] = vmspace_present(w->snapshot, HEAP + i * PAGE_SIZE);
    for (u32 i = 0; !w->enough; i = (i + 1) % WRITTEN) {
        w->begun = true;
        frame_put(frame_get(frames[i]));
    }
    return NULL;
}

static void pages_are_counted_while_a_snapshot_is_written(void **state)
{
    struct vmspace *space = space_run();

    grow(space, (intptr_t)WRITTEN * PAGE);
    for (u32 i = 0; i < WRITTEN; i++)
        set_byte(HEAP + i * PAGE_SIZE, (u8)i);
    for (u32 round = 0; round < 200; round++) {
        struct shot s = shoot(space, NULL);
        struct writer w = { .snapshot = s.space };
        pthread_create(&w.thread, NULL, writer_main, &w);
        while (!w.begun)
            sched_yield();
        set_byte(HEAP, (u8)round);
        w.enough = true;
        pthread_join(w.thread, NULL);
        drop(s);
    }
    for (u32 i = 1; i < WRITTEN; i++)
        assert_int_equal(byte_at(HEAP + i * PAGE_SIZE), (u8)i);
    space_end(space);
}

// Everything at random, against a model that knows the contents of all pages at every mark.

#define HEAP_PAGES  24
#define STACK_PAGES 4
#define ALL_PAGES   (IMAGE_PAGES + HEAP_PAGES + STACK_PAGES)
#define FILES       6
#define LIVES       4
#define SHOTS       5

struct contents {
    u8 pages[ALL_PAGES][PAGE_SIZE];
};

struct life {
    struct vmspace *space;
    u32 heap_pages;
    struct contents now;
    struct mark_label last[FILES];  // the last kept to each file; may have been forgotten since
    struct contents *at[FILES];     // what was there then; NULL: none was kept
};

struct model_shot {
    struct shot shot;
    struct life *life;  // NULL: it has ended
    struct contents then, base;
};

static struct life lives[LIVES];
static struct model_shot shots[SHOTS];
static struct vmspace *current;
static u64 epochs;
static u32 known, unchanged, lost;  // how much was to be seen

static uaddr_t address_of(u32 i)
{
    if (i < IMAGE_PAGES)
        return IMAGE + i * PAGE_SIZE;
    i -= IMAGE_PAGES;
    return i < HEAP_PAGES ? HEAP + i * PAGE_SIZE : STACK + (i - HEAP_PAGES) * PAGE_SIZE;
}

static bool page_exists(const struct life *l, u32 i)
{
    return i < IMAGE_PAGES || i >= IMAGE_PAGES + HEAP_PAGES || i - IMAGE_PAGES < l->heap_pages;
}

// No more often than needed: each time the processor forgets what it knows, and a missing flush would not be noticed.
static void use(struct vmspace *space)
{
    if (space != current)
        vmspace_use(space);
    current = space;
}

static void life_forget_marks(struct life *l)
{
    for (u32 file = 0; file < FILES; file++) {
        free(l->at[file]);
        l->at[file] = NULL;
    }
}

static void life_kept(struct life *l, u32 file, const struct mark_label *label, const struct contents *contents)
{
    if (!l->at[file])
        l->at[file] = malloc(sizeof(struct contents));
    *l->at[file] = *contents;
    l->last[file] = *label;
}

static void life_begin(struct life *l)
{
    if (space_make(&l->space)) {
        l->space = NULL;
        return;
    }
    l->heap_pages = 0;
    memset(&l->now, 0, sizeof(l->now));
    for (u32 at = 0; at < (IMAGE_PAGES - 2) * PAGE_SIZE + 100; at++)
        if (!image.zeros[at / PAGE_SIZE])
            l->now.pages[at / PAGE_SIZE][at % PAGE_SIZE] = pattern_byte(at);
    struct mark_label label = label_of(0, ++epochs);
    if (rand() % 2 && vmspace_mark(l->space, &label) == 0)
        life_kept(l, 0, &label, &l->now);
}

static void life_end(struct life *l)
{
    use(NULL);
    vmspace_destroy(l->space);
    l->space = NULL;
    life_forget_marks(l);
    for (u32 i = 0; i < SHOTS; i++)
        if (shots[i].life == l)
            shots[i].life = NULL;
}

static void life_write(struct life *l, u32 i)
{
    u8 bytes[4] = { (u8)rand(), (u8)rand(), (u8)rand(), 1 };
    u32 at = (u32)rand() % (PAGE_SIZE - 4);

    use(l->space);
    if (page_exists(l, i) && user_write(address_of(i) + at, bytes, 4) == 0)
        memcpy(l->now.pages[i] + at, bytes, 4);
}

// As read(2) does it: past the page tables.
static void life_write_pinned(struct life *l, u32 i)
{
    struct frame *f;
    u32 at = (u32)rand() % PAGE_SIZE;

    if (!page_exists(l, i) || vmspace_pin(l->space, address_of(i), FAULT_WRITES, &f))
        return;
    ((u8 *)frame_data(f))[at] = l->now.pages[i][at] = (u8)rand();
    frame_put(f);
}

static void life_read(struct life *l, u32 i)
{
    static u8 page[PAGE_SIZE];

    use(l->space);
    if (page_exists(l, i) && user_read(address_of(i), page, PAGE_SIZE) == 0)
        assert_memory_equal(page, l->now.pages[i], PAGE_SIZE);
}

static void life_brk(struct life *l)
{
    u32 pages = (u32)rand() % (HEAP_PAGES + 1);
    uaddr_t old;

    if (vmspace_brk(l->space, ((intptr_t)pages - (intptr_t)l->heap_pages) * PAGE, &old))
        return;
    for (u32 i = pages; i < l->heap_pages; i++)
        memset(l->now.pages[IMAGE_PAGES + i], 0, PAGE_SIZE);
    l->heap_pages = pages;
}

static void life_fork(struct life *from, struct life *to)
{
    if (to->space || vmspace_clone(from->space, true, &to->space))
        return;
    to->heap_pages = from->heap_pages;
    to->now = from->now;
    assert_null(to->space->tracking);
}

// Before it is looked at; now and then that is when others have been begun.
static void shot_settle(struct model_shot *m)
{
    if (!snapshot_mark_settle(m->shot.mark))
        m->shot.changed = NULL;
}

// The changed pages, a few at a time, are those of the set.
static void check_list(const struct shot *s)
{
    struct space_page pages[9];
    uaddr_t va = 0, page = 0;
    u32 n;

    while ((n = vmspace_next_of_set(s->space, s->changed, &va, pages, 1 + (u32)rand() % 9))) {
        for (u32 i = 0; i < n; i++, page++) {
            assert_true(page_set_next(s->changed, &page));
            assert_int_equal(pages[i].va, page * PAGE_SIZE);
            assert_ptr_equal(pages[i].frame, vmspace_present(s->space, pages[i].va));
        }
    }
    assert_false(page_set_next(s->changed, &page));
}

static void check_unchanged(struct model_shot *m)
{
    shot_settle(m);
    if (!m->shot.changed)
        return;
    check_list(&m->shot);
    for (u32 i = 0; i < ALL_PAGES; i++) {
        uaddr_t page = address_of(i) / PAGE_SIZE, next = page;
        if (page_set_next(m->shot.changed, &next) && next == page)
            continue;
        assert_memory_equal(m->then.pages[i], m->base.pages[i], PAGE_SIZE);
        unchanged++;
    }
}

static void check_snapshot(struct model_shot *m)
{
    struct frame *f;
    u32 i = (u32)rand() % ALL_PAGES;

    shot_settle(m);
    if (vmspace_pin(m->shot.space, address_of(i), FAULT_READS, &f))
        return;
    assert_memory_equal(frame_data(f), m->then.pages[i], PAGE_SIZE);
    frame_put(f);
}

static void shot_begin(struct life *l, struct model_shot *m)
{
    u32 file = (u32)rand() % FILES;
    struct mark_label label, wrong = label_of(file, 999999999);
    const struct mark_label *base = rand() % 4 ? &label : &wrong;
    bool found = vmspace_find_mark(l->space, file, 1, &label);

    if (!found)
        base = rand() % 2 ? &wrong : NULL;
    if (vmspace_snapshot(l->space, base, &m->shot.space, &m->shot.changed, &m->shot.mark)) {
        m->shot.space = NULL;
        return;
    }
    m->life = l;
    m->then = l->now;
    assert_true(!m->shot.changed || base == &label);
    if (m->shot.changed) {
        // It's a mark that the model knows, and that was kept last.
        assert_non_null(l->at[file]);
        assert_memory_equal(&label, &l->last[file], sizeof(label));
        m->base = *l->at[file];
        known++;
    } else if (found && base == &label) {
        lost++;
    }
    if (rand() % 2)
        check_unchanged(m);
}

static void shot_end(struct model_shot *m)
{
    u32 file = (u32)rand() % FILES;
    struct mark_label label = label_of(file, ++epochs);

    if (rand() % 2)
        check_unchanged(m);
    if (rand() % 3 == 0) {
        snapshot_mark_drop(m->shot.mark);
    } else {
        snapshot_mark_keep(m->shot.mark, &label);
        if (m->life)
            life_kept(m->life, file, &label, &m->then);
    }
    vmspace_destroy(m->shot.space);
    m->shot.space = NULL;
}

static void shot_step(struct life *l)
{
    struct model_shot *m = &shots[rand() % SHOTS];

    if (!m->shot.space)
        shot_begin(l, m);
    else if (rand() % 2)
        check_snapshot(m);
    else
        shot_end(m);
}

static void step(struct life *l)
{
    u32 page = (u32)rand() % ALL_PAGES;
    int what = rand() % 200;

    if (!l->space) {
        life_begin(l);
        return;
    }
    // A process is marked while it runs, or while another one does.
    if (rand() % 4)
        use(l->space);
    if (what < 30)
        shot_step(l);
    else if (what < 31)
        life_end(l);
    else if (what < 34)
        life_fork(l, &lives[rand() % LIVES]);
    else if (what < 50)
        life_brk(l);
    else if (what < 70)
        life_write_pinned(l, page);
    else if (what < 140)
        life_write(l, page);
    else
        life_read(l, page);
}

static int interrupted(void)
{
    return -EINTR;
}

static void random_marks_agree_with_the_model(void **state)
{
    machine_sleep = interrupted;
    generous_start(&image, false);
    image.moody = true;
    image.zeros[2] = image.zeros[9] = true;
    srand(1);
    current = NULL;
    for (u32 i = 0, who = 0; i < 200000; i++) {
        bool fails = i / 5000 % 2;
        if (i % 16 == 0)
            who = (u32)rand() % LIVES;
        if (i % 50 == 0)
            fault_arm(FAULT_FRAME, fails ? 1 + (u32)rand() % 100 : 0, false);
        if (i % 70 == 0)
            fault_arm(FAULT_KMALLOC, fails ? 1 + (u32)rand() % 60 : 0, false);
        step(&lives[who]);
    }
    fault_arm(FAULT_KMALLOC, 0, false);
    fault_arm(FAULT_FRAME, 0, false);
    for (u32 i = 0; i < LIVES; i++)
        life_end(&lives[i]);
    for (u32 i = 0; i < SHOTS; i++)
        if (shots[i].shot.space)
            shot_end(&shots[i]);
    use(NULL);
    backing_put(&image.backing);
    assert_true(image.destroyed);
    assert_in_range(known, 1000, 1000000);  // or the test would say little
    assert_in_range(unchanged, 10 * known, 1000000);
    assert_in_range(lost, 1, known);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(sets_hold_what_was_added),
        T(a_set_of_far_pages_is_small_and_quick),
        T(a_set_without_memory_is_lost_for_good),
        T(what_was_written_has_changed_and_nothing_else),
        T(a_page_that_the_kernel_can_write_to_already_counts_when_it_is_pinned),
        T(pages_given_up_have_changed),
        T(a_fork_in_between_hides_nothing),
        T(a_snapshot_given_up_leaves_the_base_as_it_was),
        T(snapshots_to_several_files_do_not_disturb_each_other),
        T(the_oldest_mark_makes_room),
        T(marks_that_know_nothing_are_kept_longer),
        T(a_snapshot_may_outlive_the_space),
        T(a_new_space_can_be_marked),
        T(a_mark_that_finds_no_memory_knows_no_change),
        T(a_failed_snapshot_forgets_no_change),
        T(marks_are_kept_while_the_process_runs_on),
        T(changed_pages_come_some_at_a_time),
        T(pages_are_counted_anew_after_a_change),
        T(pages_are_counted_while_a_snapshot_is_written),
        T(random_marks_agree_with_the_model),
    };
    return cmocka_run_group_tests_name("mm: marks", tests, start, NULL);
}
