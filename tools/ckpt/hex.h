// Lines of a hexadecimal dump.
#pragma once

#include <base/types.h>
#include <stddef.h>

#define HEX_LINE 16

/* Print a line: what stands before it, the address, n (at most 16) bytes in hexadecimal and as text, what stands
 * behind. */
void hex_line(const char *before, u64 address, const u8 *bytes, size_t n, const char *behind);
