// Unit tests of kernel/mm, with kern's real spin locks and fault points, over the machine of tests/unit/mm/.
#include "mm/spaces.h"
#include <base/string.h>
#include <kern/fault.h>
#include <kern/spinlock.h>
#include <mm/frame.h>
#include <mm/kmalloc.h>
#include <mm/usercopy.h>
#include <mm/vmspace.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <uapi/errno.h>
#include <unistd.h>

static int program_create(struct backing *file, struct vmspace **out)
{
    struct vmspace *space;
    int err = vmspace_create(&space);

    if (err)
        return err;
    err = add_backed(space, file, TEXT, TEXT + 4 * PAGE_SIZE, PROT_READ | PROT_EXEC, 0, 4 * PAGE_SIZE);
    if (!err)
        err =
            add_backed(space, file, DATA, DATA + 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, 4 * PAGE_SIZE, PAGE_SIZE + 100);
    if (!err)
        err = add_region(space, STACK, STACK + USER_STACK_MAX, PROT_READ | PROT_WRITE, REGION_STACK, false);
    vmspace_set_heap(space, HEAP, LIMIT);
    if (err)
        vmspace_destroy(space);
    else
        *out = space;
    return err;
}

static struct vmspace *program_run(struct backing *file)
{
    struct vmspace *space = NULL;

    assert_int_equal(program_create(file, &space), 0);
    vmspace_use(space);
    return space;
}

// The frames

static void memory_is_limited_by_the_option(void **state)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        machine_start("root=vda mem=8M");
        frames_init();
        _exit(frames_total() <= 2048 && frames_total() > 1900 && frame_at(0x900000) == NULL ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void there_are_no_frames_in_holes(void **state)
{
    assert_null(frame_at(0));
    assert_null(frame_at(0xa0000));
    assert_null(frame_at(0xa00000));
    assert_null(frame_at((paddr_t)24 << 20));
    assert_null(frame_at(0x1000));  // the table of frames itself
    assert_non_null(frame_at(0x9e000));
    assert_non_null(frame_at(0x9fffff));
    assert_ptr_equal(frame_of((u8 *)frame_data(frame_at(0x9e000)) + 5), frame_at(0x9e000));
}

static void runs_are_aligned_and_apart(void **state)
{
    static struct frame *runs[64];

    for (u32 i = 0; i < ARRAY_SIZE(runs); i++) {
        unsigned order = i % 6;
        runs[i] = frames_alloc(order);
        assert_non_null(runs[i]);
        assert_int_equal(frame_addr(runs[i]) % ((paddr_t)PAGE_SIZE << order), 0);
        memset(frame_data(runs[i]), (int)i, (size_t)PAGE_SIZE << order);
    }
    for (u32 i = 0; i < ARRAY_SIZE(runs); i++) {
        const u8 *data = frame_data(runs[i]);
        assert_int_equal(data[0], i);
        assert_int_equal(data[((size_t)PAGE_SIZE << i % 6) - 1], i);
        assert_ptr_equal(frame_of(frame_data(runs[i])), runs[i]);
        frame_put(runs[i]);
    }
}

static u32 largest_runs(void)
{
    struct frame *runs[16];
    u32 n = 0;

    while ((runs[n] = frames_alloc(FRAME_ORDER_MAX)))
        n++;
    for (u32 i = 0; i < n; i++)
        frame_put(runs[i]);
    return n;
}

static void all_memory_can_be_taken_and_unites_again(void **state)
{
    u32 large = largest_runs();
    u32 n = frames_free();
    struct frame **all = calloc(n, sizeof(*all));

    for (u32 i = 0; i < n; i++) {
        all[i] = frame_alloc();
        assert_non_null(all[i]);
        assert_true(frame_at(frame_addr(all[i])) == all[i]);
    }
    assert_null(frame_alloc());
    assert_int_equal(frames_free(), 0);
    for (u32 i = 0; i < n; i++)
        frame_put(all[i * 7919ull % n]);
    free(all);
    assert_int_equal(largest_runs(), large);
    assert_true(large >= 3);
}

static void a_frame_lives_as_long_as_it_is_referenced(void **state)
{
    u32 before = frames_free();
    struct frame *f = frame_alloc_zeroed();

    assert_true(memory_is_zero(frame_data(f), PAGE_SIZE));
    assert_ptr_equal(frame_get(f), f);
    frame_put(f);
    assert_int_equal(frames_free(), before - 1);
    frame_put(f);
    assert_int_equal(frames_free(), before);
}

// 64 pages apart: see frame_duplicate().
static bool collide(struct frame *a, struct frame *b)
{
    return (frame_addr(a) / PAGE_SIZE - frame_addr(b) / PAGE_SIZE) % 64 == 0;
}

static void duplicates_are_exact_and_do_not_collide(void **state)
{
    static struct frame *others[100];
    struct frame *f = frame_alloc(), *copy;
    u8 *source = frame_data(f);
    u32 n = 0;

    for (u32 i = 0; i < PAGE_SIZE; i++)
        source[i] = pattern_byte(i);
    do {
        assert_true(n < ARRAY_SIZE(others));
        others[n++] = frame_alloc();
    } while (!collide(others[n - 1], f));
    frame_put(others[--n]);  // this is what the next one would get
    copy = frame_duplicate(f);
    assert_memory_equal(frame_data(copy), source, PAGE_SIZE);
    assert_false(collide(copy, f));
    frame_put(copy);
    frame_put(f);
    while (n > 0)
        frame_put(others[--n]);
}

static struct frame *cached[40];

static u32 cached_count(void)
{
    u32 n = 0;

    for (u32 i = 0; i < ARRAY_SIZE(cached); i++)
        n += cached[i] != NULL;
    return n;
}

static u32 cached_shrink(u32 want)
{
    u32 n = 0;

    assert_int_equal(irq_nesting(), 0);
    for (u32 i = 0; i < ARRAY_SIZE(cached) && n < want; i++) {
        if (cached[i]) {
            frame_put(cached[i]);
            cached[i] = NULL;
            n++;
        }
    }
    return n;
}

static void caches_shrink_when_memory_is_out(void **state)
{
    static struct shrinker shrinker = { cached_shrink, cached_count, NULL };
    static struct spinlock lock = SPINLOCK_INIT("test", RANK_PROC);
    struct frame *others[7000];
    u32 n = 0;

    shrinker_register(&shrinker);
    for (u32 i = 0; i < ARRAY_SIZE(cached); i++)
        cached[i] = frame_alloc();
    assert_int_equal(frames_reclaimable(), ARRAY_SIZE(cached));
    u32 free_before = frames_free();
    for (; n < free_before + 10; n++) {
        others[n] = frame_alloc();
        assert_non_null(others[n]);
    }
    assert_true(cached_count() < ARRAY_SIZE(cached));
    while ((others[n] = frame_alloc()))
        n++;
    assert_int_equal(cached_count(), 0);

    cached[0] = others[--n];
    spin_lock(&lock);
    assert_null(frame_alloc());  // under a spin lock nobody is asked
    spin_unlock(&lock);
    assert_int_equal(cached_count(), 1);
    others[n] = frame_alloc();
    assert_non_null(others[n++]);
    while (n > 0)
        frame_put(others[--n]);
}

// kmalloc

static void objects_are_aligned_apart_and_counted(void **state)
{
    static u8 *objects[600];
    u64 live = kmem_live();

    for (u32 i = 0; i < ARRAY_SIZE(objects); i++) {
        size_t size = i * 7 + 1;
        objects[i] = kmalloc(size);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % 16, 0);
        memset(objects[i], (int)i, size);
    }
    assert_int_equal(kmem_live(), live + ARRAY_SIZE(objects));
    for (u32 i = 0; i < ARRAY_SIZE(objects); i++) {
        size_t size = i * 7 + 1;
        for (size_t at = 0; at < size; at++)
            assert_int_equal(objects[i][at], (u8)i);
    }
    for (u32 i = 0; i < ARRAY_SIZE(objects); i++)
        kfree(objects[i * 7 % ARRAY_SIZE(objects)]);
    kfree(NULL);
}

