// Directories that lie, and look-ups in them. The input ends with what is done, 3 bytes each; byte 2 says how many.
#include "disk_input.h"
#include <base/string.h>
#include <uapi/errno.h>

static const char *const names[] = {
    "a",
    "b",
    "d",
    "d/e",
    "d/n1",
    "d/n50",
    ".",
    "..",
    "d/..",
    "d/e/../../d/n3",
    "//d//n2",
    "d/missing",
    "d/e/x",
    "d/e/x/..",
    "dev",
    "dev/x",
    "a/b",
    "",
    "/",
    "d/e/.",
    "../../d",
    "new",
    "d/new",
    "d/e/new",
    "d/n1/x",
    "d/n88/",
    "n\xff",
    "\x01",
    "d/e/f/g/h/i/j/k/l/m/n/o/p",
    "a name that is longer than fourteen",
};

struct work {
    const u8 *ops;
    u32 count;
};
static struct disk *disk;
static struct inode *root;

static void look_up(const char *path)
{
    struct inode *inode;
    struct inode_identity id;

    if (path_lookup(root, path, &inode))
        return;
    inode_identify(inode, &id);
    EXPECT(id.type >= T_DIR && id.type <= T_DEV);
    inode_put(inode);
}

static void create(const char *path, u32 flags)
{
    struct file *f;

    if (path_open(root, path, flags, &f) == 0)
        file_put(f);
}

static void perform(u32 op, const char *a, const char *b)
{
    char text[PATH_LEN];

    switch (op % 9) {
    case 0:
        look_up(a);
        break;
    case 1:
        create(a, O_RDWR | O_CREATE);
        break;
    case 2:
        (void)!path_unlink(root, a);
        break;
    case 3:
        (void)!path_mkdir(root, a);
        break;
    case 4:
        (void)!path_link(root, a, b);
        break;
    case 5:
        (void)!path_rename(root, a, b);
        break;
    case 6:
        (void)!path_mknod(root, a, 1, 1);
        break;
    case 7:
        (void)!fs_sync();
        break;
    default:
        path_text(a, b, text, sizeof(text));
        EXPECT(text[0] == '/' && strlen(text) < sizeof(text));
        break;
    }
}

static void work(void *arg)
{
    struct work *w = arg;

    if (fs_mount(disk))
        return;
    root = fs_root();
    sample_walk();
    for (u32 k = 0; k < w->count; k++)
        perform(w->ops[3 * k], names[w->ops[3 * k + 1] % ARRAY_SIZE(names)],
                names[w->ops[3 * k + 2] % ARRAY_SIZE(names)]);
    sample_walk();
    inode_put(root);
    CHECK_OK(fs_unmount());
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct work w = { .count = size > SPARSE_HEAD ? MIN(data[2], (u32)(size - SPARSE_HEAD) / 3) : 0 };

    w.ops = data + size - 3 * w.count;
    disk = disk_input_create(DISK_DIRECTORIES);
    disk_input_lay(data, size);
    host_run(work, &w);
    disk_input_check();
    return 0;
}
