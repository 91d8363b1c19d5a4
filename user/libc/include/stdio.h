// Buffered streams and formatted text.
//
// stdout is written out at each newline when it is a terminal, and else when its buffer is full; stderr at the end of
// each call. A stream opened for reading and writing needs fflush() or fseek() between the two. Reading from a terminal
// writes out stdout first.
//
// Writing to a stdout that is a pipe which nobody reads any more ends the program, with status 141. When main() returns
// and stdout could not be written, the library says so, and the exit status is 1 if it would have been 0.
#pragma once

#include <stdarg.h>
#include <sys/types.h>

#define EOF    (-1)
#define BUFSIZ 4096

#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif

typedef struct stream FILE;
extern FILE *const stdin, *const stdout, *const stderr;

FILE *fopen(const char *path, const char *mode);  // "r", "w", "a", each also with '+'
FILE *fdopen(int fd, const char *mode);
int fclose(FILE *f);
int fflush(FILE *f);  // NULL: all streams
int fileno(FILE *f);
int feof(FILE *f);
int ferror(FILE *f);  // 0, or the number of the last error
void clearerr(FILE *f);
int fseek(FILE *f, off_t offset, int whence);
off_t ftell(FILE *f);
void setlinebuf(FILE *f);

size_t fread(void *buf, size_t size, size_t n, FILE *f);
size_t fwrite(const void *buf, size_t size, size_t n, FILE *f);
int fgetc(FILE *f);
int getc(FILE *f);
int getchar(void);
int ungetc(int c, FILE *f);  // one byte is always possible after a successful fgetc()
char *fgets(char *buf, int size, FILE *f);
ssize_t getline(char **line, size_t *size, FILE *f);  // with its newline; *line is malloc()ed and grown; -1 at the end
int fputc(int c, FILE *f);
int putc(int c, FILE *f);
int putchar(int c);
int fputs(const char *s, FILE *f);
int puts(const char *s);
void perror(const char *what);
int remove(const char *path);

// The conversions of lib/base/format.h, and %f %F %e %E %g %G with an argument of type double, rounded correctly (half
// to even).
#define PRINTS(at, first) __attribute__((format(printf, at, first)))
int printf(const char *format, ...) PRINTS(1, 2);
int fprintf(FILE *f, const char *format, ...) PRINTS(2, 3);
int dprintf(int fd, const char *format, ...) PRINTS(2, 3);
int sprintf(char *buf, const char *format, ...) PRINTS(2, 3);
int snprintf(char *buf, size_t size, const char *format, ...) PRINTS(3, 4);
int vprintf(const char *format, va_list ap) PRINTS(1, 0);
int vfprintf(FILE *f, const char *format, va_list ap) PRINTS(2, 0);
int vdprintf(int fd, const char *format, va_list ap) PRINTS(2, 0);
int vsnprintf(char *buf, size_t size, const char *format, va_list ap) PRINTS(3, 0);
