// matmul: multiply two matrices of N x N doubles, several times over, and print a checksum after each.
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void multiply(const double *a, const double *b, double *product, int n)
{
    memset(product, 0, (size_t)n * (size_t)n * sizeof(double));
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) {
            double factor = a[i * n + k];
            for (int j = 0; j < n; j++)
                product[i * n + j] += factor * b[k * n + j];
        }
}

static double sum(const double *a, int n)
{
    double total = 0;

    for (int i = 0; i < n * n; i++)
        total += a[i];
    return total;
}

static double *matrix(int n)
{
    double *a = calloc((size_t)n * (size_t)n, sizeof(double));

    if (!a)
        err(1, "memory");
    return a;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 64, rounds = argc > 2 ? atoi(argv[2]) : 4;

    if (argc > 3 || n < 1 || n > 4096 || rounds < 1)
        usage("matmul [N [ROUNDS]]");
    double *a = matrix(n), *b = matrix(n), *product = matrix(n);
    for (int i = 0; i < n * n; i++) {
        a[i] = 1.0 / (1 + i % 97);
        b[i] = (double)(i % 89 - 44) / n;
    }
    for (int round = 1; round <= rounds; round++) {
        multiply(a, b, product, n);
        printf("%d: %.15e\n", round, sum(product, n));
        fflush(stdout);
        double *before = b;
        b = product;
        product = before;
    }
    return 0;
}
