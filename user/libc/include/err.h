// Messages of a program that fails: "cat: nofile: no such file or directory", on stderr.
#pragma once

void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));   // adds errno's words
void warnx(const char *format, ...) __attribute__((format(printf, 1, 2)));  // does not
_Noreturn void err(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void errx(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "usage: cat [FILE...]" and exit status 2. */
_Noreturn void usage(const char *text);

/* The program's own name: the last part of argv[0]. */
extern const char *program_name;
