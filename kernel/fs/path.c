// Names: resolving paths, and the operations that change directories.
//
// Directories are locked one at a time on the way down. An operation that changes a directory holds its lock, then
// those of what it contains, so parents come before children. rename_lock is held by whoever may need two directories:
// while it is held no directory changes its parent, so "is an ancestor of" can be asked; of two directories the
// ancestor is locked first, and of unrelated ones the one with the lower address.
//
// Every operation first makes sure of all that can fail (prepare, reserve, change), then changes things, then stores.
//
// Locks: rename_lock (RANK_RENAME) > directories (RANK_DIR), parents first > other inodes (RANK_INODE) > a handle.
#include "alloc.h"
#include "dir.h"
#include "files.h"
#include "inodes.h"
#include "tree.h"
#include <base/string.h>
#include <fs/path.h>
#include <kern/printk.h>
#include <uapi/errno.h>

#define LINK_MAX       32767
#define RETRIES        3  // after -ENOSPC, when something was being freed
#define CREATE_CREDITS (DIR_RESERVE_CREDITS + INODE_CREATE_CREDITS + DIR_CREATE_CREDITS + ORPHAN_CREDITS + 2)
#define RENAME_CREDITS (DIR_RESERVE_CREDITS + ORPHAN_CREDITS + 6)

_Static_assert(CREATE_CREDITS <= TX_CREDITS_MAX && RENAME_CREDITS <= TX_CREDITS_MAX, "handles are small");
_Static_assert(NAME_LEN == FS_NAME_LEN, "names fit");

static struct mutex rename_lock = {
    .inner = SPINLOCK_INIT("rename", RANK_MUTEX),
    .waiters = { { &rename_lock.waiters.waiters, &rename_lock.waiters.waiters } },
    .name = "rename",
    .rank = RANK_RENAME,
};

// Components.

// The first component of *path, cut to its length; *path moves behind it. False if there is none.
static bool next_name(const char **path, struct name *out)
{
    const char *p = *path;
    size_t n = 0;

    while (*p == '/')
        p++;
    while (p[n] && p[n] != '/')
        n++;
    *out = (struct name){ .len = (u8)MIN(n, FS_NAME_LEN) };
    memcpy(out->text, p, out->len);
    *path = p + n;
    return n > 0;
}

static bool is_dot(const struct name *name)
{
    return name->len == 1 && name->text[0] == '.';
}

static bool is_dot_dot(const struct name *name)
{
    return name->len == 2 && name->text[0] == '.' && name->text[1] == '.';
}

static bool is_last(const char *path)
{
    while (*path == '/')
        path++;
    return *path == 0;
}

// What `name` is in dir, referenced. A directory that was removed has no names, and no parent.
static int lookup_locked(struct inode *dir, const struct name *name, struct inode **out) REQUIRES(dir->lock)
{
    u64 ino, slot;

    if (dir->d.nlink == 0)
        return -ENOENT;
    if (is_dot_dot(name))
        return inode_load(dir->d.parent, out);
    int err = dir_lookup(dir, name, &ino, &slot);
    return err ? err : inode_load(ino, out);
}

static int step(struct inode *dir, const struct name *name, struct inode **out)
{
    if (dir->type != FS_DIR)
        return -ENOTDIR;
    if (is_dot(name)) {
        *out = inode_get(dir);
        return 0;
    }
    mutex_lock(&dir->lock);
    int err = lookup_locked(dir, name, out);
    mutex_unlock(&dir->lock);
    return err;
}

static struct inode *start_of(struct inode *cwd, const char *path)
{
    return *path == '/' ? fs_root() : inode_get(cwd);
}

int path_lookup(struct inode *cwd, const char *path, struct inode **out)
{
    struct name name;

    if (!*path)
        return -ENOENT;
    struct inode *at = start_of(cwd, path);
    while (next_name(&path, &name)) {
        struct inode *next;
        int err = step(at, &name, &next);
        inode_put(at);
        if (err)
            return err;
        at = next;
    }
    *out = at;
    return 0;
}