static void powers_of_two_are_aligned_to_themselves(void **state)
{
    for (size_t size = 16; size <= 4096; size *= 2) {
        void *p = kmalloc(size), *q = kmalloc(size);
        assert_int_equal((uintptr_t)p % size, 0);
        assert_int_equal((uintptr_t)q % size, 0);
        assert_ptr_not_equal(p, q);
        kfree(p);
        kfree(q);
    }
}

static void no_bytes_are_an_object(void **state)
{
    u64 live = kmem_live();
    void *p = kmalloc(0), *q = kzalloc(0);

    assert_non_null(p);
    assert_non_null(q);
    assert_ptr_not_equal(p, q);
    assert_int_equal(kmem_live(), live + 2);
    kfree(p);
    kfree(q);
}

static void zeroed_and_large_objects(void **state)
{
    u8 *dirty = kmalloc(128 << 10);
    memset(dirty, 0xff, 128 << 10);
    kfree(dirty);
    u8 *p = kzalloc(128 << 10);
    assert_true(memory_is_zero(p, 128 << 10));
    kfree(p);
    assert_null(kmalloc((128 << 10) + 1));
    assert_null(kmalloc(SIZE_MAX));
    char *text = kstrdup("amber");
    assert_string_equal(text, "amber");
    kfree(text);
}

static void an_allocation_fails_on_request(void **state)
{
    fault_arm(FAULT_KMALLOC, 2, false);
    void *p = kmalloc(10);
    assert_non_null(p);
    assert_null(kmalloc(10));
    kfree(p);
    fault_arm(FAULT_FRAME, 1, false);
    assert_null(kmalloc(2000));
}

static void many_frames_come_all_or_none(void **state)
{
    static struct frame *frames[7000];
    u32 before = frames_free();

    fault_arm(FAULT_FRAME, 60, false);
    assert_int_equal(frames_alloc_each(frames, 100), -ENOMEM);
    assert_int_equal(frames_free(), before);
    assert_int_equal(frames_alloc_each(frames, before + 1), -ENOMEM);
    assert_int_equal(frames_free(), before);
    assert_int_equal(frames_alloc_each(frames, before), 0);
    assert_int_equal(frames_free(), 0);
    for (u32 i = 0; i < before; i++) {
        assert_true(frame_at(frame_addr(frames[i])) == frames[i]);
        frame_put(frames[i]);
    }
    assert_int_equal(frames_free(), before);
}

// Regions

static void regions_do_not_overlap(void **state)
{
    struct vmspace *space;
    assert_int_equal(vmspace_create(&space), 0);

    assert_int_equal(add_region(space, 0x3000, 0x5000, PROT_READ, REGION_DATA, true), 0);
    assert_int_equal(add_region(space, 0x5000, 0x6000, PROT_READ, REGION_DATA, true), 0);
    assert_int_equal(add_region(space, 0x1000, 0x3000, PROT_READ, REGION_DATA, true), 0);
    assert_int_equal(add_region(space, 0x2000, 0x4000, PROT_READ, REGION_DATA, true), -EINVAL);
    assert_int_equal(add_region(space, 0x4000, 0x5000, PROT_READ, REGION_DATA, true), -EINVAL);
    assert_int_equal(add_region(space, 0, 0x7000, PROT_READ, REGION_DATA, true), -EINVAL);

    struct x_region x[4];
    assert_int_equal(vmspace_export(space, x, 2), 3);
    assert_int_equal(vmspace_export(space, x, 4), 3);
    assert_int_equal(x[0].start, 0x1000);
    assert_int_equal(x[1].start, 0x3000);
    assert_int_equal(x[2].end, 0x6000);
    vmspace_destroy(space);
}

