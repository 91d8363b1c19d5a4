// The little that programs here need of mathematics. Rounding is that of the machine's instructions.
#pragma once

double sqrt(double x);

static inline double fabs(double x)
{
    return __builtin_fabs(x);
}
