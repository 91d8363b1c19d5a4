// lib/base/string.c as machines without a C library get it, under names of its own.
// Compiled freestanding, as base_test.mk says.
#define memcpy  base_memcpy
#define memmove base_memmove
#define memset  base_memset
#define memcmp  base_memcmp
#define memchr  base_memchr
#define strlen  base_strlen
#define strnlen base_strnlen
#define strcmp  base_strcmp
#define strncmp base_strncmp
#define strchr  base_strchr
#define strrchr base_strrchr
#include "../../lib/base/string.c"
