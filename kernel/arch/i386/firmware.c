// Which CPUs and interrupt controllers there are: ACPI's word first, the MP tables' second, else one CPU.
#include "machine.h"
#include <base/byteorder.h>
#include <base/string.h>

#define EBDA_SEGMENT   0x40e  // where the BIOS keeps the segment of its extended data
#define BASE_MEMORY    0x413  // KiB below that
#define BIOS_START     0xe0000
#define BIOS_END       0x100000
#define SIGNATURE_STEP 16

struct machine_tables tables;

bool bytes_sum_to_zero(const u8 *p, size_t n)
{
    u8 sum = 0;

    while (n--)
        sum += *p++;
    return sum == 0;
}

static const u8 *search(paddr_t from, paddr_t to, const char *signature, size_t signature_size, size_t size)
{
    for (; from + size <= to; from += SIGNATURE_STEP) {
        const u8 *at = phys_to_virt(from);
        if (memcmp(at, signature, signature_size) == 0 && bytes_sum_to_zero(at, size))
            return at;
    }
    return NULL;
}

const u8 *firmware_search(const char *signature, size_t signature_size, size_t size)
{
    paddr_t ebda = (paddr_t)le16(phys_to_virt(EBDA_SEGMENT)) << 4;
    paddr_t base_end = (paddr_t)le16(phys_to_virt(BASE_MEMORY)) << 10;
    const u8 *found = NULL;

    if (ebda && ebda < BIOS_START)
        found = search(ebda, ebda + 1024, signature, signature_size, size);
    if (!found && base_end >= 1024 && base_end < BIOS_START)
        found = search(base_end - 1024, base_end, signature, signature_size, size);
    return found ? found : search(BIOS_START, BIOS_END, signature, signature_size, size);
}

void tables_add_cpu(struct machine_tables *t, u8 apic_id)
{
    if (t->cpu_count < ARRAY_SIZE(t->apic_ids))
        t->apic_ids[t->cpu_count++] = apic_id;
}

static void tables_clear(struct machine_tables *t)
{
    memset(t, 0, sizeof *t);
    for (unsigned line = 0; line < ISA_LINES; line++)
        t->isa[line].gsi = line;
}

void tables_init(void)
{
    tables_clear(&tables);
    if (!boot_option("noapic", NULL) && !acpi_read(&tables)) {
        tables_clear(&tables);
        if (!mp_read(&tables))
            tables_clear(&tables);
    }
    tables.cpu_limit = CPU_MAX;
    boot_option("cpus", &tables.cpu_limit);
    tables.cpu_limit = MAX(1, MIN(tables.cpu_limit, MIN(tables.cpu_count, CPU_MAX)));
}
