// Directories: each one's entries, the tree that they make, link counts, and inodes that no name leads to.
#include "fsck.h"

#include <base/string.h>
#include <inttypes.h>
#include <lib/tool.h>
#include <stdlib.h>

// The names seen so far in one directory: open addressing, at most half full; an empty name is a free place.
struct names {
    char (*name)[FS_NAME_LEN];
    size_t room, count;
};

static size_t name_hash(const char *name)
{
    size_t h = 5381;

    for (u32 k = 0; k < FS_NAME_LEN && name[k]; k++)
        h = h * 33 + (u8)name[k];
    return h;
}

static char *name_place(const struct names *names, const char *name)
{
    size_t at = name_hash(name) & (names->room - 1);

    while (names->name[at][0] && strncmp(names->name[at], name, FS_NAME_LEN) != 0)
        at = (at + 1) & (names->room - 1);
    return names->name[at];
}

// False if it's there already.
static bool name_add(struct names *names, const char *name)
{
    if (2 * (names->count + 1) > names->room) {
        struct names wider = { .room = names->room ? 2 * names->room : 64, .count = names->count };
        wider.name = tool_alloc(wider.room, FS_NAME_LEN);
        for (size_t k = 0; k < names->room; k++)
            if (names->name[k][0])
                memcpy(name_place(&wider, names->name[k]), names->name[k], FS_NAME_LEN);
        free(names->name);
        *names = wider;
    }
    char *place = name_place(names, name);
    if (place[0])
        return false;
    memcpy(place, name, FS_NAME_LEN);
    names->count++;
    return true;
}

// One directory under examination.
struct dir_check {
    struct fsck *f;
    u64 ino;
    struct names names;
};

static bool name_is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

// Why an entry can't stay; NULL if it can.
static const char *entry_fault(struct dir_check *c, const struct fs_dirent *d)
{
    const struct inode_info *target = &c->f->inodes[d->ino];

    if (name_is_dots(d->name))
        return "this name belongs to the first two slots";
    if (target->type == FS_FREE)
        return "it names a free inode";
    if (d->ino == FS_ROOT_INO)
        return "it names the root";
    if (target->type == FS_DIR && target->reached)
        return "that directory has a name already";
    if (!name_add(&c->names, d->name))
        return "the name is there twice";
    return NULL;
}

static void entry_clear(struct dir_check *c, u64 slot)
{
    // The slot was read from a block, so there is one to write to.
    if (!directory_put(c->f, c->ino, slot, &(struct fs_dirent){}))
        c->f->left++;
}

static void entry_count(struct dir_check *c, const struct fs_dirent *d)
{
    struct inode_info *target = &c->f->inodes[d->ino];

    if (target->type != FS_DIR) {
        target->links++;
    } else {
        c->f->inodes[c->ino].links++;
        pending_push(c->f, d->ino);
    }
    target->reached = true;
    target->parent = (u32)c->ino;
}

static bool entry_check(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    struct dir_check *c = arg;

    if (slot < 2 || (!error && !entry->ino))
        return true;
    if (error) {
        finding(c->f, c->ino, "the entry is removed", "slot %" PRIu64 ": %s", slot, fs_error_text(error));
        entry_clear(c, slot);
        return true;
    }
    const char *fault = entry_fault(c, entry);
    if (fault) {
        finding(c->f, c->ino, "the entry is removed", "'%s', inode %" PRIu64 ": %s", entry->name, entry->ino, fault);
        entry_clear(c, slot);
        return true;
    }
    entry_count(c, entry);
    u8 type = c->f->inodes[entry->ino].type;
    if (entry->type != type) {
        struct fs_dirent right = *entry;
        finding(c->f, c->ino, "set right", "'%s', inode %" PRIu64 ": its type is %u, not %u", entry->name, entry->ino,
                type, entry->type);
        right.type = type;
        if (!directory_put(c->f, c->ino, slot, &right))
            c->f->left++;
    }
    return true;
}

struct dots {
    struct fs_dirent entry[2];
};

