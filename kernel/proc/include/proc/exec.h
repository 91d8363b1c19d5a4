// exec: from a file to a new program in the calling process.
#pragma once

#include <proc/proc.h>

// The arguments, gathered from the old program: count strings, one after the other, each terminated.
struct exec_args {
    u32 count;
    u32 bytes;
    char text[ARG_BYTES];
};

// Everything that a process becomes at once. Whoever built it either commits it or discards it.
struct new_image {
    struct vmspace *space;
    struct uregs regs;
    char name[16];
};

// A kind of program file. Formats are asked in order of registration; -ENOEXEC passes on to the next.
struct exec_format {
    const char *name;
    /* Replace the calling process (by proc_become(), proc_import()) and return 0; or an error, and it is as before. */
    int (*load)(struct inode *program, const char *path, const struct exec_args *args);
    struct exec_format *next;
};
void exec_register(struct exec_format *format);

/* exec(2) in the calling process. 0: it has become another. -ENOEXEC, -EISDIR, path_lookup()'s and the format's own. */
MUST_CHECK int proc_exec(const char *path, const struct exec_args *args);

/*
 * The calling process becomes *image: cannot fail; takes image->space and destroys the old one. Descriptors and cwd
 * stay. Registers are sanitized. The system call that does it returns 0, and its result is not written into the new
 * registers.
 */
void proc_become(const struct new_image *image);
