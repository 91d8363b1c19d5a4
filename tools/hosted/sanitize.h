// What the address sanitizer must be told: of changes of stacks, and of memory that nobody may touch. Without it,
// nothing.
#pragma once

#include <stddef.h>

#if __has_feature(address_sanitizer)

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

#define fiber_switch_begins __sanitizer_start_switch_fiber
#define fiber_switch_ends   __sanitizer_finish_switch_fiber
#define memory_allow        __asan_unpoison_memory_region
#define memory_forbid       __asan_poison_memory_region

#else

static inline void fiber_switch_begins(void **fake_stack, const void *stack, size_t size)
{
}
static inline void fiber_switch_ends(void *fake_stack, const void **stack, size_t *size)
{
}
static inline void memory_allow(const void *at, size_t size)
{
}
static inline void memory_forbid(const void *at, size_t size)
{
}

#endif
