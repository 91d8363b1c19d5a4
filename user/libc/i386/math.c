// Square root: the machine has an instruction for it.
#include <math.h>

double sqrt(double x)
{
    double root;

    __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x));
    return root;
}