// The directory that the last component is in, and that component; its length is 0 if the path names the root.
static int lookup_parent(struct inode *cwd, const char *path, struct inode **out, struct name *name)
{
    if (!*path)
        return -ENOENT;
    struct inode *at = start_of(cwd, path);
    while (next_name(&path, name) && !is_last(path)) {
        struct inode *next;
        int err = step(at, name, &next);
        inode_put(at);
        if (err)
            return err;
        at = next;
    }
    if (at->type != FS_DIR) {
        inode_put(at);
        return -ENOTDIR;
    }
    *out = at;
    return 0;
}

// Can the last component be made or replaced? Not the root, "." and "..".
static bool is_plain(const struct name *name)
{
    return name->len > 0 && !is_dot(name) && !is_dot_dot(name);
}

// Creating.

// One more directory in it, and a directory of a disk that lies would be deleted. It is locked.
static bool links_are_spent(const struct inode *dir)
{
    return dir->d.nlink == UINT32_MAX;
}

// One attempt to make a node called `name` in dir, where there is none.
static int create_once(struct inode *dir, const struct name *name, u32 type, u32 major, u32 minor, struct inode **out)
    REQUIRES(dir->lock)
{
    struct place place;
    struct inode *i;
    struct tx tx;
    int err = tx_begin(&tx, CREATE_CREDITS);

    if (err)
        return err;
    err = inode_prepare(&tx, dir);
    if (err)
        goto out_end;
    err = dir_reserve(&tx, dir, &place);
    if (err)
        goto out_store;
    err = inode_create(&tx, type, &i);
    if (err)
        goto out_place;
    mutex_lock_nested(&i->lock);
    if (type == FS_DIR)
        err = dir_create(&tx, i, dir);
    if (!err) {
        i->d.nlink = 1;
        i->d.major = major;
        i->d.minor = minor;
        inode_store(&tx, i);
    }
    mutex_unlock(&i->lock);
    if (err)
        goto out_inode;

    dir_fill(dir, &place, name, i);
    dir->d.nlink += type == FS_DIR;
    *out = i;
    goto out_store;

out_inode:
    inode_uncreate(&tx, i);
out_place:
    dir_place_release(&place);
out_store:
    inode_store(&tx, dir);
out_end:
    tx_end(&tx);
    return err;
}

// As create_once(), but when the disk is full only after what was freed has been got back.
static int create(struct inode *dir, const struct name *name, u32 type, u32 major, u32 minor, struct inode **out)
    REQUIRES(dir->lock)
{
    u32 attempts = 0;
    int err;

    if (dir->d.nlink == 0)
        return -ENOENT;
    if (type == FS_DIR && links_are_spent(dir))
        return -EMLINK;
    do {
        err = create_once(dir, name, type, major, minor, out);
    } while (err == -ENOSPC && attempts++ < RETRIES && alloc_reclaim());
    return err;
}

// Make a node that must not exist yet.
static int make(struct inode *cwd, const char *path, u32 type, u32 major, u32 minor)
{
    struct inode *dir, *i;
    struct name name;
    u64 ino, slot;
    int err = lookup_parent(cwd, path, &dir, &name);

    if (err)
        return err;
    if (!is_plain(&name)) {
        inode_put(dir);
        return -EEXIST;
    }
    mutex_lock(&dir->lock);
    err = dir_lookup(dir, &name, &ino, &slot);
    if (!err)
        err = -EEXIST;
    else if (err == -ENOENT)
        err = create(dir, &name, type, major, minor, &i);
    mutex_unlock(&dir->lock);
    if (!err)
        inode_put(i);
    inode_put(dir);
    return err;
}

int path_mkdir(struct inode *cwd, const char *path)
{
    return make(cwd, path, FS_DIR, 0, 0);
}

int path_mknod(struct inode *cwd, const char *path, u32 major, u32 minor)
{
    return make(cwd, path, FS_DEV, major, minor);
}

// Opening.

// The inode to open, made if there is none.
static int lookup_or_create(struct inode *cwd, const char *path, struct inode **out)
{
    struct inode *dir;
    struct name name;
    int err = lookup_parent(cwd, path, &dir, &name);

    if (err)
        return err;
    if (!is_plain(&name)) {
        inode_put(dir);
        return -EISDIR;
    }
    mutex_lock(&dir->lock);
    err = lookup_locked(dir, &name, out);
    if (err == -ENOENT)
        err = create(dir, &name, FS_FILE, 0, 0, out);
    mutex_unlock(&dir->lock);
    inode_put(dir);
    return err;
}