static void senseless_regions_are_refused(void **state)
{
    struct vmspace *space;
    struct pattern file;
    struct backing *b = pattern_start(&file, false);
    assert_int_equal(vmspace_create(&space), 0);

    assert_int_equal(add_region(space, 0x1000, 0x1000, PROT_READ, REGION_DATA, true), -EINVAL);
    assert_int_equal(add_region(space, 0x2000, 0x1000, PROT_READ, REGION_DATA, true), -EINVAL);
    assert_int_equal(add_region(space, 0x1001, 0x3000, PROT_READ, REGION_DATA, true), -EINVAL);
    assert_int_equal(add_region(space, 0x1000, 0x3001, PROT_READ, REGION_DATA, true), -EINVAL);
    assert_int_equal(add_region(space, 0x1000, 0x3000, 0xff, REGION_DATA, true), -EINVAL);
    assert_int_equal(add_region(space, 0x1000, 0x3000, PROT_READ, 77, true), -EINVAL);
    assert_int_equal(add_region(space, USER_END - PAGE_SIZE, USER_END + PAGE_SIZE, PROT_READ, REGION_DATA, true),
                     -EINVAL);
    assert_int_equal(add_region(space, ~(uaddr_t)0 - PAGE_SIZE + 1, 0, PROT_READ, REGION_DATA, true), -EINVAL);
    assert_int_equal(add_backed(space, b, 0x1000, 0x2000, PROT_READ, ~0ull - 5, 100), -EINVAL);
    assert_int_equal(add_region(space, USER_END - PAGE_SIZE, USER_END, PROT_READ, REGION_DATA, true), 0);
    vmspace_destroy(space);
    assert_false(file.destroyed);
    backing_put(b);
    assert_true(file.destroyed);  // refused regions gave their reference back
}

static void there_is_a_limit_to_regions(void **state)
{
    struct vmspace *space;
    assert_int_equal(vmspace_create(&space), 0);

    for (uaddr_t i = 0; i < REGIONS_MAX; i++)
        assert_int_equal(add_region(space, i * 0x2000, i * 0x2000 + 0x1000, PROT_READ, REGION_DATA, true), 0);
    assert_int_equal(add_region(space, LIMIT, LIMIT + 0x1000, PROT_READ, REGION_DATA, true), -ENOMEM);
    vmspace_destroy(space);
}

// Faults

static void pages_come_from_the_file_and_then_zeros(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true));

    for (uaddr_t at = 0; at < 4 * PAGE_SIZE; at += 511) {
        u64 offset = 4 * PAGE_SIZE + at;
        assert_int_equal(byte_at(TEXT + at), pattern_byte(at));
        assert_int_equal(byte_at(DATA + at), at < PAGE_SIZE + 100 ? pattern_byte(offset) : 0);
    }
    assert_int_equal(file.asked, 6);
    end_current(space);
    backing_put(&file.backing);
}

static void writes_stay_with_the_process(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true));

    set_byte(DATA, 0xaa);  // absent: copied when it comes
    assert_int_equal(byte_at(DATA + 1), pattern_byte(4 * PAGE_SIZE + 1));
    assert_int_equal(byte_at(DATA + PAGE_SIZE), pattern_byte(5 * PAGE_SIZE));
    set_byte(DATA + PAGE_SIZE, 0xbb);  // present, shared with the cache
    assert_int_equal(byte_at(DATA), 0xaa);
    assert_int_equal(byte_at(DATA + PAGE_SIZE), 0xbb);
    assert_int_equal(*(u8 *)frame_data(file.kept[4]), pattern_byte(4 * PAGE_SIZE));
    assert_int_equal(*(u8 *)frame_data(file.kept[5]), pattern_byte(5 * PAGE_SIZE));
    end_current(space);
    backing_put(&file.backing);
}

static void a_page_that_nobody_shares_is_not_copied(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, false));
    byte_at(DATA);
    struct frame *before = frame_behind(space, DATA);
    set_byte(DATA, 1);
    assert_ptr_equal(frame_behind(space, DATA), before);
    end_current(space);
    backing_put(&file.backing);
}

static void what_is_not_allowed_is_a_fault(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true));
    u8 byte = 1;

    assert_int_equal(user_write(TEXT, &byte, 1), -EFAULT);
    byte_at(TEXT);
    assert_int_equal(user_write(TEXT, &byte, 1), -EFAULT);
    assert_int_equal(user_read(0, &byte, 1), -EFAULT);
    assert_int_equal(user_read(HEAP, &byte, 1), -EFAULT);
    assert_int_equal(user_write(STACK - 1, &byte, 1), -EFAULT);
    assert_int_equal(user_read(USER_END, &byte, 1), -EFAULT);
    assert_int_equal(user_write((uaddr_t)-1, &byte, 1), -EFAULT);
    assert_int_equal(vmspace_fault(space, DATA, FAULT_EXECUTES), -EFAULT);
    assert_int_equal(vmspace_fault(space, TEXT, FAULT_EXECUTES), 0);
    vmspace_use(NULL);
    assert_int_equal(user_read(TEXT, &byte, 1), -EFAULT);
    vmspace_destroy(space);
    backing_put(&file.backing);
}

static void an_error_of_the_backing_reaches_the_caller(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, false));
    u8 byte;

    file.fails = true;
    assert_int_equal(user_read(TEXT, &byte, 1), -EIO);
    assert_int_equal(copy_from_user(&byte, (void *)(uintptr_t)TEXT, 1), -EFAULT);
    file.fails = false;
    assert_int_equal(byte_at(TEXT), pattern_byte(0));
    end_current(space);
    backing_put(&file.backing);
}

static void installed_frames_are_pages(void **state)
{
    struct pattern file;
    struct vmspace *space = NULL;
    assert_int_equal(program_create(pattern_start(&file, true), &space), 0);
    struct frame *f = frame_alloc_zeroed(), *shared = frame_alloc_zeroed();
    *(u8 *)frame_data(f) = 0x77;

    assert_int_equal(vmspace_install(space, STACK, f), 0);
    assert_int_equal(vmspace_install(space, STACK, frame_alloc()), -EEXIST);
    assert_int_equal(vmspace_install(space, HEAP, frame_alloc()), -EFAULT);
    assert_int_equal(vmspace_install(space, STACK + PAGE_SIZE, frame_get(shared)), 0);
    vmspace_use(space);
    assert_int_equal(byte_at(STACK), 0x77);
    set_byte(STACK + PAGE_SIZE, 0x66);
    assert_int_equal(*(u8 *)frame_data(shared), 0);
    frame_put(shared);
    end_current(space);
    backing_put(&file.backing);
}

