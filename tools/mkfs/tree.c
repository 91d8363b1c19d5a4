// The tree of files that mkfs will write, gathered from its arguments.
#include "tree.h"

#include <base/string.h>
#include <dirent.h>
#include <errno.h>
#include <lib/tool.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

void tree_init(struct tree *t, bool replace)
{
    *t = (struct tree){ .root = { .type = FS_DIR }, .count = 1, .replace = replace };
    t->root.parent = &t->root;
}

static void children_release(struct node *n)
{
    while (n->children) {
        struct node *child = n->children;
        n->children = child->next;
        children_release(child);
        free(child->source);
        free(child);
    }
}

void tree_release(struct tree *t)
{
    children_release(&t->root);
}

void node_path(const struct node *n, char *out, size_t size)
{
    if (n->parent == n) {
        text_copy(out, "/", size);
        return;
    }
    node_path(n->parent, out, size);
    size_t at = strlen(out);
    snprintf(out + at, size - at, "%s%s", at > 1 ? "/" : "", n->name);
}

// The child of that name (cut as all names are), or where in the list it belongs.
static struct node **child_slot(struct node *dir, const char *name)
{
    struct node **at = &dir->children;

    while (*at && strncmp((*at)->name, name, FS_NAME_LEN) < 0)
        at = &(*at)->next;
    return at;
}

static struct node *child_at(struct node **slot, const char *name)
{
    return *slot && strncmp((*slot)->name, name, FS_NAME_LEN) == 0 ? *slot : NULL;
}

static struct node *child_create(struct tree *t, struct node *dir, struct node **slot, const char *name, u16 type)
{
    struct node *n = tool_alloc(1, sizeof *n);

    text_copy(n->name, name, sizeof n->name);
    n->type = type;
    n->parent = dir;
    n->next = *slot;
    *slot = n;
    t->count++;
    return n;
}

static bool name_taken(const struct node *n, const char *source)
{
    char path[PATH_MAX];

    node_path(n, path, sizeof path);
    tool_error("%s: %s is already %s%s; place it elsewhere with %s:/PATH%s", source, path,
               n->type == FS_DIR ? "a directory" : "the file ", n->source ? n->source : "", source,
               n->type == FS_DIR ? "" : ", or let later files replace earlier ones with -r");
    return false;
}

static bool file_add(struct tree *t, struct node *dir, const char *name, const char *source)
{
    struct node **slot = child_slot(dir, name);
    struct node *n = child_at(slot, name);

    if (n && (n->type != FS_FILE || !t->replace))
        return name_taken(n, source);
    if (!n)
        n = child_create(t, dir, slot, name, FS_FILE);
    free(n->source);
    n->source = strdup(source);
    return n->source != NULL;
}

static bool dir_add(struct tree *t, struct node *dir, const char *name, const char *source, struct node **out)
{
    struct node **slot = child_slot(dir, name);
    struct node *n = child_at(slot, name);

    if (n && n->type != FS_DIR)
        return name_taken(n, source);
    *out = n ? n : child_create(t, dir, slot, name, FS_DIR);
    return true;
}

static bool path_join(char *out, size_t size, const char *dir, const char *name)
{
    if ((size_t)snprintf(out, size, "%s/%s", dir, name) < size)
        return true;
    tool_error("%s/%s: the path is too long", dir, name);
    return false;
}

static bool any_add(struct tree *t, struct node *dir, const char *name, const char *source);

static bool dir_fill(struct tree *t, struct node *dir, const char *source)
{
    struct dirent **entries;
    bool ok = true;
    int n = scandir(source, &entries, NULL, alphasort);

    if (n < 0) {
        tool_error("%s: %s", source, strerror(errno));
        return false;
    }
    for (int k = 0; k < n; k++) {
        const char *name = entries[k]->d_name;
        char path[PATH_MAX];
        if (ok && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            ok = path_join(path, sizeof path, source, name) && any_add(t, dir, name, path);
        }
        free(entries[k]);
    }
    free(entries);
    return ok;
}

static bool any_add(struct tree *t, struct node *dir, const char *name, const char *source)
{
    struct stat st;
    struct node *made;

    if (stat(source, &st) != 0) {
        tool_error("%s: %s", source, strerror(errno));
        return false;
    }
    if (S_ISREG(st.st_mode))
        return file_add(t, dir, name, source);
    if (S_ISDIR(st.st_mode))
        return dir_add(t, dir, name, source, &made) && dir_fill(t, made, source);
    tool_error("%s: neither a file nor a directory; nothing else can be put into an image", source);
    return false;
}

// The last component of a path, trailing slashes left aside. "" for the root.
static void path_last(const char *path, char *out, size_t size)
{
    size_t end = strlen(path), start;

    while (end && path[end - 1] == '/')
        end--;
    for (start = end; start && path[start - 1] != '/'; start--)
        ;
    text_copy(out, path + start, MIN(size, end - start + 1));
}

// Walk down `path`, whose components up to the last slash are directories (made as needed). *dir and *name: where to
// place, under what name.
static bool place_find(struct tree *t, const char *path, const char *source, struct node **dir, char name[NAME_MAX + 1])
{
    *dir = &t->root;
    name[0] = 0;
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n) {
            text_copy(name, path, MIN(n, NAME_MAX) + 1);
            if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
                tool_error("%s: a place in the image is a path from its root, without . and ..", source);
                return false;
            }
        }
        path += n;
        if (!*path)
            break;
        path++;
        if (n && !dir_add(t, *dir, name, source, dir))
            return false;
        name[0] = 0;
    }
    return true;
}

bool tree_add(struct tree *t, const char *argument)
{
    char source[PATH_MAX], own_name[NAME_MAX + 1], name[NAME_MAX + 1];
    const char *place = NULL;
    struct node *dir = &t->root;
    struct stat st;

    if (text_copy(source, argument, sizeof source) >= sizeof source) {
        tool_error("%s: the path is too long", argument);
        return false;
    }
    if (stat(argument, &st) != 0) {
        for (char *at = strstr(source, ":/"); at; at = strstr(at + 1, ":/"))
            place = at + 1;
        if (place)
            source[place - 1 - source] = 0;
    }
    path_last(source, own_name, sizeof own_name);
    name[0] = 0;
    if (place && !place_find(t, place, source, &dir, name))
        return false;
    const char *chosen = name[0] ? name : own_name;
    if (!chosen[0] || strcmp(chosen, ".") == 0 || strcmp(chosen, "..") == 0) {
        tool_error("%s: it has no name of its own; say its name in the image with %s:/NAME", argument, source);
        return false;
    }
    return any_add(t, dir, chosen, source);
}
