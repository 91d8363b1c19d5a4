// mandelbrot: a picture of the Mandelbrot set in characters, in floating point.
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

static int iterations(double x, double y, int limit)
{
    double a = 0, b = 0;
    int n = 0;

    for (; n < limit && a * a + b * b <= 4; n++) {
        double next = a * a - b * b + x;
        b = 2 * a * b + y;
        a = next;
    }
    return n;
}

static char shade(int n, int limit)
{
    static const char shades[] = " .:-=+*%#";

    return n == limit ? '@' : shades[n % (int)(sizeof(shades) - 1)];
}

static int number(char **argv, int argc, int i, int otherwise)
{
    int n = i < argc ? atoi(argv[i]) : otherwise;

    if (n <= 0)
        errx(2, "%s: not a positive number", argv[i]);
    return n;
}

int main(int argc, char **argv)
{
    int width = number(argv, argc, 1, 78), height = number(argv, argc, 2, 24), limit = number(argv, argc, 3, 256);

    if (argc > 4)
        usage("mandelbrot [WIDTH [HEIGHT [ITERATIONS]]]");
    for (int row = 0; row < height; row++) {
        double y = 1.2 - 2.4 * (row + 0.5) / height;
        for (int column = 0; column < width; column++)
            putchar(shade(iterations(-2.2 + 3.2 * (column + 0.5) / width, y, limit), limit));
        putchar('\n');
    }
    return 0;
}
