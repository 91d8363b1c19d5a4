// Work: what another CPU can do meanwhile. A few threads of the kernel's own take it, the oldest first.
#pragma once

#include <base/list.h>
#include <base/types.h>

struct work {
    void (*run)(struct work *);  // may sleep, but not wait for other work
    struct list link;            // while nobody has taken it
    bool pending;                // it was started, and hasn't ended; guarded by work.c's lock
    bool queued;                 // nobody has taken it yet; likewise
};

void work_prepare(struct work *w, void (*run)(struct work *));

/* It must not be pending. It stays where it is until it has ended. */
void work_start(struct work *w);

bool work_is_pending(const struct work *w);

/* Wait until it has ended; what it did can be seen then. */
void work_wait(struct work *w);

/* The same; the caller does it if nobody has taken it yet, and sleeps as it does. */
void work_finish(struct work *w);

/* Start the threads. Without memory for one, work is done by those who start it. */
void work_init(void);