// Let f refer to i, as the flags say. Takes the reference, also on error.
static int open_inode(struct file *f, struct inode *i, u32 flags)
{
    bool writes = flags & FILE_ACCESS;
    int err = i->type == FS_DIR && (writes || flags & O_CREATE) ? -EISDIR : file_attach(f, i);

    if (err) {
        inode_put(i);
        return err;
    }
    if (flags & O_TRUNC && writes && i->type == FS_FILE)
        err = inode_truncate(i, 0);
    return err;
}

int path_open(struct inode *cwd, const char *path, u32 flags, struct file **out)
{
    struct inode *i;
    struct file *f;

    if ((flags & FILE_ACCESS) == FILE_ACCESS || flags & ~(u32)FILE_FLAGS)
        return -EINVAL;
    int err = file_create(flags, path, &f);
    if (err)
        return err;
    err = flags & O_CREATE ? lookup_or_create(cwd, path, &i) : path_lookup(cwd, path, &i);
    if (!err)
        err = open_inode(f, i, flags);
    if (err)
        file_put(f);
    else
        *out = f;
    return err;
}

// Links.

// One name more for i, in dir.
static int link_once(struct inode *dir, const struct name *name, struct inode *i) REQUIRES(dir->lock, i->lock)
{
    struct place place;
    struct tx tx;
    int err = tx_begin(&tx, DIR_RESERVE_CREDITS + 2);

    if (err)
        return err;
    err = inode_prepare(&tx, dir);
    if (!err)
        err = inode_prepare(&tx, i);
    if (!err) {
        err = dir_reserve(&tx, dir, &place);
        if (!err) {
            dir_fill(dir, &place, name, i);
            i->d.nlink++;
            inode_changed(i);
            inode_store(&tx, i);
        }
        inode_store(&tx, dir);
    }
    tx_end(&tx);
    return err;
}

static int link_locked(struct inode *dir, const struct name *name, struct inode *i) REQUIRES(dir->lock)
{
    u64 ino, slot;
    u32 attempts = 0;
    int err = dir_lookup(dir, name, &ino, &slot);

    if (err != -ENOENT)
        return err ? err : -EEXIST;
    if (dir->d.nlink == 0)
        return -ENOENT;
    mutex_lock(&i->lock);
    do {
        if (i->d.nlink == 0)
            err = -ENOENT;
        else if (i->d.nlink >= LINK_MAX)
            err = -EMLINK;
        else
            err = link_once(dir, name, i);
    } while (err == -ENOSPC && attempts++ < RETRIES && alloc_reclaim());
    mutex_unlock(&i->lock);
    return err;
}

int path_link(struct inode *cwd, const char *from, const char *to)
{
    struct inode *i, *dir;
    struct name name;
    int err = path_lookup(cwd, from, &i);

    if (err)
        return err;
    if (i->type == FS_DIR) {
        inode_put(i);
        return -EISDIR;
    }
    err = lookup_parent(cwd, to, &dir, &name);
    if (!err) {
        if (is_plain(&name)) {
            mutex_lock(&dir->lock);
            err = link_locked(dir, &name, i);
            mutex_unlock(&dir->lock);
        } else {
            err = -EEXIST;
        }
        inode_put(dir);
    }
    inode_put(i);
    return err;
}

// Unlinking.

// A directory must be where its `..` says, or locking it under `dir` would not be top down.
static int check_child(struct inode *dir, struct inode *i)
{
    if (i == dir || (i->type == FS_DIR && i->d.parent != dir->ino))
        return inode_damaged(i, "it is in a directory that is not its parent");
    return 0;
}

// i loses one name: a directory its only one. Its last handle-free moment is over: the orphan list keeps it when that
// was the last.
static void drop_name(struct tx *tx, struct inode *dir, struct inode *i) REQUIRES(dir->lock, i->lock)
{
    if (i->type == FS_DIR) {
        i->d.nlink = 0;
        dir->d.nlink -= dir->d.nlink > 1;
    } else if (i->d.nlink > 0) {
        i->d.nlink--;
    }
    inode_changed(i);
    if (i->d.nlink == 0)
        orphan_add(tx, i);
}

