// images DISK...: verify all images of processes that are on disk images, as `ckpt verify` does. What is an image is
// told by its beginning. Only those that are not sound are printed.
//
// Exit status: 0 all are sound, 1 some are not, 2 this did not work.
#include "saved.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096

struct search {
    struct image img;
    char path[PATH_SIZE];
    unsigned found, bad;
};

static void file_look(struct search *s, const struct fs_inode *i)
{
    u64 made, at;

    if (!saved_probe(&s->img, i))
        return;
    s->found++;
    enum ckpt_error e = saved_verify(&s->img, i, &made, &at);
    if (!e)
        return;
    s->bad++;
    printf("%s: %s: %s (at byte %" PRIu64 ")\n", s->img.path, s->path, ckpt_error_text(e), at);
}

// What the file system itself has to complain of is fsck's affair.
static bool entry_look(void *arg, u64 slot, enum fs_error error, const struct fs_dirent *entry)
{
    struct search *s = arg;
    struct fs_inode i;
    size_t length = strlen(s->path);

    if (error || slot < 2 || !entry->ino || image_inode_load(&s->img, entry->ino, &i))
        return true;
    if (snprintf(s->path + length, PATH_SIZE - length, "/%s", entry->name) < (int)(PATH_SIZE - length)) {
        if (i.type == FS_DIR)
            dir_slots(&s->img, &i, entry_look, s);
        else if (i.type == FS_FILE)
            file_look(s, &i);
    }
    s->path[length] = 0;
    return true;
}

static int search(const char *disk)
{
    static struct search s;
    struct fs_inode root;

    s = (struct search){};
    if (!image_open_to_read(&s.img, disk))
        return 2;
    enum fs_error e = image_inode_load(&s.img, FS_ROOT_INO, &root);
    if (!e)
        dir_slots(&s.img, &root, entry_look, &s);
    bool failed = e || s.img.failed;
    image_close(&s.img);
    printf("%s: %u images, %u of them not sound\n", disk, s.found, s.bad);
    return failed ? 2 : s.bad > 0;
}

int main(int argc, char **argv)
{
    int worst = argc > 1 ? 0 : 2;

    for (int k = 1; k < argc; k++) {
        int status = search(argv[k]);
        worst = status > worst ? status : worst;
    }
    return worst;
}
