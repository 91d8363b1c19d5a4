// Pages, for fs on the host: only their size means anything here.
#pragma once

#include <base/types.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096u

typedef u64 pte_t;