// The heap

static void the_heap_moves_by_bytes(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true));
    u8 byte;

    assert_int_equal(grow(space, 0), HEAP);
    for (u32 i = 0; i < 5000; i++) {
        assert_int_equal(grow(space, 1), HEAP + i);
        set_byte(HEAP + i, (u8)i);
    }
    for (u32 i = 0; i < 5000; i++)
        assert_int_equal(byte_at(HEAP + i), (u8)i);
    assert_int_equal(user_read(HEAP + 2 * PAGE_SIZE, &byte, 1), -EFAULT);
    assert_int_equal(grow(space, -5000), HEAP + 5000);
    assert_int_equal(user_read(HEAP, &byte, 1), -EFAULT);
    end_current(space);
    backing_put(&file.backing);
}

static void pages_given_up_read_zero_when_taken_again(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true));
    u32 before = frames_free();

    grow(space, 100 * PAGE);
    for (u32 i = 0; i < 100; i++)
        set_byte(HEAP + i * PAGE_SIZE, 9);
    grow(space, -50 * PAGE - 1);
    assert_int_equal(byte_at(HEAP + 49 * PAGE_SIZE), 9);
    grow(space, 50 * PAGE + 1);
    for (u32 i = 0; i < 100; i++)
        assert_int_equal(byte_at(HEAP + i * PAGE_SIZE), i < 50 ? 9 : 0);
    grow(space, -100 * PAGE);
    assert_in_range(frames_free(), before - 2, before);
    end_current(space);
    backing_put(&file.backing);
}

static void the_break_has_bounds(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true));
    uaddr_t old = 1;

    assert_int_equal(vmspace_brk(space, -1, &old), -ENOMEM);
    assert_int_equal(vmspace_brk(space, INTPTR_MIN, &old), -ENOMEM);
    assert_int_equal(vmspace_brk(space, INTPTR_MAX, &old), -ENOMEM);
    assert_int_equal(vmspace_brk(space, LIMIT - HEAP + 1, &old), -ENOMEM);
    assert_int_equal(vmspace_brk(space, 1 << 28, &old), -ENOMEM);  // more than the machine has
    assert_int_equal(old, 1);
    assert_int_equal(add_region(space, HEAP + 4 * PAGE_SIZE, HEAP + 5 * PAGE_SIZE, PROT_READ, REGION_DATA, true), 0);
    assert_int_equal(vmspace_brk(space, 4 * PAGE + 1, &old), -ENOMEM);
    grow(space, 4 * PAGE);
    assert_int_equal(vmspace_brk(space, 1, &old), -ENOMEM);
    end_current(space);
    backing_put(&file.backing);
}

static void a_heap_from_an_image_grows_and_shrinks(void **state)
{
    struct pattern file;
    struct vmspace *space;
    u64 start, end, limit;
    assert_int_equal(vmspace_create(&space), 0);
    struct region heap = {
        .start = HEAP,
        .end = HEAP + 4 * PAGE_SIZE,
        .prot = PROT_READ | PROT_WRITE,
        .kind = REGION_HEAP,
        .reserved = true,
        .backing = pattern_start(&file, false),
        .filled = 3 * PAGE_SIZE,
    };

    assert_int_equal(vmspace_add(space, &heap), 0);
    assert_int_equal(vmspace_heap_import(space, HEAP, HEAP + 4 * PAGE_SIZE + 1, LIMIT), -EINVAL);
    assert_int_equal(vmspace_heap_import(space, HEAP, HEAP, LIMIT), -EINVAL);
    assert_int_equal(vmspace_heap_import(space, HEAP + PAGE_SIZE, HEAP + 4 * PAGE_SIZE, LIMIT), -EINVAL);
    assert_int_equal(vmspace_heap_import(space, HEAP, HEAP + 4 * PAGE_SIZE, 0x100000000), -EINVAL);
    assert_int_equal(vmspace_heap_import(space, HEAP + 1, HEAP + 4 * PAGE_SIZE, LIMIT), -EINVAL);
    assert_int_equal(vmspace_heap_import(space, HEAP, HEAP + 3 * PAGE_SIZE + 5, LIMIT), 0);
    vmspace_heap_export(space, &start, &end, &limit);
    assert_int_equal(start, HEAP);
    assert_int_equal(end, HEAP + 3 * PAGE_SIZE + 5);
    assert_int_equal(limit, LIMIT);

    vmspace_use(space);
    assert_int_equal(byte_at(HEAP + 2 * PAGE_SIZE), pattern_byte(2 * PAGE_SIZE));
    grow(space, -2 * PAGE);
    grow(space, 10 * PAGE);
    assert_int_equal(byte_at(HEAP + PAGE_SIZE), pattern_byte(PAGE_SIZE));
    assert_int_equal(byte_at(HEAP + 2 * PAGE_SIZE), 0);
    assert_int_equal(byte_at(HEAP + 9 * PAGE_SIZE), 0);
    end_current(space);
    assert_true(file.destroyed);
}

// Clones

static void a_clone_sees_what_was_and_nothing_after(void **state)
{
    struct pattern file;
    struct vmspace *parent = program_run(pattern_start(&file, true)), *child;

    grow(parent, 10 * PAGE);
    for (u32 i = 0; i < 10; i++)
        set_byte(HEAP + i * PAGE_SIZE, (u8)i);
    set_byte(DATA, 0x10);
    u32 before = frames_free();
    assert_int_equal(vmspace_clone(parent, true, &child), 0);
    assert_in_range(before - frames_free(), 1, 8);  // tables only
    set_byte(HEAP + 9 * PAGE_SIZE, 0xef);
    set_byte(HEAP, 0xf0);
    set_byte(DATA, 0xf1);
    set_byte(STACK, 0xf2);

    vmspace_use(child);
    for (u32 i = 0; i < 10; i++)
        assert_int_equal(byte_at(HEAP + i * PAGE_SIZE), i);
    assert_int_equal(byte_at(DATA), 0x10);
    assert_int_equal(byte_at(STACK), 0);
    set_byte(HEAP + PAGE_SIZE, 0xc0);
    set_byte(DATA + PAGE_SIZE, 0xc1);
    grow(child, -5 * PAGE);

    vmspace_use(parent);
    assert_int_equal(byte_at(HEAP), 0xf0);
    assert_int_equal(byte_at(HEAP + PAGE_SIZE), 1);
    assert_int_equal(byte_at(HEAP + 9 * PAGE_SIZE), 0xef);
    assert_int_equal(byte_at(DATA + PAGE_SIZE), pattern_byte(5 * PAGE_SIZE));
    vmspace_destroy(child);
    end_current(parent);
    backing_put(&file.backing);
}

