// Memory and text.
#pragma once

#include <base/string.h>

char *strcpy(char *to, const char *from);
char *strncpy(char *to, const char *from, size_t n);
char *strcat(char *to, const char *from);
char *strncat(char *to, const char *from, size_t n);
char *strstr(const char *in, const char *what);
size_t strspn(const char *s, const char *set);
size_t strcspn(const char *s, const char *set);
char *strpbrk(const char *s, const char *set);
char *strtok_r(char *s, const char *separators, char **state);
char *strdup(const char *s);
char *strndup(const char *s, size_t n);
int strcasecmp(const char *a, const char *b);

/* The words for an error number: "no such file or directory". */
char *strerror(int error);

/* The words for the reason of a violent end (uapi/wait.h): "segmentation fault". */
char *strsignal(int reason);
