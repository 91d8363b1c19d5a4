// Fault points: places that fail on request, so that tests can see what happens when they do.
#pragma once

#include <base/types.h>

enum fault_kind { FAULT_FRAME, FAULT_KMALLOC, FAULT_READ, FAULT_WRITE, FAULT_FLUSH, FAULT_KINDS };

/* Count one use; true when this one is to fail. One load and one branch when nothing is armed. */
bool fault_now(enum fault_kind kind);

/* May a use fail before it is armed anew? */
bool fault_is_armed(enum fault_kind kind);

/* Fail the n-th use from now (1 is the next), and every following one if `from_then_on`. 0 disarms. */
void fault_arm(enum fault_kind kind, u32 n, bool from_then_on);

/* How many uses have failed since it was armed last. */
u32 fault_count(enum fault_kind kind);

/* Read the option fail=KIND:N or fail=KIND:N+ (frame, kmalloc, read, write, flush). */
void fault_init(void);
