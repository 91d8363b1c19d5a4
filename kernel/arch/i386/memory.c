// What the boot loader tells: the command line and the memory (Multiboot specification 0.6.96, section 3.3).
#include "machine.h"
#include <arch/upcall.h>
#include <base/byteorder.h>
#include <base/format.h>
#include <base/string.h>

// Offsets in the information structure, and its flags.
#define INFO_FLAGS      0
#define INFO_MEM_UPPER  8
#define INFO_CMDLINE    16
#define INFO_MAP_LENGTH 44
#define INFO_MAP        48
#define HAS_MEMORY      0x01
#define HAS_CMDLINE     0x04
#define HAS_MAP         0x40

// An entry of the map: u32 size of what follows, u64 start, u64 length, u32 type.
#define MAP_USABLE 1

#define MIB        (1u << 20)

static char command_line[1024];
static struct {
    paddr_t start, end;
} ranges[16];
static unsigned range_count;

const char *machine_command_line(void)
{
    return command_line;
}

bool boot_option(const char *name, unsigned *number)
{
    size_t length = strlen(name);

    for (const char *at = command_line; *at; at++) {
        if ((at != command_line && at[-1] != ' ') || strncmp(at, name, length) != 0)
            continue;
        if (!number && (at[length] == ' ' || at[length] == 0))
            return true;
        if (number && at[length] == '=') {
            *number = 0;
            for (const char *digit = at + length + 1; *digit >= '0' && *digit <= '9' && *number < 1000000; digit++)
                *number = *number * 10 + (unsigned)(*digit - '0');
            return true;
        }
    }
    return false;
}

bool machine_memory(unsigned i, paddr_t *start, paddr_t *end)
{
    if (i >= range_count)
        return false;
    *start = ranges[i].start;
    *end = ranges[i].end;
    return true;
}

// Take what lies above the kernel (below it is the BIOS's megabyte) and within the direct map. Returns how much is out
// of reach.
static u64 add_range(u64 start, u64 end)
{
    u64 reach = MIN(end, DIRECT_MAP_SIZE);
    u64 beyond = end - MIN(end, MAX(start, DIRECT_MAP_SIZE));

    start = ROUND_UP(MAX(start, virt_to_phys(kernel_end)), PAGE_SIZE);
    reach = ROUND_DOWN(reach, PAGE_SIZE);
    if (start < reach && range_count < ARRAY_SIZE(ranges)) {
        ranges[range_count].start = (paddr_t)start;
        ranges[range_count++].end = (paddr_t)reach;
    }
    return beyond;
}

static u64 read_map(const u8 *map, u32 length)
{
    u64 beyond = 0;

    for (u32 at = 0; at + 24 <= length; at += 4 + le32(map + at)) {
        u64 start = le64(map + at + 4), size = le64(map + at + 12);
        if (le32(map + at + 20) == MAP_USABLE && start + size >= start)
            beyond += add_range(start, start + size);
    }
    return beyond;
}

static void say_what_is_ignored(u64 bytes)
{
    char text[80];

    if (bytes < MIB)
        return;
    format_text(text, sizeof text, "memory: %u MiB lie above the first %u and are not used", (u32)(bytes >> 20),
                DIRECT_MAP_SIZE / MIB);
    upcall_message(text);
}

void memory_init(u32 info)
{
    const u8 *i = phys_to_virt(info);
    u32 flags = le32(i + INFO_FLAGS);
    u64 beyond = 0;

    if (flags & HAS_CMDLINE)
        text_copy(command_line, phys_to_virt(le32(i + INFO_CMDLINE)), sizeof command_line);
    if (flags & HAS_MAP)
        beyond = read_map(phys_to_virt(le32(i + INFO_MAP)), le32(i + INFO_MAP_LENGTH));
    else if (flags & HAS_MEMORY)
        beyond = add_range(MIB, MIB + (u64)le32(i + INFO_MEM_UPPER) * 1024);
    say_what_is_ignored(beyond);
}
