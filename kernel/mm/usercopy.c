// Copies to and from the current process.
#include "space.h"
#include <base/string.h>
#include <mm/kmalloc.h>
#include <mm/usercopy.h>
#include <uapi/errno.h>

static bool range_is_user(uaddr_t from, size_t n)
{
    return from <= USER_END && n <= USER_END - from;
}

int copy_from_user(void *to, const void __user *from, size_t n)
{
    if (!n)
        return 0;
    return range_is_user((uaddr_t)from, n) && user_copy_in(to, from, n) == 0 ? 0 : -EFAULT;
}

int copy_to_user(void __user *to, const void *from, size_t n)
{
    if (!n)
        return 0;
    return range_is_user((uaddr_t)to, n) && user_copy_out(to, from, n) == 0 ? 0 : -EFAULT;
}

#define STRING_STEP 64  // most strings are short: copy no more than this at a time

// How many bytes can be copied next: within one page, so that they are all in reach or none is.
static size_t string_step(uaddr_t from, size_t left)
{
    size_t to_page_end = PAGE_SIZE - from % PAGE_SIZE;

    return MIN(MIN(left, to_page_end), (size_t)STRING_STEP);
}

// Addresses, not pointers, are added to: a string may well begin at 0, where pointers know no arithmetic.
int copy_string_from_user(char *to, size_t size, const char __user *from)
{
    for (size_t done = 0; done < size;) {
        uaddr_t at = (uaddr_t)from + done;
        size_t step = string_step(at, size - done);
        int err = copy_from_user(to + done, (const void __user *)at, step);
        if (err)
            return err;
        if (memchr(to + done, 0, step))
            return 0;
        done += step;
    }
    return -ENAMETOOLONG;
}

// Pin the page that holds `from` and describe its bytes from there on, at most n.
static int pin_piece(struct user_pages *pages, uaddr_t from, size_t n, enum fault_access access, size_t *bytes)
{
    size_t into = from % PAGE_SIZE;
    struct frame *frame;
    int err = vmspace_pin(thread_self()->space, from, access, &frame);

    if (err)
        return err;
    *bytes = MIN(n, PAGE_SIZE - into);
    pages->pieces[pages->count] = (struct piece){ .data = (u8 *)frame_data(frame) + into, .size = (u32)*bytes };
    pages->count++;
    return 0;
}

// Room for the pieces of [from, from + n). Without memory there is room for a few.
static void make_room(struct user_pages *pages, uaddr_t from, size_t n)
{
    size_t want = MIN(DIV_ROUND_UP((u64)(from % PAGE_SIZE) + n, PAGE_SIZE), USER_PIECES_MAX);
    struct piece *many = want > USER_PIECES ? kmalloc(want * sizeof(*many)) : NULL;

    pages->pieces = many ? many : pages->few;
    pages->room = many ? (u32)want : USER_PIECES;
}

int user_pages_pin(struct user_pages *pages, uaddr_t from, size_t n, bool will_write, size_t *bytes)
{
    enum fault_access access = will_write ? FAULT_WRITES : FAULT_READS;
    size_t step;

    pages->pieces = pages->few;
    pages->count = 0;
    *bytes = 0;
    if (!n)
        return 0;
    if (from >= USER_END || !thread_self()->space)
        return -EFAULT;
    n = MIN(n, USER_END - from);
    make_room(pages, from, n);
    for (; *bytes < n && pages->count < pages->room; *bytes += step) {
        int err = pin_piece(pages, from + *bytes, n - *bytes, access, &step);
        if (err && pages->count)
            return 0;  // what is in reach is given
        if (err) {
            user_pages_release(pages);
            return err;
        }
    }
    return 0;
}

void user_pages_release(struct user_pages *pages)
{
    for (u32 i = 0; i < pages->count; i++)
        frame_put(frame_of(pages->pieces[i].data));
    if (pages->pieces != pages->few)
        kfree(pages->pieces);
    pages->pieces = pages->few;
    pages->count = 0;
}
