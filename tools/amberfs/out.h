// A file's contents out of an image that is only read.
#pragma once

#include <lib/files.h>

/* Copy them to the file `to`, or to standard output when it's NULL. False: a message was printed. */
MUST_CHECK bool file_out(struct image *img, const char *path, const char *to);
