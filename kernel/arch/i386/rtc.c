// The battery clock (MC146818).
#include "machine.h"
#include <arch/port.h>
#include <base/string.h>

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define REG_A      0x0a
#define REG_B      0x0b
#define UPDATING   0x80  // in register A
#define BINARY     0x04  // in register B
#define HOURS_24   0x02
#define PM         0x80  // in the hour

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, FIELDS };
static const u8 field_registers[FIELDS] = { 0x00, 0x02, 0x04, 0x07, 0x08, 0x09 };

static u8 cmos(u8 reg)
{
    out8(CMOS_INDEX, reg);
    return in8(CMOS_DATA);
}

static void read_fields(u8 fields[FIELDS])
{
    for (int patience = 10000; (cmos(REG_A) & UPDATING) && patience; patience--)
        cpu_relax();
    for (int i = 0; i < FIELDS; i++)
        fields[i] = cmos(field_registers[i]);
}

static u8 from_bcd(u8 v)
{
    return (u8)((v >> 4) * 10 + (v & 15));
}

static void decode(u8 fields[FIELDS], u8 mode)
{
    bool afternoon = !(mode & HOURS_24) && (fields[HOUR] & PM);

    fields[HOUR] &= (u8)~PM;
    for (int i = 0; i < FIELDS && !(mode & BINARY); i++)
        fields[i] = from_bcd(fields[i]);
    if (!(mode & HOURS_24))
        fields[HOUR] = (u8)(fields[HOUR] % 12 + (afternoon ? 12 : 0));
}

// Days from 1970-01-01; the year is counted from March, so that the leap day is its last.
static u32 days(u32 year, u32 month, u32 day)
{
    u32 y = month > 2 ? year : year - 1;
    u32 m = month > 2 ? month - 3 : month + 9;

    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

// Two readings that agree were not torn by an update.
u64 clock_wall_seconds(void)
{
    u8 f[FIELDS], again[FIELDS];
    int patience = 10;

    do {
        read_fields(f);
        read_fields(again);
    } while (memcmp(f, again, sizeof f) != 0 && --patience);
    decode(f, cmos(REG_B));
    return (u64)days(2000u + f[YEAR], f[MONTH], f[DAY]) * 86400 + f[HOUR] * 3600u + f[MINUTE] * 60u + f[SECOND];
}
