// Streams. A stream's buffer holds either bytes read ahead ([next, end)) or bytes not yet written ([0, next)), never
// both.
#include "print.h"

#include <base/types.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_EPIPE (128 + 13)

enum {
    CAN_READ = 1,
    CAN_WRITE = 2,
    LINES = 4,      // written out at each newline
    EACH_CALL = 8,  // written out at the end of each call
    WRITING = 16,   // the buffer holds bytes to write
    AT_END = 32,
    APPENDS = 64,
};

struct stream {
    int fd;
    int flags;
    int error;           // of the last write or read that failed, as errno
    unsigned char *buf;  // NULL until it is needed
    size_t size, next, end;
    struct stream *others;    // the list of all open streams
    unsigned char small[16];  // the buffer when there is no memory
};

static struct stream standard[3] = {
    { .fd = STDIN_FILENO, .flags = CAN_READ },
    { .fd = STDOUT_FILENO, .flags = CAN_WRITE, .others = &standard[0] },
    { .fd = STDERR_FILENO, .flags = CAN_WRITE | EACH_CALL, .others = &standard[1] },
};
static struct stream *all = &standard[2];

FILE *const stdin = &standard[0];
FILE *const stdout = &standard[1];
FILE *const stderr = &standard[2];

static void buffer_provide(FILE *f)
{
    if (f->buf)
        return;
    f->size = f->flags & EACH_CALL ? 256 : BUFSIZ;
    f->buf = malloc(f->size);
    if (!f->buf) {
        f->buf = f->small;
        f->size = sizeof(f->small);
    }
    if (f == stdout && isatty(f->fd))
        f->flags |= LINES;
}

static void stream_failed(FILE *f, int error)
{
    errno = f->error = error;
    // Where there are signals this is SIGPIPE's end: quietly, whatever the program would do next.
    if (f == stdout && error == EPIPE)
        _exit(STATUS_EPIPE);
}

static int write_all(FILE *f, const unsigned char *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(f->fd, bytes, n);
        if (done <= 0) {
            stream_failed(f, done < 0 ? errno : ENOSPC);
            return -1;
        }
        bytes += done;
        n -= (size_t)done;
    }
    return 0;
}

static int stream_flush(FILE *f)
{
    int result = 0;

    if (!(f->flags & WRITING))
        return 0;
    if (f->next)
        result = write_all(f, f->buf, f->next);
    f->flags &= ~WRITING;
    f->next = f->end = 0;
    return result;
}

// Forget what was read ahead: the descriptor's offset goes back to where the reader is.
static void stream_unread(FILE *f)
{
    if (!(f->flags & WRITING) && f->next < f->end)
        (void)lseek(f->fd, (off_t)f->next - (off_t)f->end, SEEK_CUR);
    f->next = f->end = 0;
}

int fflush(FILE *f)
{
    int result = 0;

    if (f) {
        if (f->flags & WRITING)
            return stream_flush(f);
        stream_unread(f);
        return 0;
    }
    for (f = all; f; f = f->others)
        if (stream_flush(f))
            result = EOF;
    return result;
}

static int mode_flags(const char *mode, int *open_flags)
{
    static const struct {
        char letter;
        int flags, open_flags;
    } modes[] = {
        { 'r', CAN_READ, O_RDONLY },
        { 'w', CAN_WRITE, O_WRONLY | O_CREATE | O_TRUNC },
        { 'a', CAN_WRITE | APPENDS, O_WRONLY | O_CREATE | O_APPEND },
    };

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if (modes[i].letter != *mode)
            continue;
        *open_flags = modes[i].open_flags;
        if (!strchr(mode, '+'))
            return modes[i].flags;
        *open_flags = (*open_flags & ~O_WRONLY) | O_RDWR;
        return modes[i].flags | CAN_READ | CAN_WRITE;
    }
    errno = EINVAL;
    return 0;
}

FILE *fdopen(int fd, const char *mode)
{
    int ignored;
    int flags = mode_flags(mode, &ignored);
    FILE *f = flags ? calloc(1, sizeof(*f)) : NULL;

    if (!f)
        return NULL;
    f->fd = fd;
    f->flags = flags;
    f->others = all;
    all = f;
    return f;
}

FILE *fopen(const char *path, const char *mode)
{
    int open_flags;

    if (!mode_flags(mode, &open_flags))
        return NULL;
    int fd = open(path, open_flags);
    FILE *f = fd < 0 ? NULL : fdopen(fd, mode);
    if (!f && fd >= 0)
        close(fd);
    return f;
}