static int unlink_locked(struct inode *dir, u64 slot, struct inode *i) REQUIRES(dir->lock, i->lock)
{
    struct place place;
    struct tx tx;
    int err = i->type == FS_DIR ? dir_check_empty(i) : 0;

    if (err)
        return err;
    err = tx_begin(&tx, ORPHAN_CREDITS + 3);
    if (err)
        return err;
    err = inode_prepare(&tx, dir);
    if (!err)
        err = orphan_prepare(&tx, i);
    if (!err)
        err = dir_change(&tx, dir, slot, &place);
    if (!err) {
        dir_clear(dir, &place);
        drop_name(&tx, dir, i);
        inode_store(&tx, i);
        inode_store(&tx, dir);
    }
    tx_end(&tx);
    return err;
}

int path_unlink(struct inode *cwd, const char *path)
{
    struct inode *dir, *i = NULL;
    struct name name;
    u64 ino, slot;
    int err = lookup_parent(cwd, path, &dir, &name);

    if (err)
        return err;
    if (!is_plain(&name)) {
        inode_put(dir);
        return name.len ? -EINVAL : -EBUSY;
    }
    mutex_lock(&dir->lock);
    err = dir_lookup(dir, &name, &ino, &slot);
    if (!err)
        err = inode_load(ino, &i);
    if (!err)
        err = check_child(dir, i);
    if (!err) {
        mutex_lock_nested(&i->lock);
        err = unlink_locked(dir, slot, i);
        mutex_unlock(&i->lock);
    }
    mutex_unlock(&dir->lock);
    if (i)
        inode_put(i);
    inode_put(dir);
    return err;
}

// Renaming.

// Is `a` an ancestor of `b`, or b itself? rename_lock is held.
static int is_ancestor(struct inode *a, struct inode *b, bool *yes) REQUIRES(rename_lock)
{
    struct inode *at = inode_get(b);
    u64 steps = 0;
    int err = 0;

    while (at != a && at->ino != FS_ROOT_INO && !err) {
        struct inode *up;
        err = ++steps > fs_layout()->inodes ? inode_damaged(at, "its way to the root is a circle")
                                            : inode_load(at->d.parent, &up);
        if (err)
            break;
        inode_put(at);
        at = up;
    }
    *yes = at == a;
    inode_put(at);
    return err;
}

struct rename {
    struct inode *from_dir, *to_dir;
    struct name from_name, to_name;
    bool to_dir_first;       // the order in which the two are locked
    struct inode *i;         // what is renamed
    struct inode *old;       // what bore the new name, or NULL
    u64 from_slot, to_slot;  // the latter if there is an `old`
};

static void lock_dirs(struct rename *r) NO_LOCK_ANALYSIS
{
    struct inode *first = r->to_dir_first ? r->to_dir : r->from_dir;
    struct inode *second = r->to_dir_first ? r->from_dir : r->to_dir;

    mutex_lock(&first->lock);
    if (second != first)
        mutex_lock_nested(&second->lock);
}

static void unlock_dirs(struct rename *r) NO_LOCK_ANALYSIS
{
    mutex_unlock(&r->from_dir->lock);
    if (r->to_dir != r->from_dir)
        mutex_unlock(&r->to_dir->lock);
}

static int order_dirs(struct rename *r) REQUIRES(rename_lock)
{
    bool below, above;
    int err = is_ancestor(r->from_dir, r->to_dir, &below);

    if (!err)
        err = is_ancestor(r->to_dir, r->from_dir, &above);
    if (!err)
        r->to_dir_first = above || (!below && r->to_dir < r->from_dir);
    return err;
}

