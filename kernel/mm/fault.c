// Page faults: making a page present, and breaking the sharing that a clone left behind.
//
// Who may write to a frame: an entry of a page table carries PTE_WRITE only if its space holds the one reference there
// is. A write to a shared frame finds how many references there are: one is left, then the frame has become the space's
// own; more, then the space gets a copy and lets its reference go. Two spaces that do so at once, on two CPUs, may both
// copy; neither can write to what the other still reads, for each drops its reference only after its copy is made.
#include "space.h"
#include <kern/time.h>
#include <uapi/errno.h>

static _Atomic u64 faults;

// A page that only a backing can give, fetched while the space is not locked.
struct supply {
    struct backing *backing;  // a reference
    struct frame *frame;      // a reference, once it's there
    u64 offset;
    size_t limit;
};

static int supply_fetch(struct supply *s)
{
    return s->backing->ops->page(s->backing, s->offset, s->limit, &s->frame);
}

static void supply_release(struct supply *s)
{
    if (s->frame)
        frame_put(s->frame);
    if (s->backing)
        backing_put(s->backing);
}

static bool region_is_supplied(const struct region *r, uaddr_t page)
{
    return r->backing && page - r->start < r->filled;
}

static struct supply supply_for(const struct region *r, uaddr_t page)
{
    u64 into = page - r->start;

    return (struct supply){
        .backing = r->backing,
        .offset = r->offset + into,
        .limit = (size_t)MIN(r->filled - into, (u64)PAGE_SIZE),
    };
}

static bool supply_is_for(const struct supply *have, const struct supply *want)
{
    return have->frame && have->backing == want->backing && have->offset == want->offset && have->limit == want->limit;
}

// Reading is implied by the other rights, as it is in the hardware.
static bool region_allows(struct vmspace *space, const struct region *r, enum fault_access access)
{
    switch (access) {
    case FAULT_WRITES:
        return (r->prot & PROT_WRITE) && !space->snapshot;
    case FAULT_EXECUTES:
        return r->prot & PROT_EXEC;
    default:
        return r->prot != 0;
    }
}

static u32 flags_for(struct vmspace *space, const struct region *r, struct frame *f)
{
    bool writable = (r->prot & PROT_WRITE) && !space->snapshot && frame_is_sole(f);

    return PTE_READ | (writable ? PTE_WRITE : 0) | (r->prot & PROT_EXEC ? PTE_EXEC : 0);
}

// Make the frame the caller's own: takes the reference, and gives one to a frame that has no other. NULL, and then *f
// is as before.
static struct frame *frame_own(struct frame *f)
{
    if (frame_is_sole(f))
        return f;
    struct frame *own = frame_duplicate(f);
    if (own)
        frame_put(f);
    return own;
}

/*
 * Put *f into a region's page that is absent, copied first if it's for writing and others have it too. Takes the
 * reference, and clears *f, if it succeeds.
 */
static int page_put(struct vmspace *space, struct region *r, uaddr_t page, enum fault_access access, struct frame **f)
    REQUIRES(space->lock)
{
    bool promises = !r->reserved && !space->snapshot;
    pte_t *entry = page_table_make(space->root, page);

    if (!entry || (promises && commit_promise(space, 1)))
        return -ENOMEM;
    struct frame *own = access == FAULT_WRITES ? frame_own(*f) : *f;
    if (!own) {
        if (promises)
            commit_release(space, 1);
        return -ENOMEM;
    }
    if (r->prot & PROT_EXEC)
        frame_mark_executed(own);
    *entry = pte_page(frame_addr(own), flags_for(space, r, own));
    figure_add(&space->resident, 1);
    *f = NULL;
    return 0;
}

static int page_put_zeros(struct vmspace *space, struct region *r, uaddr_t page) REQUIRES(space->lock)
{
    struct frame *f = frame_alloc_zeroed();

    if (!f)
        return -ENOMEM;
    int err = page_put(space, r, page, FAULT_READS, &f);
    if (err)
        frame_put(f);
    return err;
}

