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

// A page that only a backing can give, and how many to ask for.
struct wanted {
    struct backing *backing;
    u64 offset;  // in it
    u64 limit;   // bytes from there that it supplies
    u32 pages;   // 1 to SUPPLY_MAX
};

// What it gave, fetched while the space is not locked.
struct supply {
    struct wanted of;                  // with a reference to the backing
    u32 given;                         // pages; 0: nothing yet
    struct frame *frames[SUPPLY_MAX];  // a reference each; NULL: zeros, or put into the space already
};

static void supply_release(struct supply *s)
{
    for (u32 i = 0; i < s->given; i++)
        if (s->frames[i])
            frame_put(s->frames[i]);
    s->given = 0;
    if (s->of.backing)
        backing_put(s->of.backing);
    s->of.backing = NULL;
}

static int supply_fetch(struct supply *s, const struct wanted *want)
{
    s->of = *want;
    int err = want->backing->ops->pages(want->backing, want->offset, want->limit, s->frames, want->pages, &s->given);

    if (err)
        s->given = 0;
    assert(err || (s->given >= 1 && s->given <= want->pages));
    return err;
}

// Random faults ask for a few pages. Those that go on upwards ask for twice as many each time; and a program's code is
// soon used near where it was used, and mostly in the file's cache.
#define AHEAD_FIRST 4
#define AHEAD_CODE  16

// A fault at this page, of which the backing is asked: how many pages to ask for?
static u32 ahead(struct region *r, uaddr_t page)
{
    bool onwards = page > r->touched && (page - r->touched) >> PAGE_SHIFT <= 2 * r->ahead;

    r->ahead = onwards ? MIN(2 * r->ahead, (u32)SUPPLY_MAX) : AHEAD_FIRST;
    r->touched = page;
    return r->prot & PROT_EXEC ? MAX(r->ahead, (u32)AHEAD_CODE) : r->ahead;
}

static u64 supplied_from(const struct region *r, uaddr_t page)
{
    return r->filled - (page - r->start);
}

// The pages to fetch for a fault at `page`, up to the first that is present.
static struct wanted wanted_for(struct vmspace *space, struct region *r, uaddr_t page) REQUIRES(space->lock)
{
    u64 limit = supplied_from(r, page);
    u32 most = ahead(r, page);
    u32 pages = (u32)MIN(DIV_ROUND_UP(limit, PAGE_SIZE), (u64)most);
    uaddr_t next = page + PAGE_SIZE;
    pte_t entry;

    if (page_table_next(space->root, &next, page + pages * PAGE_SIZE, &entry))
        pages = (u32)((next - page) >> PAGE_SHIFT);
    return (struct wanted){ r->backing, r->offset + (page - r->start), limit, pages };
}