int fclose(FILE *f)
{
    struct stream **link = &all;
    int result = fflush(f);

    while (*link != f)
        link = &(*link)->others;
    *link = f->others;
    if (close(f->fd))
        result = EOF;
    if (f->buf != f->small)
        free(f->buf);
    if (f < standard || f >= standard + ARRAY_SIZE(standard))
        free(f);
    return result;
}

int fileno(FILE *f)
{
    return f->fd;
}

int feof(FILE *f)
{
    return (f->flags & AT_END) != 0;
}

int ferror(FILE *f)
{
    return f->error;
}

void clearerr(FILE *f)
{
    f->flags &= ~AT_END;
    f->error = 0;
}

void setlinebuf(FILE *f)
{
    buffer_provide(f);
    f->flags |= LINES;
}

int fseek(FILE *f, off_t offset, int whence)
{
    if (fflush(f) || lseek(f->fd, offset, whence) < 0)
        return -1;
    f->flags &= ~AT_END;
    return 0;
}

off_t ftell(FILE *f)
{
    off_t at = lseek(f->fd, 0, SEEK_CUR);

    if (at < 0)
        return -1;
    return f->flags & WRITING ? at + (off_t)f->next : at - (off_t)(f->end - f->next);
}

// Reading.

// Fill the empty buffer. False at the end or on an error.
static bool stream_fill(FILE *f)
{
    if (!(f->flags & CAN_READ)) {
        stream_failed(f, EBADF);
        return false;
    }
    if (stream_flush(f))
        return false;
    buffer_provide(f);
    if (standard[1].flags & LINES)
        stream_flush(stdout);
    ssize_t n = read(f->fd, f->buf, f->size);
    f->next = 0;
    f->end = n > 0 ? (size_t)n : 0;
    if (n == 0)
        f->flags |= AT_END;
    else if (n < 0)
        stream_failed(f, errno);
    return n > 0;
}

static bool stream_has_bytes(FILE *f)
{
    return (!(f->flags & WRITING) && f->next < f->end) || stream_fill(f);
}

int fgetc(FILE *f)
{
    return stream_has_bytes(f) ? f->buf[f->next++] : EOF;
}

int getc(FILE *f)
{
    return fgetc(f);
}

int getchar(void)
{
    return fgetc(stdin);
}

int ungetc(int c, FILE *f)
{
    if (c == EOF || (f->flags & WRITING) || f->next == 0)
        return EOF;
    f->buf[--f->next] = (unsigned char)c;
    f->flags &= ~AT_END;
    return (unsigned char)c;
}

size_t fread(void *buf, size_t size, size_t n, FILE *f)
{
    size_t wanted = size * n, done = 0;

    while (done < wanted && stream_has_bytes(f)) {
        size_t some = MIN(wanted - done, f->end - f->next);
        memcpy((char *)buf + done, f->buf + f->next, some);
        f->next += some;
        done += some;
    }
    return size ? done / size : 0;
}

// Move bytes up to and including a newline, `room` at most, to `to`; true when the newline was among them.
static bool take_line_part(FILE *f, char *to, size_t room, size_t *taken)
{
    size_t some = MIN(room, f->end - f->next);
    const unsigned char *newline = memchr(f->buf + f->next, '\n', some);

    if (newline)
        some = (size_t)(newline + 1 - (f->buf + f->next));
    memcpy(to, f->buf + f->next, some);
    f->next += some;
    *taken = some;
    return newline != NULL;
}

char *fgets(char *buf, int size, FILE *f)
{
    size_t length = 0, taken;
    bool whole = false;

    while (!whole && length + 1 < (size_t)size && stream_has_bytes(f)) {
        whole = take_line_part(f, buf + length, (size_t)size - 1 - length, &taken);
        length += taken;
    }
    if (length == 0)
        return NULL;
    buf[length] = 0;
    return buf;
}

ssize_t getline(char **line, size_t *size, FILE *f)
{
    size_t length = 0, taken;
    bool whole = false;

    if (!*line)
        *size = 0;
    while (!whole && stream_has_bytes(f)) {
        if (length + 1 >= *size) {
            char *larger = realloc(*line, MAX(*size * 2, (size_t)128));
            if (!larger)
                return -1;
            *line = larger;
            *size = MAX(*size * 2, (size_t)128);
        }
        whole = take_line_part(f, *line + length, *size - 1 - length, &taken);
        length += taken;
    }
    if (length == 0)
        return -1;
    (*line)[length] = 0;
    return (ssize_t)length;
}

