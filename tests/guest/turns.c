// turns TICKS: counts in a global variable, waiting TICKS in a function of its own at each turn; for looking at its
// images from outside.
#include <amber.h>
#include <stdio.h>
#include <stdlib.h>

int turns = 1000;
static char unchanged[8192] = "stays as it is";

__attribute__((noinline)) static void wait_for_turn(int ticks)
{
    sleep_ticks(ticks);
    turns++;
}

int main(int argc, char **argv)
{
    int ticks = argc > 1 ? atoi(argv[1]) : 10;

    for (;;) {
        wait_for_turn(ticks);
        printf("turn %d %s\n", turns, unchanged);
    }
}
