// Where a program puts the arguments of a system call, i386: on its stack, above a return address, as for a C function.
#include "../call.h"
#include <arch/context.h>
#include <mm/usercopy.h>

int call_fetch_arguments(const struct uregs *regs, u32 n, uintptr_t *arguments)
{
    uaddr_t first = uregs_sp(regs) + sizeof(uintptr_t);  // wherever that is: the copy checks it

    if (!n)
        return 0;
    return copy_from_user(arguments, (const void __user *)first, n * sizeof(uintptr_t));
}

u64 call_wide_argument(const struct call *c, u32 n)
{
    return c->arguments[n] | (u64)c->arguments[n + 1] << 32;
}
