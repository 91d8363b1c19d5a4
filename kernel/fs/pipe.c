// Pipes: a ring of bytes between readers and writers.
//
// Writes of up to PIPE_ATOMIC bytes arrive in one piece: they wait for room for all of it. Longer ones are passed on as
// room comes. A reader takes what there is. Bytes are copied under the pipe's lock, at most a frame at a time, so that
// interrupts are never off for long.
//
// Locks: pipe->lock (RANK_PIPE). Wake-ups go to everybody who waits on that side: which of them can go on depends on
// how much each wants.
#include "pieces.h"
#include "pipes.h"
#include <base/string.h>
#include <fs/file.h>
#include <kern/printk.h>
#include <kern/spinlock.h>
#include <mm/frame.h>
#include <mm/kmalloc.h>
#include <sched/wait.h>
#include <uapi/errno.h>

#define PIPE_FRAMES 4
#define PIPE_SIZE   (PIPE_FRAMES * PAGE_SIZE)
#define PIPE_ATOMIC PAGE_SIZE
#define PIPES_MAX   4096

_Static_assert(PIPE_SIZE == PIPE_CONTENTS_MAX, "an image has room for what a pipe holds");

struct pipe {
    struct spinlock lock;
    struct frame *frames[PIPE_FRAMES];   // constant
    u64 id;                              // constant
    u32 read_at FIELD_GUARDED_BY(lock);  // both count all bytes that ever passed, modulo 2^32
    u32 write_at FIELD_GUARDED_BY(lock);
    bool has_reader FIELD_GUARDED_BY(lock);
    bool has_writer FIELD_GUARDED_BY(lock);
    struct wait_queue readers FIELD_GUARDED_BY(lock);  // wait for bytes
    struct wait_queue writers FIELD_GUARDED_BY(lock);  // wait for room
};

static _Atomic u32 live;
static _Atomic u64 last_id;

static u32 filled(const struct pipe *p)
{
    return p->write_at - p->read_at;
}

static u32 space(const struct pipe *p)
{
    return PIPE_SIZE - filled(p);
}

// The byte at a position, and how many follow it without a break.
static void *ring_at(struct pipe *p, u32 position, u32 *run)
{
    u32 at = position % PIPE_SIZE;

    *run = PAGE_SIZE - at % PAGE_SIZE;
    return (char *)frame_data(p->frames[at / PAGE_SIZE]) + at % PAGE_SIZE;
}

static void destroy(struct pipe *p)
{
    for (u32 k = 0; k < PIPE_FRAMES; k++)
        if (p->frames[k])
            frame_put(p->frames[k]);
    kfree(p);
    live--;
}

int pipe_new(struct pipe **out)
{
    if (live++ >= PIPES_MAX) {
        live--;
        return -ENFILE;
    }
    struct pipe *p = kzalloc(sizeof(*p));
    if (!p) {
        live--;
        return -ENOMEM;
    }
    for (u32 k = 0; k < PIPE_FRAMES; k++) {
        p->frames[k] = frame_alloc();
        if (!p->frames[k]) {
            destroy(p);
            return -ENOMEM;
        }
    }
    spin_init(&p->lock, "pipe", RANK_PIPE);
    wait_queue_init(&p->readers);
    wait_queue_init(&p->writers);
    p->id = ++last_id;
    p->has_reader = p->has_writer = true;
    *out = p;
    return 0;
}

void pipe_close(struct pipe *p, bool writer)
{
    spin_lock(&p->lock);
    if (writer)
        p->has_writer = false;
    else
        p->has_reader = false;
    wake_all(&p->readers);
    wake_all(&p->writers);
    bool last = !p->has_reader && !p->has_writer;
    spin_unlock(&p->lock);
    if (last)
        destroy(p);
}

u64 pipe_id(const struct pipe *p)
{
    return p->id;
}

// For images.

