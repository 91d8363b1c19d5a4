// A process's descriptors: small numbers for open files. The table is the process's own.
#pragma once

#include <proc/proc.h>

/* The lowest free number from `lowest` on, for f; takes the caller's reference (also on error). -EMFILE. */
MUST_CHECK int fd_install(struct proc *p, struct file *f, int lowest, int *fd);

/* A reference. -EBADF. */
MUST_CHECK int fd_lookup(struct proc *p, int fd, struct file **out);

MUST_CHECK int fd_close(struct proc *p, int fd);  // -EBADF

/* dup2: takes the reference, also on error; closes what was there. -EBADF. */
MUST_CHECK int fd_replace(struct proc *p, int fd, struct file *f);
