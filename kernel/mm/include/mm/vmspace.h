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

#define SUPPLY_MAX 64  // pages asked for at once

struct backing_ops {
    /*
     * Give the page at `offset` (any multiple of PAGE_SIZE relative to the region's own start offset; may be unaligned
     * in the file), and, if they come cheaply with it, pages after it: at most `want` (1 to SUPPLY_MAX) in all, and
     * none past `limit` bytes from `offset`; bytes past `limit` in the last page are zero. *given: how many, at least
     * 1. Each is a frame with a reference for the caller, who may write to it only if it is the sole owner; NULL: a
     * page of zeros. Errors: -EIO, -ENOMEM, -EBADMSG. Called without locks; may sleep.
     */
    int (*pages)(struct backing *b, u64 offset, u64 limit, struct frame **out, u32 want, u32 *given);
    /*
     * Move *offset, a multiple of PAGE_SIZE, up to the first page from there on that isn't known to be all zeros.
     * -ENOENT: there is none. Errors as of pages(). NULL: no page is known to be zeros. Called without locks; may
     * sleep.
     */
    int (*next)(struct backing *b, u64 *offset);
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
    u32 ahead;                // mm's own: pages to ask the backing for at once, as faults went so far,
    uaddr_t touched;          // and the last page that it was asked for
};

struct tracking;

struct vmspace {
    struct mutex lock;
    struct list regions FIELD_GUARDED_BY(lock);
    pte_t *root;  // its page table
    uaddr_t heap_start FIELD_GUARDED_BY(lock);
    uaddr_t heap_end FIELD_GUARDED_BY(lock);    // the break, in bytes
    uaddr_t heap_limit FIELD_GUARDED_BY(lock);  // the break never passes this
    u32 committed FIELD_GUARDED_BY(lock);       // pages promised to it
    bool snapshot;                              // a clone that is only read; constant
    struct tracking *tracking;                  // what changed since its marks; NULL: it has none
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

struct space_page {
    uaddr_t va;
    struct frame *frame;  // the space's (no reference); NULL: it's not present, but a backing would supply it
};

/*
 * The next pages at or after *va that are present, or that a backing would supply: `count` of them, at most `most`, and
 * *va is where to go on. 0; or -ENOENT when there is none, or the backing's error: and then there is none in `out`.
 * Pages of zeros that were never touched are passed over. May sleep.
 */
MUST_CHECK int vmspace_next_pages(struct vmspace *space, uaddr_t *va, struct space_page *out, u32 most, u32 *count);

/* The frame that is present at va, which stays the space's; NULL if there is none. */
struct frame *vmspace_present(struct vmspace *space, uaddr_t va);

/* Would a backing supply the page at va, which is not present? */
bool vmspace_supplied(struct vmspace *space, uaddr_t va);

// What changed. A mark is an instant in the life of a space; from then on the space notes which of its pages change, so
// that a later snapshot can say what changed since. The label says what the mark stands for: its meaning is the
// caller's, and mm compares the first two words only. A space has MARKS_MAX marks, of which MARKS_KNOWING know what
// changed; the oldest make room. A mark that finds no memory stays, and no longer knows. A clone starts without marks.

#define MARKS_MAX     32
#define MARKS_KNOWING 4

struct mark_label {
    u64 word[6];
};

// Numbers of pages (address / PAGE_SIZE).
struct page_set;
bool page_set_next(const struct page_set *set, uaddr_t *page);  // the first one at or after *page
u32 page_set_count(const struct page_set *set);

/* The next pages of the set at or after *va, at most `most`: `frame` NULL if one isn't present. *va is where to go on.
 * Returns how many. */
u32 vmspace_next_of_set(struct vmspace *space, const struct page_set *set, uaddr_t *va, struct space_page *out,
                        u32 most);

// A snapshot, and what it takes to make its instant a mark or to forget it.
struct snapshot_mark;

/* The label of the newest mark whose first two words are these; false if there is none. Like vmspace_clone(): the
 * space is the current process's, or that of a process that doesn't run. */
bool vmspace_find_mark(struct vmspace *space, u64 word0, u64 word1, struct mark_label *out);

/*
 * vmspace_clone() without a promise, and a mark in the making. base: the label of a mark, all words equal, or NULL.
 * *changed: the pages that changed since that mark, for the caller to read from snapshot_mark_settle() until it gives
 * the mark back; NULL: not known, or no such mark (all may have changed). Everything else is as in vmspace_clone().
 */
MUST_CHECK int vmspace_snapshot(struct vmspace *from, const struct mark_label *base, struct vmspace **out,
                                const struct page_set **changed, struct snapshot_mark **mark);

/* Before the snapshot, or *changed, is first looked at; the space may run again. False: what changed is not known after
 * all, for lack of memory. */
MUST_CHECK bool snapshot_mark_settle(struct snapshot_mark *mark);

/* The instant of the snapshot becomes a mark under that label; the marks that have its first two words go. *mark is
 * used up. Works also if the space has ended meanwhile. */
void snapshot_mark_keep(struct snapshot_mark *mark, const struct mark_label *label);

/* The instant is forgotten; the base's mark is as if the snapshot had not been. *mark is used up. */
void snapshot_mark_drop(struct snapshot_mark *mark);

/* Mark the present instant: for a space that nobody has run in yet. -ENOMEM. */
MUST_CHECK int vmspace_mark(struct vmspace *space, const struct mark_label *label);

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
