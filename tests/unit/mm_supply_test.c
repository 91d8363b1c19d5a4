// Unit tests of how kernel/mm asks backings for pages, and of walking over what a space consists of.
#include "mm/spaces.h"
#include <base/string.h>
#include <kern/fault.h>
#include <stdlib.h>
#include <uapi/errno.h>

#define IMAGE 0x3f0000u  // its pages lie in two page tables

static struct pattern image;

// A space with `pages` pages of the image, of which so many bytes are filled.
static struct vmspace *image_space(u32 pages, u64 filled, u8 prot)
{
    struct vmspace *space;

    assert_int_equal(vmspace_create(&space), 0);
    assert_int_equal(add_backed(space, &image.backing, IMAGE, IMAGE + pages * PAGE_SIZE, prot, 0, filled), 0);
    return space;
}

static struct vmspace *image_run(u32 pages, u64 filled)
{
    struct vmspace *space = image_space(pages, filled, PROT_READ | PROT_WRITE);

    vmspace_use(space);
    return space;
}

static u32 resident(struct vmspace *space)
{
    return space->resident;
}

static void image_end(struct vmspace *space)
{
    end_current(space);
    backing_put(&image.backing);
    assert_true(image.destroyed);
}

static void going_upwards_asks_for_more_and_more(void **state)
{
    static const u32 expected[] = { 4, 12, 28, 60, 124, 188, 200 };
    generous_start(&image, false);
    struct vmspace *space = image_run(200, 200 * PAGE_SIZE);
    u32 fetches = 0;

    for (u32 i = 0; i < 200; i++) {
        assert_int_equal(byte_at(IMAGE + i * PAGE_SIZE + i), pattern_byte(i * PAGE_SIZE + i));
        if (image.asked != fetches)
            assert_int_equal(resident(space), expected[fetches++]);
        set_byte(IMAGE + i * PAGE_SIZE, 1);
    }
    assert_int_equal(fetches, ARRAY_SIZE(expected));
    assert_int_equal(image.wanted, 200);
    image_end(space);
}

static void going_elsewhere_asks_for_a_few(void **state)
{
    generous_start(&image, true);
    struct vmspace *space = image_run(250, 250 * PAGE_SIZE);

    for (u32 i = 0; i < 20; i++) {
        uaddr_t page = (i % 2 ? 240 - i * 5 : 20 + i * 5) * PAGE_SIZE;
        assert_int_equal(byte_at(IMAGE + page), pattern_byte(page));
    }
    assert_in_range(image.wanted, 20, 20 * 4);
    assert_in_range(resident(space), 20, 20 * 4);
    image_end(space);
}

static void code_comes_in_pieces(void **state)
{
    generous_start(&image, true);
    struct vmspace *space = image_space(40, 40 * PAGE_SIZE, PROT_READ | PROT_EXEC);

    assert_int_equal(vmspace_fault(space, IMAGE + 30 * PAGE_SIZE, FAULT_EXECUTES), 0);
    assert_int_equal(resident(space), 10);
    assert_int_equal(vmspace_fault(space, IMAGE, FAULT_EXECUTES), 0);
    assert_int_equal(resident(space), 26);
    assert_int_equal(image.asked, 2);
    vmspace_use(space);
    image_end(space);
}

static void what_is_there_stays(void **state)
{
    generous_start(&image, false);
    struct vmspace *space = image_run(20, 20 * PAGE_SIZE);

    set_byte(IMAGE + 2 * PAGE_SIZE, 0xee);  // brings 2 to 5
    assert_int_equal(byte_at(IMAGE), pattern_byte(0));
    assert_int_equal(image.wanted, 4 + 2);
    assert_int_equal(byte_at(IMAGE + 2 * PAGE_SIZE), 0xee);
    assert_int_equal(byte_at(IMAGE + 3 * PAGE_SIZE), pattern_byte(3 * PAGE_SIZE));
    assert_int_equal(resident(space), 6);
    image_end(space);
}

static void nothing_comes_from_past_the_end(void **state)
{
    generous_start(&image, false);
    struct vmspace *space = image_run(6, 2 * PAGE_SIZE + 100);

    for (u32 at = 0; at < 6 * PAGE_SIZE; at += 50)
        assert_int_equal(byte_at(IMAGE + at), at < 2 * PAGE_SIZE + 100 ? pattern_byte(at) : 0);
    assert_int_equal(image.asked, 1);
    assert_int_equal(image.wanted, 3);
    image_end(space);
}

static void pages_of_zeros_need_no_frame_of_the_backing(void **state)
{
    generous_start(&image, false);
    image.zeros[0] = image.zeros[2] = image.zeros[3] = true;
    struct vmspace *space = image_run(10, 10 * PAGE_SIZE);

    assert_int_equal(byte_at(IMAGE), 0);  // the first, and with it only what has contents
    assert_int_equal(resident(space), 2);
    assert_non_null(vmspace_present(space, IMAGE + PAGE_SIZE));
    assert_null(vmspace_present(space, IMAGE + 2 * PAGE_SIZE));
    assert_true(vmspace_supplied(space, IMAGE + 2 * PAGE_SIZE));
    set_byte(IMAGE + 3 * PAGE_SIZE, 5);
    assert_int_equal(byte_at(IMAGE + 3 * PAGE_SIZE + 1), 0);
    assert_int_equal(byte_at(IMAGE + 2 * PAGE_SIZE), 0);
    assert_int_equal(byte_at(IMAGE + 3 * PAGE_SIZE), 5);
    image_end(space);
}

