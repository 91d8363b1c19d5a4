// POSIX's calls. Unless said otherwise they return 0 or more, or -1 with the reason in errno.
#pragma once

#include <sys/types.h>

#define STDIN_FILENO  0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2

#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif

// Processes. A child gets copies of all descriptors. What stdio holds back is doubled by fork(): fflush() before it.
pid_t fork(void);
pid_t getpid(void);
pid_t getppid(void);
int kill(pid_t pid);                               // xv6's: there is one signal, and it ends the process
_Noreturn void _exit(int status);                  // at once: nothing is flushed, no atexit() function runs
int execv(const char *path, char *const argv[]);   // returns only on error
int execvp(const char *file, char *const argv[]);  // looks in the working directory, then in /, unless file has a slash
unsigned sleep(unsigned seconds);                  // always sleeps to the end: 0
int usleep(unsigned microseconds);                 // rounded up to whole ticks of 10 ms

// Files.
ssize_t read(int fd, void *buf, size_t n);  // 0 at the end
ssize_t write(int fd, const void *buf, size_t n);
int close(int fd);
int dup(int fd);
int dup2(int from, int to);
int pipe(int fds[2]);  // fds[0] reads what is written to fds[1]
off_t lseek(int fd, off_t offset, int whence);
int fsync(int fd);
int ftruncate(int fd, off_t size);
int isatty(int fd);  // 1 or 0

// Names.
int link(const char *from, const char *to);
int unlink(const char *path);  // also of empty directories
int rmdir(const char *path);   // ENOTDIR if it's not a directory
int rename(const char *from, const char *to);
int chdir(const char *path);
char *getcwd(char *buf, size_t size);  // NULL: ERANGE, or the directory has been removed
void sync(void);                       // all that was written before is durable when it returns

// The heap's end; the old end on success. malloc() lives on the same heap and bears with other callers.
void *sbrk(intptr_t by);

/*
 * The next option letter of argv, -1 when the options end (at "--" or at the first other argument; optind is then its
 * index), '?' with a message for a letter that is not in `letters` and for "--word". A letter followed by ':' takes an
 * argument: optarg.
 */
int getopt(int argc, char *const argv[], const char *letters);
extern char *optarg;
extern int optind;