static bool dots_read(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    struct dots *dots = arg;

    if (slot < 2 && !error)
        dots->entry[slot] = *entry;
    return slot < 2;
}

static void dots_check(struct fsck *f, u64 ino, const struct fs_inode *i, u64 parent)
{
    const struct fs_dirent right[2] = {
        { .ino = ino, .type = FS_DIR, .len = 1, .name = "." },
        { .ino = parent, .type = FS_DIR, .len = 2, .name = ".." },
    };
    struct dots dots = {};

    dir_slots(f->img, i, dots_read, &dots);
    for (u32 k = 0; k < 2; k++) {
        const struct fs_dirent *is = &dots.entry[k];
        if (is->ino == right[k].ino && is->type == right[k].type && strcmp(is->name, right[k].name) == 0)
            continue;
        finding(f, ino, "set right", "slot %u is not '%s' for inode %" PRIu64, k, right[k].name, right[k].ino);
        if (!directory_put(f, ino, k, &right[k]))
            f->left++;
    }
}

static void directory_check(struct fsck *f, u64 ino)
{
    struct dir_check c = { .f = f, .ino = ino };
    u64 parent = ino == FS_ROOT_INO ? ino : f->inodes[ino].parent;
    struct fs_inode i;

    if (image_inode_load(f->img, ino, &i) != FS_OK)
        return;
    if (i.parent != parent) {
        finding(f, ino, "set right", "its parent is inode %" PRIu64 ", but it says %" PRIu64, parent, i.parent);
        i.parent = parent;
        image_inode_store(f->img, ino, &i);
    }
    dots_check(f, ino, &i, parent);
    if (image_inode_load(f->img, ino, &i) == FS_OK)
        dir_slots(f->img, &i, entry_check, &c);
    free(c.names.name);
}

// Check a directory that is reached now, and all below it.
static void subtree_check(struct fsck *f, u64 ino)
{
    f->inodes[ino].reached = true;
    pending_push(f, ino);
    while ((ino = pending_pop(f)) != 0) {
        f->inodes[ino].links++;  // as nlink counts: one for itself
        directory_check(f, ino);
    }
}

// What no name leads to.

static void root_ensure(struct fsck *f)
{
    if (f->inodes[FS_ROOT_INO].type == FS_DIR)
        return;
    finding(f, FS_ROOT_INO, "a new one is made, and what was in it goes to /lost+found", "the root is not a directory");
    inode_clear(f, FS_ROOT_INO);
    if (!directory_make(f, FS_ROOT_INO, FS_ROOT_INO))
        f->left++;
}

// The directory for what is found without a name: /lost+found, made if need be; the root if that can't be.
static u64 lost_found(struct fsck *f)
{
    struct fs_inode root;

    if (image_inode_load(f->img, FS_ROOT_INO, &root) != FS_OK)
        return FS_ROOT_INO;
    u64 ino = dir_find(f->img, &root, "lost+found");
    if (ino)
        return f->inodes[ino].type == FS_DIR ? ino : FS_ROOT_INO;
    ino = inode_take(f);
    if (!ino || !directory_make(f, ino, FS_ROOT_INO))
        return FS_ROOT_INO;
    if (!directory_add(f, FS_ROOT_INO, "lost+found", ino, FS_DIR)) {
        inode_clear(f, ino);
        return FS_ROOT_INO;
    }
    f->inodes[FS_ROOT_INO].links++;
    f->inodes[ino] = (struct inode_info){ .type = FS_DIR, .parent = FS_ROOT_INO, .links = 1, .reached = true };
    return ino;
}

static bool attach(struct fsck *f, u64 dir, u64 ino)
{
    char name[FS_NAME_LEN + 1];
    struct fs_inode i;

    if (image_inode_load(f->img, dir, &i) != FS_OK)
        return false;
    // "#12"; should that name be taken, "#12.1" and so on: more than a million of them there can't be.
    snprintf(name, sizeof name, "#%" PRIu64, ino);
    for (u32 k = 1; dir_find(f->img, &i, name); k++)
        snprintf(name, sizeof name, "#%u.%" PRIu64, k, ino);
    if (!directory_add(f, dir, name, ino, f->inodes[ino].type))
        return false;
    f->inodes[ino].parent = (u32)dir;
    f->inodes[ino].links += f->inodes[ino].type != FS_DIR;
    f->inodes[dir].links += f->inodes[ino].type == FS_DIR;
    return true;
}