// Both names, in their directories, which are locked.
static int lookup_both(struct rename *r) NO_LOCK_ANALYSIS
{
    u64 ino;
    int err;

    if (r->from_dir->d.nlink == 0 || r->to_dir->d.nlink == 0)
        return -ENOENT;
    err = dir_lookup(r->from_dir, &r->from_name, &ino, &r->from_slot);
    if (!err)
        err = inode_load(ino, &r->i);
    if (!err)
        err = check_child(r->from_dir, r->i);
    if (err)
        return err;
    err = dir_lookup(r->to_dir, &r->to_name, &ino, &r->to_slot);
    if (!err)
        err = inode_load(ino, &r->old);
    return err == -ENOENT ? 0 : err;
}

static bool changes_parent(const struct rename *r)
{
    return r->i->type == FS_DIR && r->from_dir != r->to_dir;
}

// May i take the place of old, and may it be in to_dir at all?
static int check_rename(struct rename *r) REQUIRES(rename_lock)
{
    bool yes = false;
    int err = 0;

    if (r->i->type == FS_DIR)
        err = is_ancestor(r->i, r->to_dir, &yes);
    if (err || yes)
        return err ? err : -EINVAL;
    if (changes_parent(r) && links_are_spent(r->to_dir))
        return -EMLINK;
    if (!r->old)
        return 0;
    if (r->old->type != FS_DIR)
        return r->i->type == FS_DIR ? -ENOTDIR : 0;
    if (r->i->type != FS_DIR)
        return -EISDIR;
    err = is_ancestor(r->old, r->from_dir, &yes);
    if (err || yes)
        return err ? err : -ENOTEMPTY;
    return check_child(r->to_dir, r->old);
}

static void lock_nodes(struct rename *r) NO_LOCK_ANALYSIS
{
    struct inode *a = r->i, *b = r->old;

    if (b && (a->type == FS_DIR) == (b->type == FS_DIR) && b < a) {
        a = r->old;
        b = r->i;
    }
    mutex_lock_nested(&a->lock);
    if (b)
        mutex_lock_nested(&b->lock);
}

static void unlock_nodes(struct rename *r) NO_LOCK_ANALYSIS
{
    mutex_unlock(&r->i->lock);
    if (r->old)
        mutex_unlock(&r->old->lock);
}

// The slots that change.
struct rename_places {
    struct place from, to, up;
    bool has_from, has_to, has_up;
};

static void release_places(struct rename_places *p)
{
    if (p->has_from)
        dir_place_release(&p->from);
    if (p->has_to)
        dir_place_release(&p->to);
    if (p->has_up)
        dir_place_release(&p->up);
}

// Everything that can fail.
static int prepare_rename(struct tx *tx, struct rename *r, struct rename_places *p) NO_LOCK_ANALYSIS
{
    int err = inode_prepare(tx, r->i);

    if (!err && r->old)
        err = orphan_prepare(tx, r->old);
    if (!err) {
        err = dir_change(tx, r->from_dir, r->from_slot, &p->from);
        p->has_from = !err;
    }
    if (!err && changes_parent(r)) {
        err = dir_change(tx, r->i, DIR_PARENT_SLOT, &p->up);
        p->has_up = !err;
    }
    if (!err) {
        err = r->old ? dir_change(tx, r->to_dir, r->to_slot, &p->to) : dir_reserve(tx, r->to_dir, &p->to);
        p->has_to = !err;
    }
    return err;
}

static void apply_rename(struct tx *tx, struct rename *r, struct rename_places *p) NO_LOCK_ANALYSIS
{
    if (r->old) {
        dir_replace(r->to_dir, &p->to, r->i);
        drop_name(tx, r->to_dir, r->old);
        inode_store(tx, r->old);
    } else {
        dir_fill(r->to_dir, &p->to, &r->to_name, r->i);
    }
    dir_clear(r->from_dir, &p->from);
    if (changes_parent(r)) {
        dir_replace(r->i, &p->up, r->to_dir);
        r->i->d.parent = r->to_dir->ino;
        r->from_dir->d.nlink -= r->from_dir->d.nlink > 1;
        r->to_dir->d.nlink++;
    }
    inode_changed(r->i);
    inode_store(tx, r->i);
}

