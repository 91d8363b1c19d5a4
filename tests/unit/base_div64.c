// lib/base/i386/div64.c under names of its own: its one machine instruction exists on the x86-64 host too.
#define __udivmoddi4 base_udivmod
#define __udivdi3    base_udiv
#define __umoddi3    base_umod
#define __divdi3     base_div
#define __moddi3     base_mod
#include "../../lib/base/i386/div64.c"
