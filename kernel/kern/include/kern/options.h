// The kernel's command line: words of the form name or name=value.
//
//   root=vda        the disk to mount (default: the first one found)
//   init=/init      the first program
//   cpus=N          use at most N CPUs
//   mem=NM          use at most N MiB
//   fail=KIND:N     fail the N-th use of a fault point (kern/fault.h)
//   noapic          pretend that there are neither ACPI nor MP tables
#pragma once

#include <base/types.h>

void options_init(const char *command_line);

/* The value of `name`, or "" for a bare word, or NULL. The text lives for ever. */
const char *option_text(const char *name);

/* The value as a decimal number, or `otherwise`. */
u32 option_number(const char *name, u32 otherwise);