// Is that supply's page i, counted from the one that it was fetched for, this page of the region?
static bool supply_has(const struct supply *s, u32 i, const struct region *r, uaddr_t page)
{
    if (i >= s->given || page >= r->end || !region_is_supplied(r, page) || r->backing != s->of.backing)
        return false;
    u64 into = (u64)i * PAGE_SIZE;

    return r->offset + (page - r->start) == s->of.offset + into &&
           MIN(supplied_from(r, page), (u64)PAGE_SIZE) == MIN(s->of.limit - into, (u64)PAGE_SIZE);
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

// Whoever asks for the right to write may do so past the page table, and then the hardware doesn't note it.
static u32 flags_for(struct vmspace *space, const struct region *r, struct frame *f, enum fault_access access)
{
    bool writable = (r->prot & PROT_WRITE) && !space->snapshot && frame_is_sole(f);
    u32 dirty = access == FAULT_WRITES ? PTE_DIRTY : 0;

    return PTE_READ | (writable ? PTE_WRITE : 0) | (r->prot & PROT_EXEC ? PTE_EXEC : 0) | dirty;
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
 * Put *f where a region's page is absent, copied first if it's for writing and others have it too. Takes the reference,
 * and clears *f, if it succeeds.
 */
static int entry_put(struct vmspace *space, struct region *r, pte_t *entry, enum fault_access access, struct frame **f)
    REQUIRES(space->lock)
{
    bool promises = !r->reserved && !space->snapshot;

    if (promises && commit_promise(space, 1))
        return -ENOMEM;
    struct frame *own = access == FAULT_WRITES ? frame_own(*f) : *f;
    if (!own) {
        if (promises)
            commit_release(space, 1);
        return -ENOMEM;
    }
    if (r->prot & PROT_EXEC)
        frame_mark_executed(own);
    *entry = pte_page(frame_addr(own), flags_for(space, r, own, access));
    figure_add(&space->resident, 1);
    *f = NULL;
    return 0;
}

static int page_put(struct vmspace *space, struct region *r, uaddr_t page, enum fault_access access, struct frame **f)
    REQUIRES(space->lock)
{
    pte_t *entry = page_table_make(space->root, page);

    return entry ? entry_put(space, r, entry, access, f) : -ENOMEM;
}

static int page_put_zeros(struct vmspace *space, struct region *r, uaddr_t page, enum fault_access access)
    REQUIRES(space->lock)
{
    struct frame *f = frame_alloc_zeroed();

    if (!f)
        return -ENOMEM;
    int err = page_put(space, r, page, access, &f);
    if (err)
        frame_put(f);
    return err;
}

// Put what came with a fault's page onto the pages after it. Nobody asked for those: they are put in as far as that
// goes.
static void pages_put_after(struct vmspace *space, struct region *r, uaddr_t page, struct supply *have)
    REQUIRES(space->lock)
{
    u32 count = have->given;
    pte_t *entry = NULL;

    // If it has one of them, it has those before.
    while (count > 1 && !supply_has(have, count - 1, r, page + (count - 1) * PAGE_SIZE))
        count--;
    for (u32 i = 1; i < count; i++) {
        uaddr_t next = page + i * PAGE_SIZE;

        if (!have->frames[i]) {
            entry = NULL;
            continue;
        }
        entry = entry && pt_index(next, 0) ? entry + 1 : page_table_make(space->root, next);
        if (!entry || (!pte_present(*entry) && entry_put(space, r, entry, FAULT_READS, &have->frames[i])))
            break;
    }
}

static int page_put_supplied(struct vmspace *space, struct region *r, uaddr_t page, enum fault_access access,
                             struct supply *have) REQUIRES(space->lock)
{
    int err =
        have->frames[0] ? page_put(space, r, page, access, &have->frames[0]) : page_put_zeros(space, r, page, access);

    if (!err)
        pages_put_after(space, r, page, have);
    return err;
}

// The page is present. Make it the space's own, and dirty.
static int page_own(struct vmspace *space, struct region *r, uaddr_t page) REQUIRES(space->lock)
{
    pte_t *entry = page_table_make(space->root, page);

    if (!entry)
        return -ENOMEM;
    if (pte_writable(*entry)) {
        *entry |= PTE_DIRTY;
        return 0;
    }
    struct frame *own = frame_own(frame_of_pte(*entry));
    if (!own)
        return -ENOMEM;
    if (r->prot & PROT_EXEC)
        frame_mark_executed(own);
    *entry = pte_page(frame_addr(own), flags_for(space, r, own, FAULT_WRITES));
    return 0;
}

// The page is present. Make it fit for the access.
static int page_improve(struct vmspace *space, struct region *r, uaddr_t page, enum fault_access access)
    REQUIRES(space->lock)
{
    int err = access == FAULT_WRITES ? page_own(space, r, page) : 0;

    if (err)
        return err;
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
                      struct wanted *want, struct frame **pin) REQUIRES(space->lock)
{
    struct region *r = region_find(space, page);
    if (!r || !region_allows(space, r, access))
        return -EFAULT;

    int err;
    pte_t *entry = page_table_find(space->root, page);
    if (entry && pte_present(*entry)) {
        err = page_improve(space, r, page, access);
    } else if (!region_is_supplied(r, page)) {
        err = page_put_zeros(space, r, page, access);
    } else if (!supply_has(have, 0, r, page)) {
        *want = wanted_for(space, r, page);
        backing_get(want->backing);
        return -EAGAIN;
    } else {
        err = page_put_supplied(space, r, page, access, have);
    }
    if (!err && pin)
        *pin = frame_get(frame_of_pte(*page_table_find(space->root, page)));
    return err;
}

static int fault_in(struct vmspace *space, uaddr_t va, enum fault_access access, struct frame **pin)
{
    uaddr_t page = ROUND_DOWN(va, PAGE_SIZE);
    struct supply have;
    struct wanted want;

    have.of.backing = NULL;
    have.given = 0;

    for (;;) {
        mutex_lock(&space->lock);
        int err = fault_once(space, page, access, &have, &want, pin);
        mutex_unlock(&space->lock);
        if (err == -EAGAIN) {
            supply_release(&have);
            err = supply_fetch(&have, &want);
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
    int err = page_put(space, r, page, FAULT_READS, frame);
    if (!err)
        *page_table_find(space->root, page) |= PTE_DIRTY;
    return err;
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

// What is left for those who write snapshots out: nodes of trees, records, the journal.
#define WRITERS_FRAMES 256u

static bool memory_is_scarce(void)
{
    return frames_free() < WRITERS_FRAMES && frames_free() + frames_reclaimable() < WRITERS_FRAMES;
}

/*
 * While a checkpoint writes a snapshot out, a process that writes to all of its memory needs it twice, which nobody
 * promised it. Neither it nor the checkpoint must fail for that: it waits until the snapshot is gone, and leaves the
 * last frames to the writer. It holds no lock, as it comes from user mode; and if it's interrupted, it goes back there,
 * where it is ended or frozen, or faults again.
 */
static int user_fault(struct vmspace *space, uaddr_t address, enum fault_access access)
{
    for (;;) {
        bool snapshots = snapshots_live();
        int err = snapshots && memory_is_scarce() ? -ENOMEM : vmspace_fault(space, address, access);
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
    if (!from_user)
        return vmspace_fault(space, address, access);
    int err = user_fault(space, address, access);
    if (!err)
        thread_self()->faults++;
    return err;
}

u64 faults_count(void)
{
    return atomic_load_explicit(&faults, memory_order_relaxed);
}
