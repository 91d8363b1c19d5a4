// 64-bit division, which the compiler calls for on a 32-bit machine and which no library supplies here.
#include <base/types.h>

u64 __udivmoddi4(u64 n, u64 by, u64 *rest);
u64 __udivdi3(u64 n, u64 by);
u64 __umoddi3(u64 n, u64 by);
s64 __divdi3(s64 n, s64 by);
s64 __moddi3(s64 n, s64 by);

// The machine's own step: 64 bits by 32, for a quotient of 32 bits. high < by.
static u32 divide_step(u32 high, u32 low, u32 by, u32 *rest)
{
    u32 quotient;

    __asm__("divl %4" : "=a"(quotient), "=d"(*rest) : "a"(low), "d"(high), "rm"(by));
    return quotient;
}

u64 __udivmoddi4(u64 n, u64 by, u64 *rest)
{
    u64 quotient, left;

    if (by <= UINT32_MAX) {
        u32 r;
        u32 high = divide_step(0, (u32)(n >> 32), (u32)by, &r);
        u32 low = divide_step(r, (u32)n, (u32)by, &r);
        quotient = (u64)high << 32 | low;
        left = r;
    } else {
        // Divide by the upper 32 significant bits of the divisor; the quotient so found is right or one too high
        // (Warren, Hacker's Delight, section 9-5).
        unsigned shift = 32 - (unsigned)__builtin_clz((u32)(by >> 32));
        u32 ignored;
        u32 estimate = divide_step((u32)(n >> 33), (u32)(n >> 1), (u32)(by >> shift), &ignored) >> (shift - 1);
        quotient = estimate ? estimate - 1 : 0;
        left = n - quotient * by;
        if (left >= by) {
            left -= by;
            quotient++;
        }
    }
    if (rest)
        *rest = left;
    return quotient;
}

u64 __udivdi3(u64 n, u64 by)
{
    return __udivmoddi4(n, by, NULL);
}

u64 __umoddi3(u64 n, u64 by)
{
    u64 rest;

    __udivmoddi4(n, by, &rest);
    return rest;
}

static u64 magnitude(s64 n)
{
    return n < 0 ? 0 - (u64)n : (u64)n;
}

s64 __divdi3(s64 n, s64 by)
{
    u64 q = __udivdi3(magnitude(n), magnitude(by));

    return (s64)((n < 0) != (by < 0) ? 0 - q : q);
}

s64 __moddi3(s64 n, s64 by)
{
    u64 r = __umoddi3(magnitude(n), magnitude(by));

    return (s64)(n < 0 ? 0 - r : r);
}