static void the_last_owner_writes_without_a_copy(void **state)
{
    struct pattern file;
    struct vmspace *parent = program_run(pattern_start(&file, true)), *child;

    grow(parent, 10 * PAGE);
    for (u32 i = 0; i < 10; i++)
        set_byte(HEAP + i * PAGE_SIZE, (u8)i);
    assert_int_equal(vmspace_clone(parent, true, &child), 0);
    vmspace_destroy(child);
    for (u32 i = 0; i < 10; i++) {
        struct frame *before = frame_behind(parent, HEAP + i * PAGE_SIZE);
        set_byte(HEAP + i * PAGE_SIZE, (u8)(i + 1));
        assert_ptr_equal(frame_behind(parent, HEAP + i * PAGE_SIZE), before);
    }
    end_current(parent);
    backing_put(&file.backing);
}

static void a_snapshot_only_reads(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true)), *snapshot;
    struct frame *f;

    grow(space, 4 * PAGE);
    set_byte(HEAP, 0x21);
    set_byte(STACK, 0x22);
    u64 promised = commit_used();
    assert_int_equal(vmspace_clone(space, false, &snapshot), 0);
    set_byte(HEAP, 0x23);
    assert_int_equal(vmspace_pin(snapshot, HEAP, FAULT_READS, &f), 0);
    assert_int_equal(*(u8 *)frame_data(f), 0x21);
    frame_put(f);
    assert_int_equal(vmspace_pin(snapshot, DATA + PAGE_SIZE, FAULT_READS, &f), 0);
    assert_int_equal(*(u8 *)frame_data(f), pattern_byte(5 * PAGE_SIZE));
    frame_put(f);
    assert_int_equal(vmspace_pin(snapshot, STACK + PAGE_SIZE, FAULT_READS, &f), 0);
    frame_put(f);
    assert_int_equal(vmspace_pin(snapshot, HEAP, FAULT_WRITES, &f), -EFAULT);
    assert_int_equal(commit_used(), promised);
    vmspace_destroy(snapshot);
    assert_int_equal(byte_at(HEAP), 0x23);
    end_current(space);
    backing_put(&file.backing);
}

static void a_snapshot_lists_pages_with_contents(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true)), *snapshot;
    static const uaddr_t expected[] = { TEXT,
                                        TEXT + PAGE_SIZE,
                                        TEXT + 2 * PAGE_SIZE,
                                        TEXT + 3 * PAGE_SIZE,
                                        DATA,
                                        DATA + PAGE_SIZE,
                                        DATA + 3 * PAGE_SIZE,
                                        HEAP + 2 * PAGE_SIZE,
                                        STACK + USER_STACK_MAX - PAGE_SIZE };
    static const bool present[] = { false, true, false, false, true, false, true, true, true };

    grow(space, 4 * PAGE);
    byte_at(TEXT + PAGE_SIZE);
    set_byte(DATA, 1);
    set_byte(DATA + 3 * PAGE_SIZE, 1);
    set_byte(HEAP + 2 * PAGE_SIZE, 1);
    set_byte(STACK + USER_STACK_MAX - 1, 1);
    assert_int_equal(vmspace_clone(space, false, &snapshot), 0);
    uaddr_t va = 0;
    u32 count;
    struct space_page pages[ARRAY_SIZE(expected) + 1];
    assert_int_equal(vmspace_next_pages(snapshot, &va, pages, ARRAY_SIZE(pages), &count), 0);
    assert_int_equal(count, ARRAY_SIZE(expected));
    for (u32 i = 0; i < count; i++) {
        assert_int_equal(pages[i].va, expected[i]);
        assert_int_equal(pages[i].frame != NULL, present[i]);
    }
    assert_int_equal(vmspace_next_pages(snapshot, &va, pages, ARRAY_SIZE(pages), &count), -ENOENT);

    u32 regions;
    u64 size, resident;
    vmspace_figures(snapshot, &regions, &size, &resident);
    assert_int_equal(regions, 4);
    assert_int_equal(size, 12 * PAGE_SIZE + USER_STACK_MAX);
    assert_int_equal(resident, 5 * PAGE_SIZE);
    vmspace_destroy(snapshot);
    end_current(space);
    backing_put(&file.backing);
}

static void a_frozen_process_can_be_written_to(void **state)
{
    struct pattern file;
    struct vmspace *frozen = program_run(pattern_start(&file, true)), *clone;
    struct frame *f;

    set_byte(DATA, 0x31);
    assert_int_equal(vmspace_clone(frozen, true, &clone), 0);
    vmspace_use(clone);
    assert_int_equal(vmspace_pin(frozen, DATA, FAULT_WRITES, &f), 0);
    *(u8 *)frame_data(f) = 0x32;
    frame_put(f);
    assert_int_equal(byte_at(DATA), 0x31);
    vmspace_use(frozen);
    assert_int_equal(byte_at(DATA), 0x32);
    vmspace_destroy(clone);
    end_current(frozen);
    backing_put(&file.backing);
}

// Promises

