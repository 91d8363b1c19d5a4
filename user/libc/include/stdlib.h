// Memory, numbers, sorting, and the end of the program.
#pragma once

#include <stddef.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX     0x7fffffff

// Memory is aligned to 16 bytes. NULL: ENOMEM. malloc(0) is a pointer of its own.
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);
void free(void *p);

// Numbers out of text. *end, unless end is NULL, is where the number ends; out of range: the nearest one, with ERANGE.
// Base 0 knows 0x and 0.
int atoi(const char *s);
long atol(const char *s);
double atof(const char *s);
long strtol(const char *s, char **end, int base);
unsigned long strtoul(const char *s, char **end, int base);
long long strtoll(const char *s, char **end, int base);
unsigned long long strtoull(const char *s, char **end, int base);
double strtod(const char *s, char **end);  // rounded correctly; no hexadecimal

int abs(int n);
long labs(long n);

// A fixed sequence of numbers for each seed; 1 at the start.
int rand(void);
void srand(unsigned seed);

void qsort(void *base, size_t n, size_t size, int (*compare)(const void *a, const void *b));
void *bsearch(const void *key, const void *base, size_t n, size_t size,
              int (*compare)(const void *key, const void *member));

/* Runs the atexit() functions, last one first, writes out all streams, and ends with status & 0xff. */
_Noreturn void exit(int status);
int atexit(void (*function)(void));  // at most 32
_Noreturn void abort(void);          // dies of an illegal instruction

/* There is no environment: always NULL. */
char *getenv(const char *name);
