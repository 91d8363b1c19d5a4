// kmalloc() by the host's malloc(). For who wants no more of the simulated kernel than that.
#pragma once

#include <base/types.h>

u64 host_objects(void);  // alive

/* Shall the next allocation fail? memory.c answers, or who links objects.c without it. */
bool host_alloc_fails(void);
