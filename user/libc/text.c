// Text: what lib/base leaves to the library.
#include <base/types.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uapi/wait.h>

char *strcpy(char *to, const char *from)
{
    return memcpy(to, from, strlen(from) + 1);
}

char *strncpy(char *to, const char *from, size_t n)
{
    size_t length = strnlen(from, n);

    memcpy(to, from, length);
    memset(to + length, 0, n - length);
    return to;
}

char *strcat(char *to, const char *from)
{
    strcpy(to + strlen(to), from);
    return to;
}

char *strncat(char *to, const char *from, size_t n)
{
    size_t at = strlen(to), length = strnlen(from, n);

    memcpy(to + at, from, length);
    to[at + length] = 0;
    return to;
}

char *strstr(const char *in, const char *what)
{
    size_t n = strlen(what);

    for (; *in || n == 0; in++)
        if (strncmp(in, what, n) == 0)
            return (char *)in;
    return NULL;
}

size_t strspn(const char *s, const char *set)
{
    size_t n = 0;

    while (s[n] && strchr(set, s[n]))
        n++;
    return n;
}

size_t strcspn(const char *s, const char *set)
{
    size_t n = 0;

    while (s[n] && !strchr(set, s[n]))
        n++;
    return n;
}

char *strpbrk(const char *s, const char *set)
{
    s += strcspn(s, set);
    return *s ? (char *)s : NULL;
}

char *strtok_r(char *s, const char *separators, char **state)
{
    if (!s)
        s = *state;
    s += strspn(s, separators);
    char *end = s + strcspn(s, separators);
    *state = *end ? end + 1 : end;
    if (!*s)
        return NULL;
    *end = 0;
    return s;
}

char *strndup(const char *s, size_t n)
{
    size_t length = strnlen(s, n);
    char *copy = malloc(length + 1);

    if (!copy)
        return NULL;
    memcpy(copy, s, length);
    copy[length] = 0;
    return copy;
}

char *strdup(const char *s)
{
    return strndup(s, strlen(s));
}

int strcasecmp(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return tolower((unsigned char)*a) - tolower((unsigned char)*b);
}

char *strerror(int error)
{
    static const char *const words[] = {
        [0] = "no error",
        [EPERM] = "not permitted",
        [ENOENT] = "no such file or directory",
        [ESRCH] = "no such process",
        [EINTR] = "interrupted",
        [EIO] = "input/output error",
        [E2BIG] = "argument list too long",
        [ENOEXEC] = "not a program or image that can run here",
        [EBADF] = "bad descriptor",
        [ECHILD] = "no children",
        [EAGAIN] = "out of resources, try again",
        [ENOMEM] = "out of memory",
        [EFAULT] = "bad address",
        [EBUSY] = "busy",
        [EEXIST] = "exists already",
        [EXDEV] = "on another disk",
        [ENODEV] = "no such device",
        [ENOTDIR] = "not a directory",
        [EISDIR] = "is a directory",
        [EINVAL] = "invalid argument",
        [ENFILE] = "too many open files in the system",
        [EMFILE] = "too many open files",
        [ENOTTY] = "not a terminal",
        [ETXTBSY] = "in use as a program or image",
        [EFBIG] = "file too large",
        [ENOSPC] = "no space left on the disk",
        [ESPIPE] = "cannot seek",
        [EROFS] = "read-only",
        [EMLINK] = "too many links",
        [EPIPE] = "nobody reads the pipe",
        [ERANGE] = "out of range",
        [ENAMETOOLONG] = "name too long",
        [ENOSYS] = "no such system call",
        [ENOTEMPTY] = "directory not empty",
        [EBADMSG] = "damaged: a checksum does not match",
        [EOVERFLOW] = "value too large",
        [ENOTSUP] = "not supported",
        [ETIMEDOUT] = "timed out",
        [ESTALE] = "no longer the file that it was",
    };

    if (error < 0 || (size_t)error >= ARRAY_SIZE(words) || !words[error])
        return "unknown error";
    return (char *)words[error];
}

char *strsignal(int reason)
{
    switch (reason) {
    case SIGINT:
        return "interrupted";
    case SIGILL:
        return "illegal instruction";
    case SIGFPE:
        return "arithmetic exception";
    case SIGKILL:
        return "killed";
    case SIGSEGV:
        return "segmentation fault";
    default:
        return "unknown reason";
    }
}
