// An image as a file of the host: opened, read, complained about.
#pragma once

#include <ckpt/ckpt.h>
#include <ckptfmt/ckptfmt.h>

struct input {
    const char *path;  // as it was given, for messages
    u64 epoch;         // what its name says after @; 0: nothing
    int fd;
    int error;       // errno of the last failed read
    u64 bytes_read;  // so far
    struct ckpt_source source;
    bool has_both;    // of the header slots each holds a good header;
    u32 newest_slot;  // this one the newest,
    bool rescue;      // which reads as zeros
    bool has_bad;     // one of them is neither empty nor good, and what it held may have been newer:
    u32 bad_slot;     // this one
    u64 newest;       // epoch of the good one, if has_bad
};

/* `name` is a file, or FILE@EPOCH when there is no file of the whole name. Reads refer to *in: it must not move.
 * rescue: as it was before its newest epoch, that is without the newest header (docs/formats/checkpoint.md, 5). False:
 * a message was printed. */
MUST_CHECK bool input_open(struct input *in, const char *name, bool rescue);
void input_close(struct input *in);

/* Tell why; returns the exit status that belongs to it. */
int input_complain(const struct input *in, enum ckpt_error error, u64 at);

/* A ckpt_put_text to a FILE. */
void input_put(void *file, const char *bytes, size_t n);

/* Call act with each image that the options name, and an epoch for it; returns the greatest of the statuses. */
int input_each(const struct options *o, int (*act)(const struct options *o, struct input *in));
