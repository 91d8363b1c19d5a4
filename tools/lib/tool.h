// What all of the host's tools need: messages, memory, numbers on the command line.
#pragma once

#include <base/types.h>

/* "mkfs: ..." on standard error. */
void tool_error(const char *format, ...) PRINTF_LIKE(1, 2);

/* Zeroed memory. Ends the program with a message and status 8 when there is none: these tools can do nothing without.
 */
void *tool_alloc(size_t count, size_t size);

/* Make room for `count` items in *items, whose room is *room items; what is new is not zeroed. */
void tool_grow(void **items, size_t *room, size_t count, size_t size);

/* Does a machine that runs have this disk image? Seen by the locks that QEMU holds on files that it writes to. */
bool tool_machine_has(int fd);
#define MACHINE_HAS_IT "a running machine has it; power it off first"

/* "4096", "64K", "256M", "2G", "1T". False if it's not a number or too large. */
bool parse_size(const char *text, u64 *out);

/* "123". */
bool parse_number(const char *text, u64 *out);

/* Nanoseconds since 1970: SOURCE_DATE_EPOCH if it is set (*fixed becomes true), else the clock. */
u64 tool_now(bool *fixed);
