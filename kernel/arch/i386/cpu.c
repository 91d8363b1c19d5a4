// One CPU: its descriptor tables, and what the rest of the kernel asks of it.
#include "machine.h"

#define SEGMENT_CODE        0x9b
#define SEGMENT_DATA        0x93
#define SEGMENT_TSS         0x89
#define SEGMENT_USER        0x60
#define GATE_INTERRUPT      0x8e
#define GATE_TASK           0x85
#define GATE_USER           0x60

#define VECTOR_NMI          2
#define VECTOR_DOUBLE_FAULT 8
#define FAULT_STACK_SIZE    4096

struct table_pointer {
    u16 limit;
    u32 base;
} __attribute__((packed));

struct cpu cpus[CPU_MAX];
_Alignas(16) u8 boot_stacks[CPU_MAX][KERNEL_STACK_SIZE];
static u64 idt[256];
_Alignas(16) static u8 fault_stack[FAULT_STACK_SIZE];

_Static_assert(sizeof(struct trap_frame) == 68 && offsetof(struct trap_frame, cs) == 52, "entry.S knows the layout");
_Static_assert(offsetof(struct cpu, index) == CPU_INDEX_AT && offsetof(struct cpu, thread) == CPU_THREAD_AT,
               "machine_cpu.h knows the layout");
_Static_assert(sizeof(struct tss) == 104, "the machine knows the layout");

// limit: in bytes for small segments, in pages for those above 1 MiB.
static u64 segment(u32 base, u32 limit, u8 type)
{
    u64 big = limit > 0xfffff ? 0xc : 0x4;  // granularity and 32-bit operands

    if (big == 0xc)
        limit >>= PAGE_SHIFT;
    return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)type << 40 | (u64)(limit >> 16) << 48 | big << 52 |
           (u64)(base >> 24) << 56;
}

static u64 gate(u16 selector, const void *target, u8 type)
{
    u32 address = (u32)target;
    return (address & 0xffff) | (u64)selector << 16 | (u64)type << 40 | (u64)(address >> 16) << 48;
}

static void idt_fill(void)
{
    for (unsigned v = 0; v < ARRAY_SIZE(idt); v++)
        idt[v] = gate(SEL_KERNEL_CODE, trap_vectors[v], GATE_INTERRUPT);
    idt[VECTOR_NMI] = gate(SEL_KERNEL_CODE, (void *)nmi_entry, GATE_INTERRUPT);
    idt[VECTOR_DOUBLE_FAULT] = gate(SEL_FAULT_TSS, NULL, GATE_TASK);
    idt[SYSCALL_VECTOR] = gate(SEL_KERNEL_CODE, trap_vectors[SYSCALL_VECTOR], GATE_INTERRUPT | GATE_USER);
}

// Double faults run as a task of their own: what breaks there may be the stack.
static void tss_fill(struct cpu *c)
{
    c->tss = (struct tss){ .ss0 = SEL_KERNEL_DATA, .io_map = sizeof(struct tss) };
    c->fault_tss = (struct tss){
        .io_map = sizeof(struct tss),
        .cr3 = mmu_kernel_root(),
        .eip = (u32)double_fault,
        .esp = (u32)(fault_stack + FAULT_STACK_SIZE),
        .eflags = 2,
        .cs = SEL_KERNEL_CODE,
        .ss = SEL_KERNEL_DATA,
        .ds = SEL_USER_DATA,
        .es = SEL_USER_DATA,
        .gs = SEL_CPU,
    };
}

static void tables_load(const struct cpu *c)
{
    struct table_pointer gdt = { sizeof c->gdt - 1, (u32)c->gdt };
    struct table_pointer vectors = { sizeof idt - 1, (u32)idt };

    __asm__ volatile("lgdt %0\n"
                     "ljmp %1, $1f\n"
                     "1: movl %2, %%ss\n"
                     "movl %3, %%ds\n"
                     "movl %3, %%es\n"
                     "movl %4, %%fs\n"
                     "movl %5, %%gs\n"
                     "lidt %6\n"
                     "ltr %w7\n"
                     :
                     : "m"(gdt), "i"(SEL_KERNEL_CODE), "r"(SEL_KERNEL_DATA), "r"(SEL_USER_DATA), "r"(0), "r"(SEL_CPU),
                       "m"(vectors), "r"(SEL_TSS)
                     : "memory");
}

void cpu_setup(unsigned index)
{
    struct cpu *c = &cpus[index];

    if (index == 0)
        idt_fill();
    c->self = c;
    c->index = index;
    tss_fill(c);
    c->gdt[SEL_KERNEL_CODE / 8] = segment(0, 0xffffffff, SEGMENT_CODE);
    c->gdt[SEL_KERNEL_DATA / 8] = segment(0, 0xffffffff, SEGMENT_DATA);
    c->gdt[SEL_USER_CODE / 8] = segment(0, 0xffffffff, SEGMENT_CODE | SEGMENT_USER);
    c->gdt[SEL_USER_DATA / 8] = segment(0, 0xffffffff, SEGMENT_DATA | SEGMENT_USER);
    c->gdt[SEL_CPU / 8] = segment((u32)c, sizeof *c - 1, SEGMENT_DATA);
    c->gdt[SEL_TSS / 8] = segment((u32)&c->tss, sizeof c->tss - 1, SEGMENT_TSS);
    c->gdt[SEL_FAULT_TSS / 8] = segment((u32)&c->fault_tss, sizeof c->fault_tss - 1, SEGMENT_TSS);
    tables_load(c);
}

// sti takes effect after the next instruction, so the interrupt comes inside hlt or after it.
void cpu_idle(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

// A frame: the caller's frame pointer, and above it the return address. Frames of one stack lie in rising order, and
// close by.
unsigned cpu_backtrace(uintptr_t *pcs, unsigned n)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    unsigned i = 0;

    while (i < n) {
        const uintptr_t *next = (const uintptr_t *)frame[0];
        pcs[i++] = frame[1];
        if (next <= frame || (uintptr_t)next - (uintptr_t)frame > KERNEL_STACK_SIZE)
            break;
        frame = next;
    }
    return i;
}
