// What the subcommands of amberfs share. Each is one file; it gets its own arguments, argv[0] its name.
#pragma once

#include <base/types.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 16 };

int amberfs_ls(int argc, char **argv);
int amberfs_cat(int argc, char **argv);
int amberfs_cp(int argc, char **argv);
int amberfs_rm(int argc, char **argv);
int amberfs_mkdir(int argc, char **argv);
int amberfs_mv(int argc, char **argv);
int amberfs_df(int argc, char **argv);
int amberfs_mount(int argc, char **argv);

/* Say that path (in the image) can't be had, because of -err. Returns false. */
bool amberfs_fail(const char *image, const char *path, int err);

/* Close the volume; the exit status of a command that went well or not until then. */
int amberfs_end(const char *image, bool ok);

/* The last part of a path fits into a directory's entry. False: a message was printed. */
MUST_CHECK bool amberfs_name_fits(const char *image, const char *path);
