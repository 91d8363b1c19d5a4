// nqueens: in how many ways can N queens stand on a board of N x N squares without attacking each other?
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Bits are columns: taken, and attacked along the two diagonals in the next row.
static uint64_t place(uint32_t all, uint32_t taken, uint32_t left, uint32_t right)
{
    uint64_t ways = 0;

    if (taken == all)
        return 1;
    for (uint32_t open = all & ~(taken | left | right); open; open &= open - 1) {
        uint32_t square = open & -open;
        ways += place(all, taken | square, (left | square) << 1, (right | square) >> 1);
    }
    return ways;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 8;

    if (argc > 2 || n < 1 || n > 30)
        usage("nqueens [N]  (1 to 30)");
    printf("%d queens: %llu ways\n", n, place((1u << n) - 1, 0, 0, 0));
    return 0;
}