static void a_page_is_there_even_if_its_neighbours_find_no_room(void **state)
{
    struct vmspace *other;
    generous_start(&image, false);
    struct region r = {
        .start = IMAGE,
        .end = IMAGE + 100 * PAGE_SIZE,
        .prot = PROT_READ | PROT_WRITE,
        .backing = backing_get(&image.backing),
        .filled = 100 * PAGE_SIZE,
    };
    struct vmspace *space;
    assert_int_equal(vmspace_create(&space), 0);
    assert_int_equal(vmspace_add(space, &r), 0);
    assert_int_equal(vmspace_create(&other), 0);
    uaddr_t most = (uaddr_t)(commit_limit() - commit_used() - 2) * PAGE_SIZE;
    assert_int_equal(add_region(other, HEAP, HEAP + most, PROT_READ | PROT_WRITE, REGION_DATA, true), 0);

    vmspace_use(space);
    assert_int_equal(byte_at(IMAGE), pattern_byte(0));
    assert_int_equal(resident(space), 2);
    assert_int_equal(commit_used(), commit_limit());
    u8 byte;
    assert_int_equal(user_read(IMAGE + 50 * PAGE_SIZE, &byte, 1), -ENOMEM);
    vmspace_destroy(other);
    assert_int_equal(byte_at(IMAGE + 50 * PAGE_SIZE), pattern_byte(50 * PAGE_SIZE));
    image_end(space);
}

static void neighbours_that_others_have_too_are_copied_when_written(void **state)
{
    generous_start(&image, true);
    struct vmspace *space = image_run(20, 20 * PAGE_SIZE);

    assert_int_equal(byte_at(IMAGE), pattern_byte(0));
    set_byte(IMAGE + PAGE_SIZE, 0xab);
    assert_int_equal(*(u8 *)frame_data(image.kept[1]), pattern_byte(PAGE_SIZE));
    assert_ptr_equal(frame_behind(space, IMAGE + 2 * PAGE_SIZE), image.kept[2]);
    image_end(space);
}

static void a_snapshot_can_be_asked_for_what_was_never_touched(void **state)
{
    generous_start(&image, false);
    struct vmspace *space = image_run(20, 20 * PAGE_SIZE), *snapshot;
    struct frame *f;

    assert_int_equal(vmspace_clone(space, false, &snapshot), 0);
    set_byte(IMAGE, 0x99);
    u64 promised = commit_used();
    for (u32 i = 0; i < 20; i++) {
        assert_int_equal(vmspace_pin(snapshot, IMAGE + i * PAGE_SIZE, FAULT_READS, &f), 0);
        assert_int_equal(*(u8 *)frame_data(f), pattern_byte(i * PAGE_SIZE));
        frame_put(f);
    }
    assert_int_equal(commit_used(), promised);
    assert_int_equal(vmspace_pin(snapshot, IMAGE, FAULT_WRITES, &f), -EFAULT);
    vmspace_destroy(snapshot);
    image_end(space);
}

// Walking over a space

#define AT_MOST 8

// The same pages, however many are asked for at a time.
static void expect_pages(struct vmspace *space, const u32 *pages, const bool *present, u32 n)
{
    struct space_page found[AT_MOST];

    for (u32 most = 1; most <= AT_MOST; most++) {
        uaddr_t va = 0;
        u32 count;
        for (u32 i = 0; i < n; i++) {
            const struct space_page *p = &found[i % most];
            if (i % most == 0) {
                assert_int_equal(vmspace_next_pages(space, &va, found, most, &count), 0);
                assert_int_equal(count, MIN(most, n - i));
            }
            assert_int_equal((p->va - IMAGE) / PAGE_SIZE, pages[i]);
            assert_int_equal(p->frame != NULL, present[i]);
            assert_ptr_equal(p->frame, vmspace_present(space, p->va));
            assert_true(present[i] || vmspace_supplied(space, p->va));
        }
        assert_int_equal(vmspace_next_pages(space, &va, found, most, &count), -ENOENT);
    }
}

static void what_is_known_to_be_zeros_is_passed_over(void **state)
{
    static const u32 pages[] = { 1, 3, 10, 30, 40 };
    static const bool present[] = { false, true, false, true, true };
    generous_start(&image, false);
    image.at_once = 1;
    memset(image.zeros, true, sizeof(image.zeros));
    image.zeros[1] = image.zeros[10] = image.zeros[100] = false;
    struct vmspace *space = image_run(60, 35 * PAGE_SIZE);

    set_byte(IMAGE + 3 * PAGE_SIZE, 1);
    set_byte(IMAGE + 30 * PAGE_SIZE, 1);
    set_byte(IMAGE + 40 * PAGE_SIZE, 1);
    expect_pages(space, pages, present, ARRAY_SIZE(pages));
    image_end(space);
}

