// What the files of this machine share. The contracts towards the rest of the kernel are in include/arch.
#pragma once

#define KERNEL_OFFSET 0x80000000  // virtual minus physical

// Segments: the order in the table is fixed by the gdt of struct cpu.
#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
#define SEL_USER_CODE   0x1b
#define SEL_USER_DATA   0x23
#define SEL_CPU         0x28  // %gs in the kernel: this CPU's struct cpu
#define SEL_TSS         0x30
#define SEL_FAULT_TSS   0x38

#define CR0_ON          0x80010022  // paging, write protection for the kernel too, native FPU errors, WAIT heeds TS
#define CR0_TS          0x00000008  // the next FPU instruction traps
#define CR0_OFF         0x60000004  // caches disabled, FPU emulation
#define CR4_ON          0x00000690  // 4 MiB pages, global pages, FXSAVE, SSE exceptions

#define VECTOR_LINES    0x20  // device line n arrives at VECTOR_LINES + n
#define LINES_MAX       24
#define VECTOR_MSI      0x50
#define MSI_MAX         32
#define VECTOR_TICK     0xf0
#define VECTOR_KICK     0xf1
#define VECTOR_SPURIOUS 0xff

#define AP_TRAMPOLINE   0x8000  // where other CPUs start: a page below 1 MiB

#ifndef __ASSEMBLER__

#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/mmu.h>
#include <stdatomic.h>

// The task-state segment (Intel SDM volume 3, section 8.2.1).
struct tss {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 es, cs, ss, ds, fs, gs, ldt;
    u16 trap, io_map;
};

struct cpu {
    struct cpu *self;  // at %gs:0
    unsigned index;
    u32 apic_id;
    struct thread *thread;        // sched's
    struct fpu_state *fpu_owner;  // whose values the FPU holds; NULL: nobody's, and CR0.TS is set
    volatile bool interrupted;    // since upcall_user_return() was called last
    u64 tsc_offset;               // to the boot CPU's time-stamp counter
    u64 gdt[8];
    struct tss tss, fault_tss;
};

extern struct cpu cpus[CPU_MAX];

static inline struct cpu *this_cpu(void)
{
    struct cpu *c;
    __asm__ volatile("movl %%gs:0, %0" : "=r"(c));
    return c;
}

// What lies on the stack after a trap. `regs` is at a fixed place below the top of the stack after a trap from user
// mode; its eip, eflags and esp are copied back from there. After a trap from the kernel esp and ss are not there, and
// eip is what counts.
struct trap_frame {
    struct uregs regs;
    u32 vector, error;
    u32 eip, cs, eflags;
    u32 esp, ss;
};

// The firmware's tables.
#define ISA_LINES      16
#define INTI_POLARITY  0x3  // of flags: 0 as the bus has it, 1 high, 3 low
#define INTI_TRIGGER   0xc  // 0 as the bus has it, 4 edge, 12 level
#define INTI_LEVEL_LOW 0xf
struct machine_tables {
    u32 lapic;  // physical addresses; 0: there is none
    u32 ioapic;
    u32 gsi_base;        // of its first pin
    unsigned cpu_count;  // that are there
    unsigned cpu_limit;  // that are to be used, at least 1
    u8 apic_ids[64];
    struct {
        u32 gsi;
        u16 flags;
    } isa[ISA_LINES];
};
extern struct machine_tables tables;

void tables_init(void);                    // firmware.c
bool acpi_read(struct machine_tables *t);  // acpi.c; false, and t as it was, if there is no ACPI
bool mp_read(struct machine_tables *t);    // mptable.c; likewise
void tables_add_cpu(struct machine_tables *t, u8 apic_id);
bool bytes_sum_to_zero(const u8 *p, size_t n);
/* A structure of `size` bytes that starts with the signature, among the BIOS's data, with a right checksum; or NULL. */
const u8 *firmware_search(const char *signature, size_t signature_size, size_t size);

bool boot_option(const char *name, unsigned *number);  // memory.c: is it on the command line; number may be NULL
void memory_init(u32 info);                            // info: the physical address of what multiboot gave

