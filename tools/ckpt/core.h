// A process as an ELF core file, for gdb.
#pragma once

#include <ckpt/epoch.h>

/* Write it to fd, which is an empty file. False: a message was printed, and *status set. */
MUST_CHECK bool core_write(struct epoch *e, const struct epoch_process *p, int fd, const char *name, int *status);