static void a_backing_of_nothing_but_zeros_has_no_pages(void **state)
{
    struct space_page found;
    uaddr_t va = 0;
    u32 count;
    generous_start(&image, false);
    memset(image.zeros, true, sizeof(image.zeros));
    struct vmspace *space = image_run(60, 60 * PAGE_SIZE);

    assert_int_equal(vmspace_next_pages(space, &va, &found, 1, &count), -ENOENT);
    assert_null(vmspace_present(space, IMAGE));
    assert_null(vmspace_present(space, USER_END));
    assert_false(vmspace_supplied(space, IMAGE - 1));
    assert_false(vmspace_supplied(space, IMAGE + 60 * PAGE_SIZE));
    image_end(space);
}

static void an_error_while_walking_reaches_the_caller(void **state)
{
    struct space_page found[20];
    uaddr_t va = IMAGE + 4 * PAGE_SIZE;
    u32 count;
    u8 byte;
    generous_start(&image, false);
    struct vmspace *space = image_run(20, 20 * PAGE_SIZE);

    set_byte(IMAGE + 4 * PAGE_SIZE, 1);
    image.fails = true;
    // What is present need not be asked for, and is told of before the error is.
    assert_int_equal(vmspace_next_pages(space, &va, found, ARRAY_SIZE(found), &count), 0);
    assert_int_equal(count, resident(space));
    assert_int_equal(vmspace_next_pages(space, &va, found, ARRAY_SIZE(found), &count), -EIO);
    va = IMAGE;
    assert_int_equal(vmspace_next_pages(space, &va, found, ARRAY_SIZE(found), &count), -EIO);
    assert_int_equal(user_read(IMAGE, &byte, 1), -EIO);
    image.fails = false;
    assert_int_equal(byte_at(IMAGE), pattern_byte(0));
    image_end(space);
}

// Everything at random: any number of pages is given, memory may fail, and what is read is what was there.

#define RANDOM_PAGES 230

static void random_access(struct vmspace *space, u8 *first)
{
    static u32 page;
    page = rand() % 3 ? (page + 1) % RANDOM_PAGES : (u32)rand() % RANDOM_PAGES;
    uaddr_t va = IMAGE + page * PAGE_SIZE;
    u8 byte = (u8)rand();
    struct frame *f = NULL;

    switch (rand() % 4) {
    case 0:
        if (user_write(va, &byte, 1) == 0)
            first[page] = byte;
        break;
    case 1:
        if (vmspace_pin(space, va, rand() % 2 ? FAULT_WRITES : FAULT_READS, &f) == 0) {
            assert_int_equal(*(u8 *)frame_data(f), first[page]);
            frame_put(f);
        }
        break;
    default:
        if (user_read(va, &byte, 1) == 0)
            assert_int_equal(byte, first[page]);
    }
}

static int interrupted(void)
{
    return -EINTR;
}

static void random_round(bool keeps)
{
    u8 first[RANDOM_PAGES];
    generous_start(&image, keeps);
    image.moody = true;
    for (u32 i = 0; i < RANDOM_PAGES; i++) {
        image.zeros[i] = rand() % 4 == 0;
        first[i] = image.zeros[i] ? 0 : pattern_byte(i * PAGE_SIZE);
    }
    struct vmspace *space = image_run(RANDOM_PAGES, RANDOM_PAGES * PAGE_SIZE);

    for (u32 i = 0; i < 500; i++) {
        if (i % 20 == 0)
            fault_arm(rand() % 2 ? FAULT_FRAME : FAULT_KMALLOC, 1 + (u32)rand() % 60, false);
        image.fails = rand() % 20 == 0;
        random_access(space, first);
    }
    fault_arm(FAULT_FRAME, 0, false);
    fault_arm(FAULT_KMALLOC, 0, false);
    image_end(space);
}

static void random_faults_agree_with_the_model(void **state)
{
    machine_sleep = interrupted;
    srand(1);
    for (u32 i = 0; i < 200; i++)
        random_round(i % 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(going_upwards_asks_for_more_and_more),
        T(going_elsewhere_asks_for_a_few),
        T(code_comes_in_pieces),
        T(what_is_there_stays),
        T(nothing_comes_from_past_the_end),
        T(pages_of_zeros_need_no_frame_of_the_backing),
        T(a_page_is_there_even_if_its_neighbours_find_no_room),
        T(neighbours_that_others_have_too_are_copied_when_written),
        T(a_snapshot_can_be_asked_for_what_was_never_touched),
        T(what_is_known_to_be_zeros_is_passed_over),
        T(a_backing_of_nothing_but_zeros_has_no_pages),
        T(an_error_while_walking_reaches_the_caller),
        T(random_faults_agree_with_the_model),
    };
    return cmocka_run_group_tests_name("mm: supply", tests, start, NULL);
}
