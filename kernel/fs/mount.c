// The one file system that is mounted: the beginning and the end of everything else here.
#include "alloc.h"
#include "inodes.h"
#include <kern/printk.h>
#include <uapi/errno.h>

static bool mounted;
static struct inode *root;  // the mount's own reference

static int read_super(struct disk *disk, struct fs_super *super)
{
    struct frame *frame = frame_alloc();

    if (!frame)
        return -ENOMEM;
    int err = disk_transfer(disk, DISK_READ, 0, 1, &frame);
    enum fs_error bad = err ? FS_OK : fs_super_decode(frame_data(frame), disk->blocks, super);
    frame_put(frame);
    if (bad) {
        printk("fs: %s is no file system of ours: %s; make one with mkfs, or try fsck\n", disk->name,
               fs_error_text(bad));
        return -EINVAL;
    }
    return err;
}

static int load_root(void)
{
    int err = inode_load(FS_ROOT_INO, &root);

    if (err || root->type == FS_DIR)
        return err;
    (void)inode_damaged(root, "it is the root, but no directory");
    inode_put(root);
    return -EINVAL;
}

int fs_mount(struct disk *disk)
{
    struct fs_super super;

    if (mounted)
        return -EBUSY;
    int err = read_super(disk, &super);
    if (err)
        return err;
    err = cache_init(disk);
    if (err)
        return err;
    err = journal_init(disk, &super);
    if (err)
        goto out_cache;
    err = alloc_init(&super);
    if (err)
        goto out_journal;
    err = inodes_init(disk, &super);
    if (err)
        goto out_alloc;
    err = load_root();
    if (err)
        goto out_inodes;
    orphans_clear();
    disk->mounted = true;
    mounted = true;
    return 0;

out_inodes:
    inodes_release();
out_alloc:
    alloc_release();
out_journal:
    journal_release();
out_cache:
    cache_release();
    return err;
}

int fs_unmount(void)
{
    if (!mounted)
        return -EINVAL;
    if (inodes_live() > 1)
        return -EBUSY;
    inode_put(root);
    struct disk *disk = fs_disk();
    journal_release();
    inodes_release();
    alloc_release();
    cache_release();
    disk->mounted = false;
    mounted = false;
    return 0;
}

int fs_sync(void)
{
    int err = journal_commit(journal_round());

    return err ? err : journal_flush(UINT64_MAX);
}

struct inode *fs_root(void)
{
    return inode_get(root);
}

void fs_figures(struct fs_figures *out)
{
    const struct fs_super *s = fs_layout();

    *out = (struct fs_figures){
        .blocks = s->blocks,
        .blocks_free = alloc_free_count(),
        .inodes = s->inodes,
        .inodes_free = inodes_free_count(),
        .cached_frames = cache_frames(),
    };
}
