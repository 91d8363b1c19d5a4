// Must not compile: a process's memory is reached by copying only.
#include <base/types.h>

int peek(const int __user *p);
int peek(const int __user *p)
{
    return *p;
}