// One attempt, everything locked.
static int rename_once(struct rename *r) NO_LOCK_ANALYSIS
{
    struct rename_places places = {};
    struct tx tx;
    int err = r->old && r->old->type == FS_DIR ? dir_check_empty(r->old) : 0;

    if (!err)
        err = tx_begin(&tx, RENAME_CREDITS);
    if (err)
        return err;
    err = inode_prepare(&tx, r->from_dir);
    if (!err)
        err = inode_prepare(&tx, r->to_dir);
    if (!err) {
        err = prepare_rename(&tx, r, &places);
        if (err)
            release_places(&places);
        else
            apply_rename(&tx, r, &places);
        inode_store(&tx, r->from_dir);
        inode_store(&tx, r->to_dir);
    }
    tx_end(&tx);
    return err;
}

// Both directories are locked.
static int rename_locked(struct rename *r) REQUIRES(rename_lock)
{
    u32 attempts = 0;
    int err = lookup_both(r);

    if (err || r->i == r->old)
        return err;
    err = check_rename(r);
    if (err)
        return err;
    lock_nodes(r);
    do {
        err = rename_once(r);
    } while (err == -ENOSPC && attempts++ < RETRIES && alloc_reclaim());
    unlock_nodes(r);
    return err;
}

static int rename_found(struct rename *r) REQUIRES(rename_lock)
{
    if (!r->from_name.len || !r->to_name.len)
        return -EBUSY;
    if (!is_plain(&r->from_name) || !is_plain(&r->to_name))
        return -EINVAL;
    int err = order_dirs(r);
    if (err)
        return err;
    lock_dirs(r);
    err = rename_locked(r);
    unlock_dirs(r);
    return err;
}

int path_rename(struct inode *cwd, const char *from, const char *to)
{
    struct rename r = {};
    int err = lookup_parent(cwd, from, &r.from_dir, &r.from_name);

    if (err)
        return err;
    err = lookup_parent(cwd, to, &r.to_dir, &r.to_name);
    if (!err) {
        mutex_lock(&rename_lock);
        err = rename_found(&r);
        mutex_unlock(&rename_lock);
        inode_put(r.to_dir);
    }
    // The last reference to what was replaced deletes it; nothing is locked any more.
    if (r.old)
        inode_put(r.old);
    if (r.i)
        inode_put(r.i);
    inode_put(r.from_dir);
    return err;
}

// Files and directories without a name.

static int create_unnamed(u32 type, struct inode **out)
{
    struct inode *i, *root = fs_root();
    struct tx tx;
    int err = tx_begin(&tx, INODE_CREATE_CREDITS + DIR_CREATE_CREDITS + ORPHAN_CREDITS);

    if (err)
        goto out_root;
    err = inode_create(&tx, type, &i);
    if (err)
        goto out_end;
    mutex_lock(&i->lock);
    if (type == FS_DIR)
        err = dir_create(&tx, i, root);
    if (!err)
        err = orphan_prepare(&tx, i);
    if (!err) {
        inode_store(&tx, i);
        orphan_add(&tx, i);
    }
    mutex_unlock(&i->lock);
    if (err)
        inode_uncreate(&tx, i);
    else
        *out = i;
out_end:
    tx_end(&tx);
out_root:
    inode_put(root);
    return err;
}

int path_create_removed(struct inode **out)
{
    return create_unnamed(FS_DIR, out);
}

int path_create_unnamed(struct file **out)
{
    struct inode *i;
    struct file *f;
    int err = file_create(O_RDWR, "(unnamed)", &f);

    if (err)
        return err;
    err = create_unnamed(FS_FILE, &i);
    if (!err)
        err = open_inode(f, i, O_RDWR);
    if (err)
        file_put(f);
    else
        *out = f;
    return err;
}

// The one transaction: `name` in dir means i instead of old, or instead of nothing (NULL).
static int publish_once(struct inode *dir, const struct name *name, u64 slot, struct inode *i,
                        struct inode *old) NO_LOCK_ANALYSIS
{
    struct place place;
    struct tx tx;
    int err = tx_begin(&tx, DIR_RESERVE_CREDITS + 2 * ORPHAN_CREDITS + 3);

