#include "kernel.h"
#include <base/format.h>
#include <base/string.h>
#include <hosted/objects.h>
#include <kern/fault.h>
#include <kern/printk.h>
#include <machine.h>
#include <mm/kmalloc.h>
#include <sched/thread.h>
#include <stdlib.h>
#include <uapi/errno.h>

// ---- what kern and mm want, and what they have instead

void printk(const char *format, ...)
{
    char text[600];
    va_list ap;

    va_start(ap, format);
    (void)format_text_va(text, sizeof(text), format, ap);
    va_end(ap);
    for (const char *at = text; *at; at++)
        EXPECT(*at == '\n' || ((u8)*at >= ' ' && *at != 127));
}

bool host_alloc_fails(void)
{
    return fault_now(FAULT_KMALLOC);
}

u64 kmem_live(void)
{
    return host_objects();
}

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

int wait_on(struct wait_queue *queue, struct spinlock *lock, enum wait_kind kind, u64 deadline, const char *what)
{
    fuzz_fail(__FILE__, __LINE__, "nobody waits");
}

void wake_all(struct wait_queue *queue)
{
    EXPECT(list_empty(&queue->waiters));
}

void wake_one(struct wait_queue *queue)
{
    wake_all(queue);
}

void thread_breathe(void)
{
}

// There are none: what the kernel would have a thread do is done by who wants it.
void thread_init(struct thread *t, const char *name, void *stack, void (*entry)(void *), void *arg)
{
    fuzz_fail(__FILE__, __LINE__, "a thread is made");
}

void thread_start(struct thread *t)
{
    fuzz_fail(__FILE__, __LINE__, "a thread is started");
}

// ---- files

static u32 inodes, files;

struct inode *inode_create(u32 type, const void *bytes, size_t size)
{
    struct inode *i = calloc(1, sizeof(*i));

    inodes++;
    i->refs = 1;
    i->type = type;
    i->ino = 5;
    i->size = size;
    i->bytes = malloc(size + 1);
    if (size)
        memcpy(i->bytes, bytes, size);
    return i;
}

struct inode *inode_get(struct inode *i)
{
    EXPECT(i->refs > 0);
    i->refs++;
    return i;
}

void inode_put(struct inode *i)
{
    EXPECT(i->refs > 0);
    if (--i->refs)
        return;
    EXPECT(i->denied == 0);
    inodes--;
    free(i->bytes);
    free(i);
}

u32 inode_type(const struct inode *i)
{
    return i->type;
}

void inode_identify(struct inode *i, struct inode_identity *id)
{
    *id = (struct inode_identity){ .ino = i->ino, .generation = 1, .size = i->size, .changes = 12, .type = i->type };
}

int inode_read(struct inode *i, u64 offset, struct piece *pieces, u32 count, size_t *done)
{
    *done = 0;
    if (i->type == T_DIR)
        return -EISDIR;
    for (u32 k = 0; k < count && offset < i->size; k++) {
        size_t n = MIN((size_t)pieces[k].size, i->size - (size_t)offset);
        memcpy(pieces[k].data, i->bytes + offset, n);
        offset += n;
        *done += n;
    }
    return 0;
}

int inode_read_frames(struct inode *i, u64 offset, struct frame **frames, u32 count)
{
    EXPECT(offset % PAGE_SIZE == 0 && count > 0);
    for (u32 k = 0; k < count; k++) {
        struct piece piece = { frame_data(frames[k]), PAGE_SIZE };
        size_t done;

        memset(frame_data(frames[k]), 0, PAGE_SIZE);
        int err = inode_read(i, offset + (u64)k * PAGE_SIZE, &piece, 1, &done);
        if (err)
            return err;
    }
    return 0;
}

// What is written is read once, and forgotten.
int inode_write_frames(struct inode *i, u64 offset, struct frame **frames, u32 count)
{
    EXPECT(offset % PAGE_SIZE == 0 && offset < 1ull << 63);
    for (u32 k = 0; k < count; k++)
        EXPECT(!memory_is_zero(frame_data(frames[k]), PAGE_SIZE) || true);
    return offset > 1ull << 40 ? -EFBIG : 0;
}

int inode_truncate(struct inode *i, u64 size)
{
    return size > 1ull << 40 ? -EFBIG : 0;
}

int inode_sync(struct inode *i)
{
    return 0;
}

int inode_writes_deny(struct inode *i)
{
    i->denied++;
    return 0;
}

void inode_writes_allow(struct inode *i)
{
    EXPECT(i->denied > 0);
    i->denied--;
}

struct file *file_create(enum file_kind kind, struct inode *inode)
{
    struct file *f = calloc(1, sizeof(*f));

    files++;
    f->refs = 1;
    f->kind = kind;
    f->inode = inode;
    return f;
}

struct file *file_get(struct file *f)
{
    EXPECT(f->refs > 0);
    f->refs++;
    return f;
}

void file_put(struct file *f)
{
    EXPECT(f->refs > 0);
    if (--f->refs)
        return;
    files--;
    if (f->inode)
        inode_put(f->inode);
    free(f);
}

enum file_kind file_kind(const struct file *f)
{
    return f->kind;
}

struct inode *file_inode(struct file *f)
{
    return f->inode;
}

// ---- spaces

// From the first page on, and also such as the program may not touch.
void space_touch(struct vmspace *space, u32 pages)
{
    struct space_page page;
    struct frame *frame;
    uaddr_t va = 0;
    u32 count;

    for (u32 n = 0; n < pages && vmspace_next_pages(space, &va, &page, 1, &count) == 0; n++) {
        EXPECT(count == 1 && page.va < USER_END && page.va % PAGE_SIZE == 0);
        (void)!vmspace_fault(space, page.va, FAULT_READS);
        if (vmspace_pin(space, page.va, n % 2 ? FAULT_WRITES : FAULT_EXECUTES, &frame) == 0)
            frame_put(frame);
    }
    (void)!vmspace_fault(space, USER_END - PAGE_SIZE, FAULT_READS);
    (void)!vmspace_fault(space, USER_END - 2 * PAGE_SIZE, FAULT_WRITES);
}

// ---- a run

static u32 frames_before;

static int never_sleeps(void)
{
    return 0;
}

void kernel_begin(void)
{
    if (!machine_bytes) {
        machine_sleep = never_sleeps;
        machine_start("");
        frames_init();
    }
    frames_before = frames_free();
}

void kernel_end(void)
{
    fault_arm(FAULT_KMALLOC, 0, false);
    fault_arm(FAULT_FRAME, 0, false);
    vmspace_use(NULL);
    EXPECT(inodes == 0 && files == 0);
    EXPECT(host_objects() == 0 && vmspaces_live() == 0 && commit_used() == 0);
    EXPECT(frames_free() == frames_before);
    EXPECT(irq_nesting() == 0 && thread_self()->sleeping_locks.depth == 0);
}
