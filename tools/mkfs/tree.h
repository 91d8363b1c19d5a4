// The files that mkfs will put into an image: names and where their contents come from. Nothing is read yet but
// directories.
#pragma once

#include <base/types.h>
#include <fsfmt/fsfmt.h>

struct node {
    char name[FS_NAME_LEN + 1];
    u16 type;               // FS_DIR or FS_FILE
    char *source;           // of FS_FILE: the host's path
    u64 ino;                // set when written
    struct node *parent;    // the root's: itself
    struct node *children;  // by name
    struct node *next;
};

struct tree {
    struct node root;
    u64 count;     // of nodes, the root included
    bool replace;  // a later file takes an earlier one's name instead of being an error
};

void tree_init(struct tree *t, bool replace);
void tree_release(struct tree *t);

/*
 * Add what one argument says: FILE, DIR (with all that is in it), or either followed by ":/PATH". False, and a message
 * was printed, when it can't be read, is neither file nor directory, or its name is taken.
 */
MUST_CHECK bool tree_add(struct tree *t, const char *argument);

/* The node's absolute path, cut to size. */
void node_path(const struct node *n, char *out, size_t size);