static void adopt(struct fsck *f, u64 ino)
{
    struct fs_inode i;

    if (image_inode_load(f->img, ino, &i) != FS_OK)
        return;
    if (!i.nlink && f->inodes[ino].type != FS_DIR) {
        finding(f, ino, "freed", "has no name, and is not on the list of orphans");
        inode_clear(f, ino);
        return;
    }
    finding(f, ino, "gets one in /lost+found", "no name leads to it");
    if (!attach(f, lost_found(f), ino)) {
        fprintf(f->out, "  but there is no room for a name; delete something, and check again\n");
        f->inodes[ino].parent = FS_ROOT_INO;
        f->left++;
    }
    if (f->inodes[ino].type == FS_DIR)
        subtree_check(f, ino);
    f->inodes[ino].reached = true;
}

static bool lost(const struct fsck *f, u64 ino)
{
    const struct inode_info *i = &f->inodes[ino];

    return i->type != FS_FREE && !i->reached && !i->unnamed;
}

static bool parent_lost(struct fsck *f, u64 ino)
{
    struct fs_inode i;

    return image_inode_load(f->img, ino, &i) == FS_OK && i.parent != ino && f->inodes[i.parent].type == FS_DIR &&
           lost(f, i.parent);
}

// First the directories whose own parent is not lost as well, for these bring the others along; then those that are
// each other's parents; then the rest.
static void lost_check(struct fsck *f)
{
    u64 inodes = f->img->super.inodes;

    for (u64 ino = FS_ROOT_INO; ino < inodes; ino++)
        if (lost(f, ino) && f->inodes[ino].type == FS_DIR && !parent_lost(f, ino))
            adopt(f, ino);
    for (u64 ino = FS_ROOT_INO; ino < inodes; ino++)
        if (lost(f, ino) && f->inodes[ino].type == FS_DIR)
            adopt(f, ino);
    for (u64 ino = FS_ROOT_INO; ino < inodes; ino++)
        if (lost(f, ino))
            adopt(f, ino);
}

void directories_check(struct fsck *f)
{
    root_ensure(f);
    if (f->inodes[FS_ROOT_INO].type != FS_DIR)
        return;
    subtree_check(f, FS_ROOT_INO);
    lost_check(f);
}

static void orphan_unlist(struct fsck *f, u64 ino)
{
    struct fs_inode i, before;

    for (u64 at = 0; image_inode_load(f->img, at, &before) == FS_OK && before.next_orphan; at = before.next_orphan) {
        if (before.next_orphan != ino)
            continue;
        if (image_inode_load(f->img, ino, &i) != FS_OK)
            return;
        before.next_orphan = i.next_orphan;
        i.next_orphan = 0;
        image_inode_store(f->img, at, &before);
        image_inode_store(f->img, ino, &i);
        f->inodes[ino].orphan = f->inodes[ino].unnamed = false;
        return;
    }
}

static void link_check(struct fsck *f, u64 ino)
{
    const struct inode_info *info = &f->inodes[ino];
    struct fs_inode i;

    if (image_inode_load(f->img, ino, &i) != FS_OK || i.nlink == info->links)
        return;
    if (info->unnamed) {
        finding(f, ino, "taken off the list", "has a name, but is on the list of orphans as one without");
        orphan_unlist(f, ino);
        if (image_inode_load(f->img, ino, &i) != FS_OK)
            return;
    } else {
        finding(f, ino, "set right", "its link count is %u, but it has %u", i.nlink, info->links);
    }
    i.nlink = info->links;
    image_inode_store(f->img, ino, &i);
}

void links_check(struct fsck *f)
{
    for (u64 ino = FS_ROOT_INO; ino < f->img->super.inodes; ino++)
        if (f->inodes[ino].type != FS_FREE)
            link_check(f, ino);
}
