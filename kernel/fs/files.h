// Open files, as path.c makes them. Private to fs; what others see is fs/file.h.
#pragma once

#include <fs/file.h>
#include <uapi/fcntl.h>

#define FILE_ACCESS (O_WRONLY | O_RDWR)
#define FILE_FLAGS  (FILE_ACCESS | O_CREATE | O_TRUNC | O_APPEND)

/* One that refers to nothing yet; give it a meaning by file_attach(), or file_put() it. -ENFILE, -ENOMEM. */
MUST_CHECK int file_create(u32 flags, const char *name, struct file **out);

/* Let it refer to an inode, whose reference it takes over. -ENODEV, -ETXTBSY; and then the reference is still the
 * caller's. */
MUST_CHECK int file_attach(struct file *f, struct inode *i);
