// Messages, and panic.
#include <arch/cpu.h>
#include <arch/upcall.h>
#include <base/format.h>
#include <base/string.h>
#include <kern/printk.h>
#include <kern/spinlock.h>

#define PANIC_STATUS 70

static struct spinlock printk_lock = SPINLOCK_INIT("printk", RANK_PRINTK);
static void (*sink)(const char *bytes, size_t n) GUARDED_BY(printk_lock) = early_write;
static _Atomic bool panicking;

void printk_set_sink(void (*write)(const char *bytes, size_t n))
{
    spin_lock(&printk_lock);
    sink = write;
    spin_unlock(&printk_lock);
}

static void put_message(void *arg, const char *bytes, size_t n) NO_LOCK_ANALYSIS
{
    (void)arg;
    sink(bytes, n);
}

void printk(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    spin_lock(&printk_lock);
    format_to(put_message, NULL, format, ap);
    spin_unlock(&printk_lock);
    va_end(ap);
}

static void put_early(void *arg, const char *bytes, size_t n)
{
    (void)arg;
    early_write(bytes, n);
}

static void print_early(const char *format, ...) PRINTF_LIKE(1, 2);
static void print_early(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    format_to(put_early, NULL, format, ap);
    va_end(ap);
}

// No lock is to be trusted any more, so the message goes straight to the first serial line.
void panic(const char *format, ...)
{
    uintptr_t pcs[12];
    va_list ap;

    cpu_irq_off();
    if (atomic_exchange(&panicking, true))
        for (;;)
            cpu_relax();
    cpu_stop_others();
    print_early("\npanic on CPU %u: ", cpu_index());
    va_start(ap, format);
    format_to(put_early, NULL, format, ap);
    va_end(ap);
    print_early("\ncalled from:");
    for (unsigned i = 0, n = cpu_backtrace(pcs, ARRAY_SIZE(pcs)); i < n; i++)
        print_early(" %p", (void *)pcs[i]);
    print_early("\nThe machine has stopped. Look these addresses up with: llvm-symbolizer -e amber.elf\n");
    machine_off(PANIC_STATUS);
}

void upcall_message(const char *text)
{
    printk("%s\n", text);
}

void upcall_panic(const char *text)
{
    panic("%s", text);
}
