// Address spaces: regions of pages over counted frames.
//
// A region says what a range of addresses means: zero-filled memory, or memory backed by something (a file, an image)
// that supplies each page on first touch. The page tables are a cache of that, except that a page once present belongs
// to the space. After a clone both spaces share frames, read-only; the first write makes a copy.
#pragma once

#include <arch/mmu.h>
#include <arch/upcall.h>
#include <base/list.h>
#include <mm/frame.h>
#include <sched/mutex.h>

// Supplies pages. Declared here, implemented by fs (files) and ckpt (images).
struct backing {
    const struct backing_ops *ops;
    _Atomic u32 refs;
};

struct backing_ops {
    /*
     * Give the page at `offset` (any multiple of PAGE_SIZE relative to the region's own start offset; may be unaligned
     * in the file) as a frame with a reference for the caller, who may write to it only if it is the sole owner. Bytes
     * past `limit` bytes are zero. Errors: -EIO, -ENOMEM, -EBADMSG. Called without locks; may sleep.
     */
    int (*page)(struct backing *b, u64 offset, size_t limit, struct frame **out);
    void (*destroy)(struct backing *b);  // the last reference is gone; may sleep
};

struct backing *backing_get(struct backing *b);
void backing_put(struct backing *b);

enum region_kind { REGION_DATA, REGION_HEAP, REGION_STACK };
enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };

struct region {
    struct list link;    // in the space's list, by address
    uaddr_t start, end;  // page-aligned, end exclusive
    u8 prot;
    u8 kind;        // enum region_kind
    bool reserved;  // writable, and its pages were promised when it was made; otherwise each is when it is touched
    struct backing *backing;  // NULL: zeros
    u64 offset;               // in the backing, of `start`
    u64 filled;               // bytes from `start` that the backing supplies; the rest are zeros
};

struct vmspace {
    struct mutex lock;
    struct list regions FIELD_GUARDED_BY(lock);
    pte_t *root;  // its page table
    uaddr_t heap_start FIELD_GUARDED_BY(lock);
    uaddr_t heap_end FIELD_GUARDED_BY(lock);    // the break, in bytes
    uaddr_t heap_limit FIELD_GUARDED_BY(lock);  // the break never passes this
    u32 committed FIELD_GUARDED_BY(lock);       // pages promised to it
    bool snapshot;                              // a clone that is only read; constant
    _Atomic u32 region_count;                   // these three change under the lock and may be read without
    _Atomic u32 pages;                          // of all regions
    _Atomic u32 resident;                       // pages present
};

#define USER_STACK_MAX (8u << 20)
#define REGIONS_MAX    256  // of one space

// Who may use a space: its own thread; others only while that thread is known not to run (frozen, ended, not yet
// started). A snapshot belongs to whoever made it. vmspace_figures() is for everyone who can be sure that the space is
// not destroyed meanwhile.

/* An empty space. Errors: -ENOMEM. */
MUST_CHECK int vmspace_create(struct vmspace **out);

/* Nobody runs in it any more, and it is nobody's current one. Sleeps (backings). NULL is fine. */
void vmspace_destroy(struct vmspace *space);

/*
 * Clone `from` copy-on-write into *out: same regions, same frames, every writable page of both now read-only.
 * Cost: one pass over the page tables, none over the data. Errors: -ENOMEM, and then `from` is as before.
 * promise: reserve memory for all that the clone may write (fork); without, the clone can only be read (a snapshot):
 * writing is -EFAULT. `from` is the current process's space, or that of a process that does not run.
 */
MUST_CHECK int vmspace_clone(struct vmspace *from, bool promise, struct vmspace **out);

/*
 * Add a region. -EINVAL: not page-aligned, empty, outside user space, overlapping, or fields that make no sense.
 * -ENOMEM: the memory can't be promised, or there are REGIONS_MAX regions already. like->reserved counts for a writable
 * region only. Takes over the caller's reference to `backing` in every case.
 */
MUST_CHECK int vmspace_add(struct vmspace *space, const struct region *like);

/* Say where the heap lies; it's empty. start page-aligned, start <= limit <= USER_END. */
void vmspace_set_heap(struct vmspace *space, uaddr_t start, uaddr_t limit);

/*
 * Move the break by `delta` bytes; *old becomes the break before. Pages given up read zero when taken again.
 * -ENOMEM: too far or not enough memory.
 */
MUST_CHECK int vmspace_brk(struct vmspace *space, intptr_t delta, uaddr_t *old);

/*
 * Make the page at va present with rights for `access`. -EFAULT, -ENOMEM, -EIO, -EBADMSG. May sleep. Takes
 * space->lock itself.
 */
MUST_CHECK int vmspace_fault(struct vmspace *space, uaddr_t va, enum fault_access access);

/*
 * The frame behind the page at va, with a reference for the caller, faulted in for `access` first. With FAULT_WRITES
 * the frame is the space's own and will be seen by the process. Works on the current space and on that of a process
 * that does not run.
 */
MUST_CHECK int vmspace_pin(struct vmspace *space, uaddr_t va, enum fault_access access, struct frame **out);

/*
 * Put a frame into a region that has no page there yet: takes over the reference, in every case. -EEXIST, -EFAULT (no
 * region), -ENOMEM. The process may write to it if the region is writable; if others hold references too, it gets a
 * copy when it does.
 */
MUST_CHECK int vmspace_install(struct vmspace *space, uaddr_t va, struct frame *frame);

/*
 * The next page at or after *va that is present, or that a backing would supply; false when there is none. *present:
 * its frame, which stays the space's (no reference); NULL if it is not present. Pages of zeros that were never touched
 * are passed over.
 */
bool vmspace_next_page(struct vmspace *space, uaddr_t *va, struct frame **present);

/* Figures and the state for an image. */
struct x_region {
    u64 start, end, resident_pages;
    u32 prot, kind;
};
u32 vmspace_export(struct vmspace *space, struct x_region *out, u32 n);  // how many regions there are; fills at most n
void vmspace_heap_export(struct vmspace *space, u64 *start, u64 *end, u64 *limit);
MUST_CHECK int vmspace_heap_import(struct vmspace *space, u64 start, u64 end, u64 limit);  // -EINVAL

/* Sizes in bytes. Takes no lock, doesn't sleep. */
void vmspace_figures(struct vmspace *space, u32 *regions, u64 *size, u64 *resident);

/* Spaces that were created and not destroyed. */
u32 vmspaces_live(void);

/* Pages promised to all, and how many can be. */
u64 commit_used(void);
u64 commit_limit(void);

/*
 * Make `space` the one that the current thread runs in, page table and all; NULL: none. The thread's next user copy and
 * fault go there. The one before stays whole: the caller destroys it.
 */
void vmspace_use(struct vmspace *space);
u64 faults_count(void);
