// Doubles and decimal digits, exactly, both ways. Private to the library.
#pragma once

#include <stdbool.h>

#define DECIMAL_DIGITS 800  // more than the 767 that any double needs

// 0.d1d2d3... times 10 to the power of `point`. Digits are 0 to 9, the first and the last not 0; zero has none.
struct decimal {
    int count;
    int point;
    char digit[DECIMAL_DIGITS];
};

/* All digits of x, which is finite and not negative. */
void decimal_from_double(double x, struct decimal *d);

/* Cut to n digits, rounding half to even. n may be 0 or less: what remains then is zero, or a one in the place before
 * the first digit. */
void decimal_round(struct decimal *d, int n);

/* The nearest double, half to even; `more`: there are further digits, not all zero. Infinity when it is too large. */
double decimal_to_double(const struct decimal *d, bool more);