void cpu_setup(unsigned index);  // cpu.c: descriptor tables of the calling CPU
void mmu_init(void);             // mmu.c
void mmu_leave_boot_root(void);
void fpu_init(void);  // fpu.c
void fpu_load(void);
void serial_init(void);  // serial.c
void irq_init(void);     // irq.c
void interrupt(unsigned vector);
void clock_start(void);  // clock.c
void clock_init(void);
u64 clock_tsc(void);
void cpu_stop_if_asked(void);  // smp.c: for the NMI

bool lapic_present(void);  // lapic.c
void lapic_find(void);
void lapic_init(void);  // the calling CPU's
u32 lapic_id(void);
void lapic_eoi(void);
bool lapic_in_service(unsigned vector);
void lapic_send(u32 apic_id, u32 command);
void lapic_timer_measure(void);  // let it count down from lapic_timer_left() = UINT32_MAX
u32 lapic_timer_left(void);
void lapic_timer_start(u32 period);  // interrupts every `period` counts from now on
#define LAPIC_FIXED      0x4000
#define LAPIC_NMI_OTHERS 0xc4400
#define LAPIC_INIT       0x4500
#define LAPIC_STARTUP    0x4600
void tick_start(void);  // clock.c: start the calling CPU's tick

void user_return(struct uregs *regs);  // context.c: the last step before user mode; leaves interrupts off

void trap(struct trap_frame *f);  // trap.c; the rest of these is called by, or in, entry.S and boot.S
void nmi(void);
_Noreturn void double_fault(void);
_Noreturn void machine_boot(u32 magic, u32 info);  // boot.c
_Noreturn void ap_start(void);                     // smp.c
_Noreturn void user_resume(struct trap_frame *f);
void context_begin(void);
void context_swap(struct context *from, struct context *to);
void nmi_entry(void);
extern const char trap_vectors[256][16];
extern const char user_copy_words[], user_copy_words_failed[], user_copy_bytes[], user_copy_bytes_failed[];
extern const u8 ap_trampoline[], ap_trampoline_end[];
extern void *ap_stack;
extern u8 boot_stacks[CPU_MAX][KERNEL_STACK_SIZE];
extern u8 kernel_start[], kernel_writable[], kernel_guard[], kernel_end[];  // kernel.ld

static inline u32 irq_save(void)
{
    u32 flags;
    __asm__ volatile("pushfl; popl %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void irq_restore(u32 flags)
{
    __asm__ volatile("pushl %0; popfl" : : "r"(flags) : "memory", "cc");
}

// The lock of this module's own, for pairs of index and data registers. Innermost: nothing is called while it is held.
struct port_lock {
    atomic_flag held;
};

static inline u32 port_lock(struct port_lock *l)
{
    u32 flags = irq_save();
    while (atomic_flag_test_and_set_explicit(&l->held, memory_order_acquire))
        cpu_relax();
    return flags;
}

static inline void port_unlock(struct port_lock *l, u32 flags)
{
    atomic_flag_clear_explicit(&l->held, memory_order_release);
    irq_restore(flags);
}

static inline u64 read_tsc(void)
{
    u64 t;
    __asm__ volatile("rdtsc" : "=A"(t));
    return t;
}

static inline u32 read_cr0(void)
{
    u32 v;
    __asm__ volatile("movl %%cr0, %0" : "=r"(v));
    return v;
}

static inline void write_cr0(u32 v)
{
    __asm__ volatile("movl %0, %%cr0" : : "r"(v) : "memory");
}

static inline void cpuid(u32 leaf, u32 *a, u32 *b, u32 *c, u32 *d)
{
    __asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(0));
}

#define CPUID_TSC  (1u << 4)
#define CPUID_APIC (1u << 9)
#define CPUID_FXSR (1u << 24)
#define CPUID_SSE  (1u << 25)
static inline u32 cpu_features(void)
{
    u32 a, b, c, d;
    cpuid(1, &a, &b, &c, &d);
    return d;
}

#endif
