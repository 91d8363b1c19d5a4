// read and write: between a program's memory and an open file, in portions: so many pages at a time as the file wants.
//
// A freeze or kill may come between two portions; a call that goes on after a freeze continues where it was.
#include "call.h"
#include <fs/file.h>
#include <mm/usercopy.h>
#include <proc/fd.h>
#include <uapi/errno.h>

struct transfer {
    struct file *file;
    uaddr_t from;  // in the program's memory
    size_t size;
    size_t done;
    bool is_write;
    bool finished;  // though less than `size` was moved: the end of the file, or all that a pipe had
};

// One portion.
static int advance(struct transfer *t)
{
    struct user_pages pages;
    size_t offered, moved = 0;

    size_t portion = file_portion(t->file, t->size - t->done, t->is_write);
    int err = user_pages_pin(&pages, t->from + t->done, portion, !t->is_write, &offered);
    if (err)
        return err;
    err = t->is_write ? file_write(t->file, pages.pieces, pages.count, &moved)
                      : file_read(t->file, pages.pieces, pages.count, &moved);
    user_pages_release(&pages);
    t->done += moved;
    t->finished = moved < offered;
    return err;
}

// A read from a pipe or device gives what there is and doesn't wait for more.
static bool is_content_with_less(const struct transfer *t)
{
    return !t->is_write && t->done && file_kind(t->file) != FILE_INODE;
}

static int move(struct transfer *t)
{
    while (t->done < t->size) {
        int err = advance(t);

        if (is_content_with_less(t))
            return 0;
        if (err || t->finished)
            return err;
        thread_breathe();
        if (t->done < t->size && thread_self()->interrupted)
            return -EINTR;
    }
    return 0;
}

static int transfer(struct call *c, bool is_write)
{
    struct restart *restart = call_restart(c);
    struct transfer t = { .from = c->arguments[1], .is_write = is_write };
    int size = call_int(c, 2);

    int err = fd_lookup(c->self, call_int(c, 0), &t.file);
    if (err)
        return err;
    if (size < 0) {
        file_put(t.file);
        return -EINVAL;
    }
    t.size = (size_t)size;
    t.done = (size_t)MIN(restart->done, t.size);
    err = move(&t);
    file_put(t.file);

    restart->done = t.done;
    if (err == -EINTR || (err && !t.done))
        return err;
    c->result = (intptr_t)t.done;
    return 0;
}

int sys_read(struct call *c)
{
    return transfer(c, false);
}

int sys_write(struct call *c)
{
    return transfer(c, true);
}
