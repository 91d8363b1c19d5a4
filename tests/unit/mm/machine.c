// The machine under mm's unit tests.
#include "machine.h"
#include <arch/cpu.h>
#include <arch/mmu.h>
#include <arch/upcall.h>
#include <base/string.h>
#include <kern/options.h>
#include <kern/printk.h>
#include <sched.h>
#include <sched/mutex.h>
#include <sched/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uapi/errno.h>

#define MEMORY_SIZE (24u << 20)
#define TLB_SIZE    64

static const struct {
    paddr_t start, end;
} ranges[] = { { 0x1000, 0x9f000 }, { 0x140000, 0xa00000 }, { 0xc03000, MEMORY_SIZE } };

u8 *machine_bytes;
int (*machine_sleep)(void);

static paddr_t kernel_root;
static struct thread threads[CPU_MAX];

static _Thread_local unsigned this_cpu;
static _Thread_local bool irq_is_on;
static _Thread_local paddr_t current_root;
static _Thread_local u32 flushes;
static _Thread_local struct {
    uaddr_t page;
    pte_t entry;  // 0: nothing is remembered
} tlb[TLB_SIZE];

void machine_become_cpu(unsigned cpu)
{
    this_cpu = cpu;
    irq_is_on = true;
    threads[cpu] = (struct thread){ .name = "test" };
    mmu_switch(kernel_root);
}

void machine_start(const char *command_line)
{
    free(machine_bytes);
    machine_bytes = aligned_alloc(PAGE_SIZE, MEMORY_SIZE);
    memset(machine_bytes, 0x99, MEMORY_SIZE);
    kernel_root = 0x100000;
    memset(phys_to_virt(kernel_root), 0, PAGE_SIZE);
    options_init(command_line);
    machine_become_cpu(0);
}

u32 machine_flushes(void)
{
    return flushes;
}

bool machine_memory(unsigned i, paddr_t *start, paddr_t *end)
{
    if (i >= ARRAY_SIZE(ranges))
        return false;
    *start = ranges[i].start;
    *end = ranges[i].end;
    return true;
}

unsigned cpu_index(void)
{
    return this_cpu;
}

struct thread *cpu_thread(void)
{
    return &threads[this_cpu];
}

void cpu_irq_on(void)
{
    irq_is_on = true;
}

void cpu_irq_off(void)
{
    irq_is_on = false;
}

bool cpu_irq_is_on(void)
{
    return irq_is_on;
}

void cpu_relax(void)
{
    sched_yield();
}

void printk(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
}

void panic(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

u64 time_ns(void)
{
    return 0;
}

int thread_sleep_until(u64 deadline)
{
    return machine_sleep();
}

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
    *m = (struct mutex){ .name = name, .rank = (u16)rank };
    spin_init(&m->inner, name, RANK_MUTEX);
}

static void mutex_take(struct mutex *m)
{
    for (bool got = false; !got; cpu_relax()) {
        spin_lock(&m->inner);
        got = !m->owner;
        if (got)
            m->owner = thread_self();
        spin_unlock(&m->inner);
    }
}

void mutex_lock(struct mutex *m) NO_LOCK_ANALYSIS
{
    assert(irq_nesting() == 0);
    lock_trace_acquire(&thread_self()->sleeping_locks, m->name, m->rank);
    mutex_take(m);
}

void mutex_lock_nested(struct mutex *m) NO_LOCK_ANALYSIS
{
    lock_trace_nest(&thread_self()->sleeping_locks, m->name, m->rank);
    mutex_take(m);
}

void mutex_unlock(struct mutex *m) NO_LOCK_ANALYSIS
{
    assert(m->owner == thread_self());
    lock_trace_release(&thread_self()->sleeping_locks, m->name, m->rank);
    spin_lock(&m->inner);
    m->owner = NULL;
    spin_unlock(&m->inner);
}

void mmu_root_init(pte_t *root)
{
    memset(root, 0, PAGE_SIZE);
}

paddr_t mmu_kernel_root(void)
{
    return kernel_root;
}

void mmu_switch(paddr_t root)
{
    current_root = root;
    tlb_flush_all();
}

void tlb_flush_all(void)
{
    flushes++;
    memset(tlb, 0, sizeof(tlb));
}

void tlb_flush_page(uaddr_t va)
{
    unsigned slot = (va >> PAGE_SHIFT) % TLB_SIZE;

    flushes++;
    if (tlb[slot].page == ROUND_DOWN(va, PAGE_SIZE))
        tlb[slot].entry = 0;
}

// What the page tables say of va: 0 if it's nowhere. Nothing is written through a closed table.
static pte_t walk(uaddr_t va, bool write)
{
    pte_t *root = phys_to_virt(current_root);
    pte_t table = root[pt_index(va, 1)];

    if (!pte_present(table))
        return 0;
    pte_t *entry = &((pte_t *)phys_to_virt(pte_addr(table)))[pt_index(va, 0)];
    if (!pte_table_is_open(table))
        return *entry & ~PTE_WRITE;
    if (write && (*entry & PTE_WRITE))
        *entry |= PTE_DIRTY;
    return *entry;
}

// A stale entry is used as long as it allows the access; that is how a forgotten flush shows itself. The first write
// makes the page dirty, in the page tables, too; who is remembered as dirty is not looked up there again.
static u8 *translate(uaddr_t va, bool write)
{
    unsigned slot = (va >> PAGE_SHIFT) % TLB_SIZE;
    uaddr_t page = ROUND_DOWN(va, PAGE_SIZE);
    pte_t need = PTE_READ | (write ? PTE_WRITE | PTE_DIRTY : 0);

    if (tlb[slot].page != page || (tlb[slot].entry & need) != need) {
        tlb[slot].page = page;
        tlb[slot].entry = walk(va, write);
    }
    if ((tlb[slot].entry & need) != need)
        return NULL;
    return (u8 *)phys_to_virt(pte_addr(tlb[slot].entry)) + va % PAGE_SIZE;
}

static int reach(uaddr_t va, bool write, bool from_user, u8 **at)
{
    for (int tries = 0; !(*at = translate(va, write)); tries++) {
        int err = upcall_fault(va, write ? FAULT_WRITES : FAULT_READS, from_user);
        if (err)
            return err;
        assert(tries < 100);
    }
    return 0;
}

// Copy as far as the pages allow; *done says how far.
static int copy(uaddr_t va, u8 *kernel, size_t n, bool write, bool from_user, size_t *done)
{
    for (*done = 0; *done < n;) {
        u8 *at;
        size_t step = MIN(n - *done, PAGE_SIZE - (va + *done) % PAGE_SIZE);
        int err = reach(va + *done, write, from_user, &at);
        if (err)
            return err;
        if (write)
            memcpy(at, kernel + *done, step);
        else
            memcpy(kernel + *done, at, step);
        *done += step;
    }
    return 0;
}

size_t user_copy_in(void *to, const void __user *from, size_t n)
{
    size_t done;

    copy((uaddr_t)from, to, n, false, false, &done);
    return n - done;
}

size_t user_copy_out(void __user *to, const void *from, size_t n)
{
    size_t done;

    copy((uaddr_t)to, (void *)from, n, true, false, &done);
    return n - done;
}

int user_read(uaddr_t va, void *to, size_t n)
{
    size_t done;

    return copy(va, to, n, false, true, &done);
}

int user_write(uaddr_t va, const void *from, size_t n)
{
    size_t done;

    return copy(va, (void *)from, n, true, true, &done);
}