// The page is present. Make it fit for the access.
static int page_improve(struct vmspace *space, struct region *r, uaddr_t page, pte_t *entry, enum fault_access access)
    REQUIRES(space->lock)
{
    if (access == FAULT_WRITES && !pte_writable(*entry)) {
        struct frame *own = frame_own(frame_of_pte(*entry));
        if (!own)
            return -ENOMEM;
        if (r->prot & PROT_EXEC)
            frame_mark_executed(own);
        *entry = pte_page(frame_addr(own), flags_for(space, r, own));
    }
    // Even if nothing changed here: what faulted was an entry that the processor had kept from before.
    if (space_is_current(space))
        tlb_flush_page(page);
    return 0;
}

/*
 * Make the page present if that needs nothing but what is at hand: *have may hold its contents. -EAGAIN: *want says,
 * with a reference, what has to be fetched first. pin: gets a reference to the frame.
 */
static int fault_once(struct vmspace *space, uaddr_t page, enum fault_access access, struct supply *have,
                      struct supply *want, struct frame **pin) REQUIRES(space->lock)
{
    struct region *r = region_find(space, page);
    if (!r || !region_allows(space, r, access))
        return -EFAULT;

    int err;
    pte_t *entry = page_table_find(space->root, page);
    if (entry && pte_present(*entry)) {
        err = page_improve(space, r, page, entry, access);
    } else if (!region_is_supplied(r, page)) {
        err = page_put_zeros(space, r, page);
    } else {
        *want = supply_for(r, page);
        if (!supply_is_for(have, want)) {
            backing_get(want->backing);
            return -EAGAIN;
        }
        err = page_put(space, r, page, access, &have->frame);
    }
    if (!err && pin)
        *pin = frame_get(frame_of_pte(*page_table_find(space->root, page)));
    return err;
}

static int fault_in(struct vmspace *space, uaddr_t va, enum fault_access access, struct frame **pin)
{
    uaddr_t page = ROUND_DOWN(va, PAGE_SIZE);
    struct supply have = { .backing = NULL }, want;

    for (;;) {
        mutex_lock(&space->lock);
        int err = fault_once(space, page, access, &have, &want, pin);
        mutex_unlock(&space->lock);
        if (err == -EAGAIN) {
            supply_release(&have);
            have = want;
            err = supply_fetch(&have);
            if (!err)
                continue;
        }
        supply_release(&have);
        return err;
    }
}

int vmspace_fault(struct vmspace *space, uaddr_t va, enum fault_access access)
{
    return fault_in(space, va, access, NULL);
}

int vmspace_pin(struct vmspace *space, uaddr_t va, enum fault_access access, struct frame **out)
{
    return fault_in(space, va, access, out);
}

static int install_locked(struct vmspace *space, uaddr_t page, struct frame **frame) REQUIRES(space->lock)
{
    struct region *r = region_find(space, page);
    if (!r)
        return -EFAULT;
    pte_t *entry = page_table_find(space->root, page);
    if (entry && pte_present(*entry))
        return -EEXIST;
    return page_put(space, r, page, FAULT_READS, frame);
}

int vmspace_install(struct vmspace *space, uaddr_t va, struct frame *frame)
{
    mutex_lock(&space->lock);
    int err = install_locked(space, ROUND_DOWN(va, PAGE_SIZE), &frame);
    mutex_unlock(&space->lock);
    if (frame)
        frame_put(frame);
    return err;
}

/*
 * While a checkpoint writes a snapshot out, a process that writes to all of its memory needs it twice, which nobody
 * promised it. It must not end for having been checkpointed: it waits until the snapshot is gone. It holds no lock, as
 * it comes from user mode; and if it's interrupted, it goes back there, where it is ended or frozen, or faults again.
 */
static int user_fault(struct vmspace *space, uaddr_t address, enum fault_access access)
{
    for (;;) {
        bool snapshots = snapshots_live();
        int err = vmspace_fault(space, address, access);
        if (err != -ENOMEM || !snapshots)
            return err;
        if (thread_sleep_until(time_ns() + NS_PER_TICK))
            return 0;
    }
}

int upcall_fault(uaddr_t address, enum fault_access access, bool from_user)
{
    struct vmspace *space = thread_self()->space;

    atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed);
    if (!space || address >= USER_END)
        return -EFAULT;
    return from_user ? user_fault(space, address, access) : vmspace_fault(space, address, access);
}

u64 faults_count(void)
{
    return atomic_load_explicit(&faults, memory_order_relaxed);
}
