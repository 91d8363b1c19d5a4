// ACPI: only the table that lists interrupt controllers (ACPI 6.4, sections 5.2.5 to 5.2.12).
#include "machine.h"
#include <base/byteorder.h>
#include <base/string.h>

#define RSDP_SIZE     20
#define RSDP_RSDT     16
#define HEADER_SIZE   36
#define HEADER_LENGTH 4
#define TABLE_MAX     0x10000

#define MADT_LAPIC    36
#define MADT_ENTRIES  44
enum madt_entry { MADT_CPU = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2 };
#define CPU_ENABLED 1

static const u8 *map(paddr_t pa, size_t size)
{
    if (pa < DIRECT_MAP_SIZE && size < DIRECT_MAP_SIZE - pa)
        return phys_to_virt(pa);
    return mmu_map_device(pa, size);
}

// The table at pa, if it is whole.
static const u8 *table(paddr_t pa, u32 *length)
{
    const u8 *t = map(pa, HEADER_SIZE);

    if (!t)
        return NULL;
    *length = le32(t + HEADER_LENGTH);
    if (*length < HEADER_SIZE || *length > TABLE_MAX)
        return NULL;
    t = map(pa, *length);
    return t && bytes_sum_to_zero(t, *length) ? t : NULL;
}

static const u8 *find_madt(u32 *length)
{
    const u8 *rsdp = firmware_search("RSD PTR ", 8, RSDP_SIZE);
    u32 root_length;
    const u8 *root = rsdp ? table(le32(rsdp + RSDP_RSDT), &root_length) : NULL;

    if (!root || memcmp(root, "RSDT", 4) != 0)
        return NULL;
    for (u32 at = HEADER_SIZE; at + 4 <= root_length; at += 4) {
        const u8 *t = table(le32(root + at), length);
        if (t && memcmp(t, "APIC", 4) == 0 && *length >= MADT_ENTRIES)
            return t;
    }
    return NULL;
}

static void read_entry(struct machine_tables *t, const u8 *entry, u8 size)
{
    if (entry[0] == MADT_CPU && size >= 8 && (le32(entry + 4) & CPU_ENABLED)) {
        tables_add_cpu(t, entry[3]);
    } else if (entry[0] == MADT_IOAPIC && size >= 12 && !t->ioapic) {
        t->ioapic = le32(entry + 4);
        t->gsi_base = le32(entry + 8);
    } else if (entry[0] == MADT_OVERRIDE && size >= 10 && entry[3] < ISA_LINES) {
        t->isa[entry[3]].gsi = le32(entry + 4);
        t->isa[entry[3]].flags = le16(entry + 8);
    }
}

bool acpi_read(struct machine_tables *t)
{
    u32 length;
    const u8 *madt = find_madt(&length);

    if (!madt)
        return false;
    t->lapic = le32(madt + MADT_LAPIC);
    for (u32 at = MADT_ENTRIES; at + 2 <= length && madt[at + 1] >= 2 && at + madt[at + 1] <= length;
         at += madt[at + 1])
        read_entry(t, madt + at, madt[at + 1]);
    return t->cpu_count > 0 && t->ioapic;
}