// Writing.

static bool stream_writable(FILE *f)
{
    if (!(f->flags & CAN_WRITE)) {
        stream_failed(f, EBADF);
        return false;
    }
    if (!(f->flags & WRITING)) {
        stream_unread(f);
        buffer_provide(f);
        f->flags |= WRITING;
    }
    return true;
}

static size_t stream_put(FILE *f, const unsigned char *bytes, size_t n)
{
    size_t done = 0;

    while (done < n && stream_writable(f)) {
        size_t some = MIN(n - done, f->size - f->next);
        if (f->next == 0 && n - done >= f->size) {
            // Large pieces go out as they are.
            if (write_all(f, bytes + done, n - done))
                break;
            return n;
        }
        memcpy(f->buf + f->next, bytes + done, some);
        f->next += some;
        done += some;
        if (f->next == f->size && stream_flush(f))
            break;
    }
    return done;
}

// The end of a call that wrote: what must go out now?
static int call_ends(FILE *f, bool newline)
{
    return (f->flags & EACH_CALL) || (newline && (f->flags & LINES)) ? stream_flush(f) : 0;
}

size_t fwrite(const void *buf, size_t size, size_t n, FILE *f)
{
    size_t done = stream_put(f, buf, size * n);

    if (call_ends(f, memchr(buf, '\n', done) != NULL))
        return 0;
    return size ? done / size : 0;
}

int fputc(int c, FILE *f)
{
    unsigned char byte = (unsigned char)c;

    if (stream_put(f, &byte, 1) != 1 || call_ends(f, byte == '\n'))
        return EOF;
    return byte;
}

int putc(int c, FILE *f)
{
    return fputc(c, f);
}

int putchar(int c)
{
    return fputc(c, stdout);
}

int fputs(const char *s, FILE *f)
{
    size_t n = strlen(s);

    return fwrite(s, 1, n, f) == n ? 0 : EOF;
}

int puts(const char *s)
{
    size_t n = strlen(s);

    if (stream_put(stdout, (const unsigned char *)s, n) != n)
        return EOF;
    return putchar('\n') == EOF ? EOF : 0;
}

struct print {
    FILE *f;
    bool newline, failed;
};

static void print_stream(void *arg, const char *bytes, size_t n)
{
    struct print *p = arg;

    p->newline |= memchr(bytes, '\n', n) != NULL;
    p->failed |= stream_put(p->f, (const unsigned char *)bytes, n) != n;
}

int vfprintf(FILE *f, const char *format, va_list ap)
{
    struct print p = { .f = f };
    size_t n = print_to(print_stream, &p, format, ap);

    return call_ends(f, p.newline) || p.failed ? -1 : (int)n;
}

int vprintf(const char *format, va_list ap)
{
    return vfprintf(stdout, format, ap);
}

int vdprintf(int fd, const char *format, va_list ap)
{
    struct stream f = { .fd = fd, .flags = CAN_WRITE, .buf = (unsigned char[256]){ 0 }, .size = 256 };
    int n = vfprintf(&f, format, ap);

    return stream_flush(&f) ? -1 : n;
}

int vsnprintf(char *buf, size_t size, const char *format, va_list ap)
{
    return (int)print_text(buf, size, format, ap);
}

#define FORWARD(call)                                                                                                  \
    va_list ap;                                                                                                        \
    va_start(ap, format);                                                                                              \
    int n = call;                                                                                                      \
    va_end(ap);                                                                                                        \
    return n

int printf(const char *format, ...)
{
    FORWARD(vfprintf(stdout, format, ap));
}

int fprintf(FILE *f, const char *format, ...)
{
    FORWARD(vfprintf(f, format, ap));
}

int dprintf(int fd, const char *format, ...)
{
    FORWARD(vdprintf(fd, format, ap));
}

int sprintf(char *buf, const char *format, ...)
{
    FORWARD((int)print_text(buf, SIZE_MAX, format, ap));
}

int snprintf(char *buf, size_t size, const char *format, ...)
{
    FORWARD((int)print_text(buf, size, format, ap));
}

void perror(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
}

int remove(const char *path)
{
    return unlink(path);
}
