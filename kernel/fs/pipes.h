// Pipes, as file.c uses them. Private to fs.
#pragma once

#include <base/piece.h>
#include <base/types.h>

struct pipe;
struct x_pipe;

/* -ENFILE, -ENOMEM. It has one reader and one writer. */
MUST_CHECK int pipe_new(struct pipe **out);

/* An end is closed; the last one frees the pipe. */
void pipe_close(struct pipe *p, bool writer);

/* *done counts also on errors. -EINTR, -EPIPE. */
MUST_CHECK int pipe_read(struct pipe *p, struct piece *pieces, u32 count, size_t *done);
MUST_CHECK int pipe_write(struct pipe *p, const struct piece *pieces, u32 count, size_t *done);

u64 pipe_id(const struct pipe *p);  // no two pipes ever have the same

/* For images: what is in it, at one instant; and put bytes into a pipe that nobody has used yet. */
void pipe_save(struct pipe *p, struct x_pipe *out);
void pipe_fill(struct pipe *p, const u8 *bytes, u32 size);  // at most PIPE_CONTENTS_MAX
