// The tables of the MultiProcessor Specification 1.4, chapter 4: what there was before ACPI.
#include "machine.h"
#include <base/byteorder.h>
#include <base/string.h>

#define POINTER_SIZE  16
#define POINTER_TABLE 4
#define HEADER_SIZE   44
#define HEADER_LENGTH 4
#define HEADER_COUNT  34
#define HEADER_LAPIC  36

enum mp_entry { MP_CPU = 0, MP_BUS = 1, MP_IOAPIC = 2, MP_INTERRUPT = 3, MP_LOCAL = 4 };
#define ENABLED 1

static void read_interrupt(struct machine_tables *t, const u8 *entry, u32 isa_buses)
{
    u8 type = entry[1], bus = entry[4], source = entry[5], pin = entry[7];
    u16 flags = le16(entry + 2);

    if (type != 0 || bus >= 32)
        return;
    if (isa_buses & 1u << bus) {
        if (source >= ISA_LINES)
            return;
        t->isa[source].gsi = pin;
        t->isa[source].flags = flags;
    } else if (pin < ISA_LINES) {
        t->isa[pin].flags = flags ? flags : INTI_LEVEL_LOW;
    }
}

static void read_entry(struct machine_tables *t, const u8 *entry, u32 *isa_buses)
{
    if (entry[0] == MP_CPU && (entry[3] & ENABLED)) {
        tables_add_cpu(t, entry[1]);
    } else if (entry[0] == MP_BUS && entry[1] < 32 && memcmp(entry + 2, "ISA   ", 6) == 0) {
        *isa_buses |= 1u << entry[1];
    } else if (entry[0] == MP_IOAPIC && (entry[3] & ENABLED) && !t->ioapic) {
        t->ioapic = le32(entry + 4);
    } else if (entry[0] == MP_INTERRUPT) {
        read_interrupt(t, entry, *isa_buses);
    }
}

bool mp_read(struct machine_tables *t)
{
    const u8 *pointer = firmware_search("_MP_", 4, POINTER_SIZE);
    u32 table_pa = pointer ? le32(pointer + POINTER_TABLE) : 0;
    const u8 *table = phys_to_virt(table_pa);
    u32 isa_buses = 0;

    if (!table_pa || table_pa >= DIRECT_MAP_SIZE || memcmp(table, "PCMP", 4) != 0)
        return false;
    u32 length = le16(table + HEADER_LENGTH);
    if (!bytes_sum_to_zero(table, length))
        return false;
    t->lapic = le32(table + HEADER_LAPIC);
    u32 at = HEADER_SIZE;
    for (u32 i = 0; i < le16(table + HEADER_COUNT) && at + 8 <= length; i++) {
        read_entry(t, table + at, &isa_buses);
        at += table[at] == MP_CPU ? 20 : 8;
    }
    return t->cpu_count > 0 && t->ioapic;
}