// Copy what is in the pipe, a run at a time; `pauses`: with interrupts on in between. False: somebody moved bytes
// meanwhile.
static bool copy_contents(struct pipe *p, bool pauses, u8 *to) REQUIRES(p->lock)
{
    u32 read_at = p->read_at, write_at = p->write_at, run;

    for (u32 at = read_at; at != write_at; at += run) {
        const void *from = ring_at(p, at, &run);
        run = MIN(run, write_at - at);
        memcpy(to + (at - read_at), from, run);
        if (pauses) {
            spin_unlock(&p->lock);
            spin_lock(&p->lock);
        }
        if (p->read_at != read_at || p->write_at != write_at)
            return false;
    }
    return true;
}

void pipe_save(struct pipe *p, struct x_pipe *out)
{
    spin_lock(&p->lock);
    // A frozen family's pipes don't move; one that leads out of it may.
    if (!copy_contents(p, true, out->bytes))
        (void)copy_contents(p, false, out->bytes);
    out->size = filled(p);
    out->has_reader = p->has_reader;
    out->has_writer = p->has_writer;
    spin_unlock(&p->lock);
}

void pipe_fill(struct pipe *p, const u8 *bytes, u32 size)
{
    u32 run;

    assert(size <= PIPE_SIZE);
    spin_lock(&p->lock);
    for (u32 n = 0; n < size; n += run) {
        void *to = ring_at(p, n, &run);
        run = MIN(run, size - n);
        memcpy(to, bytes + n, run);
    }
    p->read_at = 0;
    p->write_at = size;
    spin_unlock(&p->lock);
}

u32 pipes_live(void)
{
    return live;
}

// Reading.

static int wait_for_bytes(struct pipe *p) REQUIRES(p->lock)
{
    int err = 0;

    while (!err && filled(p) == 0 && p->has_writer)
        err = wait_on(&p->readers, &p->lock, WAIT_INTERRUPTIBLE, NEVER, "pipe");
    return err;
}

static u32 take(struct pipe *p, struct walk *w, size_t most) REQUIRES(p->lock)
{
    u32 run;
    const void *from = ring_at(p, p->read_at, &run);
    u32 n = (u32)MIN(most, MIN(run, filled(p)));

    walk_from_memory(w, from, n);
    p->read_at += n;
    return n;
}

int pipe_read(struct pipe *p, struct piece *pieces, u32 count, size_t *done)
{
    size_t size = pieces_size(pieces, count);
    struct walk w;
    u32 n;

    *done = 0;
    if (size == 0)
        return 0;
    walk_init(&w, pieces, count);
    spin_lock(&p->lock);
    int err = wait_for_bytes(p);
    while (!err && *done < size && (n = take(p, &w, size - *done)) > 0) {
        *done += n;
        wake_all(&p->writers);
        // A moment with interrupts on.
        spin_unlock(&p->lock);
        spin_lock(&p->lock);
    }
    spin_unlock(&p->lock);
    return err;
}

// Writing.

static int wait_for_space(struct pipe *p, u32 need) REQUIRES(p->lock)
{
    int err = 0;

    while (!err && p->has_reader && space(p) < need)
        err = wait_on(&p->writers, &p->lock, WAIT_INTERRUPTIBLE, NEVER, "pipe");
    return err ? err : p->has_reader ? 0 : -EPIPE;
}

static u32 give(struct pipe *p, struct walk *w, size_t most) REQUIRES(p->lock)
{
    u32 run;
    void *to = ring_at(p, p->write_at, &run);
    u32 n = (u32)MIN(most, MIN(run, space(p)));

    walk_to_memory(w, to, n);
    p->write_at += n;
    return n;
}

int pipe_write(struct pipe *p, const struct piece *pieces, u32 count, size_t *done)
{
    size_t size = pieces_size(pieces, count);
    bool atomic = size <= PIPE_ATOMIC;
    struct walk w;
    int err = 0;

    *done = 0;
    walk_init(&w, pieces, count);
    spin_lock(&p->lock);
    while (!err && *done < size) {
        err = wait_for_space(p, atomic ? (u32)(size - *done) : 1);
        if (err)
            break;
        *done += give(p, &w, size - *done);
        wake_all(&p->readers);
        if (!atomic) {
            // A moment with interrupts on.
            spin_unlock(&p->lock);
            spin_lock(&p->lock);
        }
    }
    spin_unlock(&p->lock);
    return err;
}