static void memory_is_promised_strictly(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true)), *child;
    uaddr_t old;

    u64 used = commit_used();
    assert_int_equal(used, 4);  // the data, not the text, nor the stack before it's touched
    set_byte(STACK, 1);
    assert_int_equal(commit_used(), used + 1);
    grow(space, 1);
    assert_int_equal(commit_used(), used + 2);
    grow(space, PAGE_SIZE - 1);
    assert_int_equal(commit_used(), used + 2);
    grow(space, 20 * PAGE);
    grow(space, -20 * PAGE);
    assert_int_equal(commit_used(), used + 2);
    assert_int_equal(vmspace_clone(space, true, &child), 0);
    assert_int_equal(commit_used(), 2 * (used + 2));
    vmspace_destroy(child);

    intptr_t all = (intptr_t)(commit_limit() - commit_used()) * PAGE_SIZE;
    assert_int_equal(vmspace_brk(space, all + 1, &old), -ENOMEM);
    grow(space, all);
    assert_int_equal(commit_used(), commit_limit());
    assert_int_equal(vmspace_clone(space, true, &child), -ENOMEM);
    u8 byte = 1;
    assert_int_equal(user_write(STACK + PAGE_SIZE, &byte, 1), -ENOMEM);
    for (intptr_t at = 0; at < all; at += PAGE_SIZE)
        set_byte(HEAP + PAGE_SIZE + at, 1);  // what was promised is there
    end_current(space);
    backing_put(&file.backing);
}

static struct vmspace *doomed;
static u32 naps;

// While the process waits, the snapshot's writer finds memory.
static void write_snapshot(void)
{
    struct frame *frames[200];

    for (u32 i = 0; i < ARRAY_SIZE(frames); i++) {
        frames[i] = frame_alloc();
        assert_non_null(frames[i]);
    }
    for (u32 i = 0; i < ARRAY_SIZE(frames); i++)
        frame_put(frames[i]);
}

static int end_snapshot(void)
{
    write_snapshot();
    if (++naps == 3) {
        vmspace_destroy(doomed);
        doomed = NULL;
    }
    return 0;
}

static void a_snapshot_costs_neither_its_process_nor_its_writer_the_memory(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true));
    intptr_t all = (intptr_t)(commit_limit() - commit_used()) * PAGE_SIZE;

    grow(space, all);
    for (intptr_t at = 0; at < all; at += PAGE_SIZE)
        set_byte(HEAP + at, 1);
    assert_int_equal(vmspace_clone(space, false, &doomed), 0);
    machine_sleep = end_snapshot;
    naps = 0;
    for (intptr_t at = 0; at < all; at += PAGE_SIZE)
        set_byte(HEAP + at, 2);
    assert_int_equal(naps, 3);
    assert_null(doomed);
    end_current(space);
    backing_put(&file.backing);
}

// User copies

static void copies_know_the_bounds(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true));
    static u8 buffer[3 * PAGE_SIZE];

    assert_int_equal(copy_from_user(buffer, (void *)(uintptr_t)(TEXT + 10), 2 * PAGE_SIZE), 0);
    assert_int_equal(buffer[5000], pattern_byte(5010));
    assert_int_equal(copy_from_user(buffer, (void *)(uintptr_t)(TEXT + 2 * PAGE_SIZE), 2 * PAGE_SIZE + 1), -EFAULT);
    assert_int_equal(copy_to_user((void *)(uintptr_t)TEXT, buffer, 1), -EFAULT);
    assert_int_equal(copy_to_user((void *)(uintptr_t)DATA, buffer, 2 * PAGE_SIZE), 0);
    assert_int_equal(copy_from_user(buffer, (void *)(uintptr_t)USER_END, 1), -EFAULT);
    assert_int_equal(copy_from_user(buffer, (void *)(uintptr_t)(USER_END - 1), 2), -EFAULT);
    assert_int_equal(copy_from_user(buffer, (void *)(uintptr_t)DATA, SIZE_MAX), -EFAULT);
    assert_int_equal(copy_to_user((void *)UINTPTR_MAX, buffer, 2), -EFAULT);
    assert_int_equal(copy_from_user(buffer, (void *)UINTPTR_MAX, 0), 0);
    end_current(space);
    backing_put(&file.backing);
}

static void strings_end_or_are_refused(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true));
    uaddr_t end = DATA + 4 * PAGE_SIZE;
    char text[200];

    assert_int_equal(user_write(end - 6, "amber", 6), 0);
    assert_int_equal(copy_string_from_user(text, sizeof(text), (char *)(uintptr_t)(end - 6)), 0);
    assert_string_equal(text, "amber");
    assert_int_equal(copy_string_from_user(text, 6, (char *)(uintptr_t)(end - 6)), 0);
    assert_int_equal(copy_string_from_user(text, 5, (char *)(uintptr_t)(end - 6)), -ENAMETOOLONG);
    set_byte(end - 1, 'x');
    assert_int_equal(copy_string_from_user(text, sizeof(text), (char *)(uintptr_t)(end - 6)), -EFAULT);
    assert_int_equal(copy_string_from_user(text, sizeof(text), (char *)(uintptr_t)USER_END), -EFAULT);
    assert_int_equal(copy_string_from_user(text, sizeof(text), (char *)UINTPTR_MAX), -EFAULT);

    for (uaddr_t at = DATA + PAGE_SIZE - 80; at < DATA + PAGE_SIZE + 80; at++)
        set_byte(at, 'y');
    set_byte(DATA + PAGE_SIZE + 80, 0);
    assert_int_equal(copy_string_from_user(text, sizeof(text), (char *)(uintptr_t)(DATA + PAGE_SIZE - 80)), 0);
    assert_int_equal(strlen(text), 160);
    end_current(space);
    backing_put(&file.backing);
}

