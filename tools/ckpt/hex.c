#include "hex.h"

#include <stdio.h>

void hex_line(const char *before, u64 address, const u8 *bytes, size_t n, const char *behind)
{
    printf("%s%08jx ", before, (uintmax_t)address);
    for (size_t i = 0; i < HEX_LINE; i++)
        if (i < n)
            printf(i == HEX_LINE / 2 ? "  %02x" : " %02x", bytes[i]);
        else
            printf(i == HEX_LINE / 2 ? "    " : "   ");
    printf("  |");
    for (size_t i = 0; i < n; i++)
        putchar(bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : '.');
    printf("|%s\n", behind);
}
