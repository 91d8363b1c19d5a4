// The types and small macros that all of Amber shares: kernel, host tools and guest programs.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

typedef uintptr_t uaddr_t;  // an address in a process, as a number
typedef uintptr_t paddr_t;  // a physical address

// A result that the caller must look at.
#define MUST_CHECK               __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

// A pointer into a process. It can be neither dereferenced nor mixed with kernel pointers (clang: -Wnoderef).
#if defined(AMBER_KERNEL)
#define __user __attribute__((noderef, address_space(1)))
#else
#define __user
#endif

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define MAX(a, b)                       ((a) > (b) ? (a) : (b))

// For powers of two only.
#define ROUND_DOWN(n, to)   ((n) & ~((__typeof__(n))(to)-1))
#define ROUND_UP(n, to)     ROUND_DOWN((n) + ((to)-1), to)

#define DIV_ROUND_UP(n, by) (((n) + (by)-1) / (by))