static void pinned_pages_are_the_processs_own(void **state)
{
    struct pattern file;
    struct vmspace *space = program_run(pattern_start(&file, true)), *child;
    struct user_pages pages;
    size_t bytes;

    grow(space, 40 * PAGE);
    set_byte(HEAP + 17 * PAGE_SIZE, 5);
    assert_int_equal(user_pages_pin(&pages, HEAP + 100, 30 * PAGE_SIZE, false, &bytes), 0);
    assert_int_equal(pages.count, 31);
    assert_int_equal(bytes, 30 * PAGE_SIZE);
    user_pages_release(&pages);
    assert_int_equal(user_pages_pin(&pages, HEAP + 39 * PAGE_SIZE - 1, SIZE_MAX, false, &bytes), 0);
    assert_int_equal(bytes, PAGE_SIZE + 1);
    user_pages_release(&pages);
    assert_int_equal(user_pages_pin(&pages, TEXT, 1, true, &bytes), -EFAULT);
    assert_int_equal(user_pages_pin(&pages, USER_END, 1, true, &bytes), -EFAULT);
    assert_int_equal(user_pages_pin(&pages, HEAP, 0, true, &bytes), 0);
    assert_int_equal(pages.count, 0);

    assert_int_equal(vmspace_clone(space, true, &child), 0);
    assert_int_equal(byte_at(HEAP + 17 * PAGE_SIZE), 5);  // now the processor knows the shared page
    assert_int_equal(user_pages_pin(&pages, HEAP + 17 * PAGE_SIZE, 3, true, &bytes), 0);
    assert_int_equal(bytes, 3);
    memcpy(pages.pieces[0].data, "abc", 3);
    user_pages_release(&pages);
    assert_int_equal(byte_at(HEAP + 17 * PAGE_SIZE), 'a');
    vmspace_use(child);
    assert_int_equal(byte_at(HEAP + 17 * PAGE_SIZE), 5);
    vmspace_use(space);
    vmspace_destroy(child);
    end_current(space);
    backing_put(&file.backing);
}

// Memory that fails

// The life of a process and its child, with a checkpoint in it. Any of it may fail; all of it is given back.
static int life(struct pattern *file)
{
    struct vmspace *space, *child = NULL, *snapshot = NULL;
    u8 page[100] = { 1, 2, 3 };
    uaddr_t old;
    struct frame *f;

    int err = program_create(&file->backing, &space);
    if (err)
        return err;
    vmspace_use(space);
    err = user_read(TEXT, page, sizeof(page));
    if (!err)
        err = vmspace_brk(space, 20 * PAGE, &old);
    for (u32 i = 0; !err && i < 20; i++)
        err = user_write(HEAP + i * PAGE_SIZE, page, sizeof(page));
    if (!err)
        err = user_write(DATA + PAGE_SIZE, page, sizeof(page));
    if (!err)
        err = vmspace_clone(space, true, &child);
    if (!err)
        err = vmspace_clone(space, false, &snapshot);
    if (!err)
        err = user_write(HEAP, page, sizeof(page));
    if (!err)
        err = user_write(STACK, page, sizeof(page));
    if (!err)
        err = vmspace_pin(snapshot, DATA, FAULT_READS, &f);
    if (!err)
        frame_put(f);
    if (!err)
        err = vmspace_brk(space, -15 * PAGE, &old);
    if (!err) {
        vmspace_use(child);
        err = user_write(HEAP, page, sizeof(page));
    }
    if (!err)
        err = vmspace_brk(child, -20 * PAGE, &old);
    vmspace_use(NULL);
    vmspace_destroy(snapshot);
    vmspace_destroy(space);
    vmspace_destroy(child);
    return err;
}

static int interrupted(void)
{
    return -EINTR;
}

static void failing_memory_is_an_error_and_leaks_nothing(enum fault_kind kind, bool keeps)
{
    struct figures before = figures_now();
    int err = -ENOMEM;

    machine_sleep = interrupted;
    for (u32 n = 1; err; n++) {
        struct pattern file;
        pattern_start(&file, keeps);
        fault_arm(kind, n, false);
        err = life(&file);
        fault_arm(kind, 0, false);
        backing_put(&file.backing);
        assert_true(file.destroyed);
        assert_true(err == 0 || err == -ENOMEM);
        assert_nothing_leaked(before);
        assert_true(n < 1000);
    }
}

static void each_frame_may_fail(void **state)
{
    failing_memory_is_an_error_and_leaks_nothing(FAULT_FRAME, false);
    failing_memory_is_an_error_and_leaks_nothing(FAULT_FRAME, true);
}

static void each_object_may_fail(void **state)
{
    failing_memory_is_an_error_and_leaks_nothing(FAULT_KMALLOC, false);
    failing_memory_is_an_error_and_leaks_nothing(FAULT_KMALLOC, true);
}

// Everything at random, against a model: for each space what each page's first byte should be.

#define MODEL_SPACES 6
#define MODEL_PAGES  48

struct model {
    struct vmspace *space;
    u32 pages;
    u8 bytes[MODEL_PAGES];
};

static struct model models[MODEL_SPACES];
static struct vmspace *model_current;
static struct pattern model_file;

static void model_start(struct model *m)
{
    if (program_create(&model_file.backing, &m->space)) {
        m->space = NULL;
        return;
    }
    m->pages = 0;
    memset(m->bytes, 0, sizeof(m->bytes));
}

static void model_fork(struct model *from, struct model *to, bool promise)
{
    struct vmspace *clone;

    if (vmspace_clone(from->space, promise, &clone))
        return;
    *to = *from;
    to->space = clone;
}

static void model_write(struct model *m, u32 page, u8 byte)
{
    if (m->space->snapshot || page >= m->pages)
        assert_int_equal(user_write(HEAP + page * PAGE_SIZE, &byte, 1), -EFAULT);
    else if (user_write(HEAP + page * PAGE_SIZE, &byte, 1) == 0)
        m->bytes[page] = byte;
}

static void model_check(struct model *m, u32 page)
{
    u8 byte;
    int err = user_read(HEAP + page * PAGE_SIZE, &byte, 1);

    if (page >= m->pages)
        assert_int_equal(err, -EFAULT);
    else if (!err)
        assert_int_equal(byte, m->bytes[page]);
    else
        assert_int_equal(err, -ENOMEM);
}

static void model_brk(struct model *m, u32 pages)
{
    uaddr_t old;

    if (m->space->snapshot || vmspace_brk(m->space, ((intptr_t)pages - (intptr_t)m->pages) * (intptr_t)PAGE_SIZE, &old))
        return;
    assert_int_equal(old, HEAP + m->pages * PAGE_SIZE);
    for (u32 i = pages; i < m->pages; i++)
        m->bytes[i] = 0;
    m->pages = pages;
}

