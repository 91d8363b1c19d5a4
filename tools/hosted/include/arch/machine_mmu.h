// Pages, for fs and ckpt on the host: only their size and where user space ends mean anything here.
#pragma once

#include <base/types.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096u
#define USER_END   0x80000000u

typedef u64 pte_t;