    if (err)
        return err;
    err = inode_prepare(&tx, dir);
    if (err)
        goto out_end;
    err = inode_prepare(&tx, i);
    if (!err && old)
        err = orphan_prepare(&tx, old);
    if (!err)
        err = old ? dir_change(&tx, dir, slot, &place) : dir_reserve(&tx, dir, &place);
    if (err)
        goto out_store;
    err = orphan_remove(&tx, i);
    if (err) {
        dir_place_release(&place);
        goto out_store;
    }
    i->d.nlink = 1;
    inode_changed(i);
    if (old) {
        dir_replace(dir, &place, i);
        drop_name(&tx, dir, old);
        inode_store(&tx, old);
    } else {
        dir_fill(dir, &place, name, i);
    }
    inode_store(&tx, i);
out_store:
    inode_store(&tx, dir);
out_end:
    tx_end(&tx);
    return err;
}

static int check_replaced(struct inode *old, struct inode *i)
{
    if (!old)
        return 0;
    if (old->type == FS_DIR)
        return -EISDIR;
    if (old == i)
        return -EINVAL;
    return inode_is_backing(old) ? -ETXTBSY : 0;
}

// dir is locked. *old: what was replaced, referenced. *round: what has to be durable.
static int publish_locked(struct inode *dir, const struct name *name, struct inode *i, struct inode **old,
                          u64 *round) NO_LOCK_ANALYSIS
{
    u64 ino, slot = 0;
    u32 attempts = 0;

    if (dir->d.nlink == 0)
        return -ENOENT;
    int err = dir_lookup(dir, name, &ino, &slot);
    if (!err)
        err = inode_load(ino, old);
    if (err == -ENOENT)
        err = 0;
    if (!err)
        err = check_replaced(*old, i);
    if (err)
        return err;
    if (*old)
        inode_lock_pair(i, *old);
    else
        mutex_lock(&i->lock);
    if (i->d.nlink > 0 || !inode_is_orphan(i))
        err = -EINVAL;
    else
        // What was preallocated and not used goes back.
        err = inode_cut(i, DIV_ROUND_UP(i->d.size, FS_BLOCK_SIZE));
    while (!err) {
        err = publish_once(dir, name, slot, i, *old);
        if (err != -ENOSPC || attempts++ >= RETRIES || !alloc_reclaim())
            break;
        err = 0;
    }
    *round = i->round;
    mutex_unlock(&i->lock);
    if (*old)
        mutex_unlock(&(*old)->lock);
    return err;
}

int path_publish(struct inode *cwd, const char *path, struct file *unnamed)
{
    struct inode *dir, *i = file_inode(unnamed), *old = NULL;
    struct name name;
    u64 round = 0;

    if (!i || i->type != FS_FILE)
        return -EINVAL;
    // What went through the cache is made durable first, because its errors have to be known before the name changes.
    int err = i->buffered ? inode_sync(i) : 0;
    if (!err)
        err = lookup_parent(cwd, path, &dir, &name);
    if (err)
        return err;
    if (is_plain(&name)) {
        mutex_lock(&dir->lock);
        err = publish_locked(dir, &name, i, &old, &round);
        mutex_unlock(&dir->lock);
    } else {
        err = -EISDIR;
    }
    if (!err)
        err = inode_commit(i, round);
    if (old)
        inode_put(old);
    inode_put(dir);
    return err;
}

// Paths as text.

// Append a component, or take the last one away for "..".
static void text_step(char *out, size_t size, size_t *length, const struct name *name)
{
    if (is_dot(name))
        return;
    if (is_dot_dot(name)) {
        while (*length > 0 && out[--*length] != '/')
            ;
    } else if (*length + 1 + name->len < size) {
        out[(*length)++] = '/';
        memcpy(out + *length, name->text, name->len);
        *length += name->len;
    }
    out[*length] = 0;
}

void path_text(const char *cwd_text, const char *path, char *out, size_t size)
{
    const char *sources[] = { *path == '/' ? "" : cwd_text, path };
    struct name name;
    size_t length = 0;

    out[0] = 0;
    for (u32 k = 0; k < ARRAY_SIZE(sources); k++)
        for (const char *at = sources[k]; next_name(&at, &name);)
            text_step(out, size, &length, &name);
    if (length == 0)
        text_copy(out, "/", size);
}