// No more often than needed: each time the processor forgets what it knows, and a missing flush would not be noticed.
static void model_use(struct vmspace *space)
{
    if (space != model_current)
        vmspace_use(space);
    model_current = space;
}

static void model_end(struct model *m)
{
    model_use(NULL);
    vmspace_destroy(m->space);
    m->space = NULL;
}

static void model_step(struct model *m)
{
    struct model *other = &models[rand() % MODEL_SPACES];
    u32 page = (u32)rand() % MODEL_PAGES;
    int what = rand() % 100;

    if (!m->space) {
        model_start(m);
        return;
    }
    model_use(m->space);
    if (what < 5 && !other->space && !m->space->snapshot)
        model_fork(m, other, rand() % 2);
    else if (what < 8)
        model_end(m);
    else if (what < 15)
        model_brk(m, page);
    else if (what < 55)
        model_write(m, page, (u8)rand());
    else
        model_check(m, page);
}

static void random_lives_agree_with_the_model(void **state)
{
    machine_sleep = interrupted;
    pattern_start(&model_file, true);
    srand(1);
    for (u32 i = 0, who = 0; i < 200000; i++) {
        if (i % 8 == 0)
            who = (u32)rand() % MODEL_SPACES;
        if (i % 50 == 0)
            fault_arm(FAULT_FRAME, 1 + (u32)rand() % 100, false);
        if (i % 300 == 0)
            fault_arm(FAULT_KMALLOC, 1 + (u32)rand() % 20, false);
        model_step(&models[who]);
    }
    for (u32 i = 0; i < MODEL_SPACES; i++)
        model_end(&models[i]);
    backing_put(&model_file.backing);
}

// Two CPUs

#define SHARED_PAGES 64

struct racer {
    pthread_t thread;
    unsigned cpu;
    struct vmspace *space;
    bool ok;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    u8 mark = (u8)(0x80 + r->cpu), seen;

    machine_become_cpu(r->cpu);
    vmspace_use(r->space);
    r->ok = true;
    for (u32 i = 0; i < SHARED_PAGES; i++) {
        r->ok &= user_read(HEAP + i * PAGE_SIZE, &seen, 1) == 0 && seen == (u8)i;
        r->ok &= user_write(HEAP + i * PAGE_SIZE, &mark, 1) == 0;
        r->ok &= user_read(HEAP + i * PAGE_SIZE + 1, &seen, 1) == 0 && seen == (u8)~i;
    }
    for (u32 i = 0; i < SHARED_PAGES; i++)
        r->ok &= user_read(HEAP + i * PAGE_SIZE, &seen, 1) == 0 && seen == mark;
    vmspace_use(NULL);
    vmspace_destroy(r->space);
    return NULL;
}

static void sharing_ends_rightly_on_several_cpus_at_once(void **state)
{
    for (u32 round = 0; round < 200; round++) {
        struct pattern file;
        struct racer racers[3];
        struct vmspace *space = program_run(pattern_start(&file, false));

        grow(space, SHARED_PAGES * PAGE_SIZE);
        for (u32 i = 0; i < SHARED_PAGES; i++) {
            u8 bytes[2] = { (u8)i, (u8)~i };
            assert_int_equal(user_write(HEAP + i * PAGE_SIZE, bytes, 2), 0);
        }
        for (unsigned cpu = 1; cpu < 3; cpu++)
            assert_int_equal(vmspace_clone(space, true, &racers[cpu].space), 0);
        vmspace_use(NULL);
        racers[0].space = space;
        for (unsigned cpu = 0; cpu < 3; cpu++) {
            racers[cpu].cpu = cpu + 1;
            pthread_create(&racers[cpu].thread, NULL, race, &racers[cpu]);
        }
        for (unsigned cpu = 0; cpu < 3; cpu++) {
            pthread_join(racers[cpu].thread, NULL);
            assert_true(racers[cpu].ok);
        }
        backing_put(&file.backing);
    }
}

int main(void)
{
    static const struct CMUnitTest before_start[] = { cmocka_unit_test(memory_is_limited_by_the_option) };
    static const struct CMUnitTest tests[] = {
        T(there_are_no_frames_in_holes),
        T(runs_are_aligned_and_apart),
        T(all_memory_can_be_taken_and_unites_again),
        T(a_frame_lives_as_long_as_it_is_referenced),
        T(duplicates_are_exact_and_do_not_collide),
        T(objects_are_aligned_apart_and_counted),
        T(powers_of_two_are_aligned_to_themselves),
        T(no_bytes_are_an_object),
        T(zeroed_and_large_objects),
        T(an_allocation_fails_on_request),
        T(many_frames_come_all_or_none),
        T(regions_do_not_overlap),
        T(senseless_regions_are_refused),
        T(there_is_a_limit_to_regions),
        T(pages_come_from_the_file_and_then_zeros),
        T(writes_stay_with_the_process),
        T(a_page_that_nobody_shares_is_not_copied),
        T(what_is_not_allowed_is_a_fault),
        T(an_error_of_the_backing_reaches_the_caller),
        T(installed_frames_are_pages),
        T(the_heap_moves_by_bytes),
        T(pages_given_up_read_zero_when_taken_again),
        T(the_break_has_bounds),
        T(a_heap_from_an_image_grows_and_shrinks),
        T(a_clone_sees_what_was_and_nothing_after),
        T(the_last_owner_writes_without_a_copy),
        T(a_snapshot_only_reads),
        T(a_snapshot_lists_pages_with_contents),
        T(a_frozen_process_can_be_written_to),
        T(memory_is_promised_strictly),
        T(a_snapshot_costs_neither_its_process_nor_its_writer_the_memory),
        T(copies_know_the_bounds),
        T(strings_end_or_are_refused),
        T(pinned_pages_are_the_processs_own),
        T(each_frame_may_fail),
        T(each_object_may_fail),
        T(random_lives_agree_with_the_model),
        T(sharing_ends_rightly_on_several_cpus_at_once),
        T(caches_shrink_when_memory_is_out),
    };
    int failed = cmocka_run_group_tests_name("mm: start", before_start, NULL, NULL);

    return failed + cmocka_run_group_tests_name("mm", tests, start, NULL);
}
