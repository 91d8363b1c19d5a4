// What fs wants of its other neighbours.
#include <dev/chardev.h>
#include <mm/vmspace.h>

void backing_put(struct backing *b)
{
    if (--b->refs == 0)
        b->ops->destroy(b);
}

static int null_read(struct piece *pieces, u32 count, size_t *done)
{
    *done = 0;
    return 0;
}

static int null_write(const struct piece *pieces, u32 count, size_t *done)
{
    *done = 0;
    for (u32 k = 0; k < count; k++)
        *done += pieces[k].size;
    return 0;
}

const struct chardev *chardev_find(u32 major)
{
    static const struct chardev null = { .name = "null", .read = null_read, .write = null_write };

    return major == MAJOR_CONSOLE ? &null : NULL;
}
