// Copies to and from the current process.
#pragma once

#include <base/piece.h>
#include <base/types.h>

/* 0 or -EFAULT. May sleep (page faults): no lock from RANK_SPACE on may be held. */
MUST_CHECK int copy_from_user(void *to, const void __user *from, size_t n);
MUST_CHECK int copy_to_user(void __user *to, const void *from, size_t n);

/* A terminated string of at most size-1 characters. -EFAULT, -ENAMETOOLONG. */
MUST_CHECK int copy_string_from_user(char *to, size_t size, const char __user *from);

/*
 * Process memory as pieces of kernel memory, so that fs needs no user pointers: pins the pages that [from, from + n)
 * touches, at most USER_PIECES_MAX, or as many as there is memory to list. Pieces in order, each within one page;
 * *bytes how many in all (at most n, at least 1). -EFAULT if the first byte is out of reach; and then nothing is
 * pinned.
 */
#define USER_PIECES     16  // that need no memory to be listed
#define USER_PIECES_MAX 1024
struct user_pages {
    struct piece *pieces;
    u32 count, room;
    struct piece few[USER_PIECES];
};
MUST_CHECK int user_pages_pin(struct user_pages *pages, uaddr_t from, size_t n, bool will_write, size_t *bytes);
void user_pages_release(struct user_pages *pages);
