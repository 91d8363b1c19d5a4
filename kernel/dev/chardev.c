// The table of character devices, by major number.
#include <dev/chardev.h>
#include <kern/printk.h>

static const struct chardev *chardevs[16];  // changed only while the machine starts

void chardev_register(u32 major, const struct chardev *d)
{
    assert(major < ARRAY_SIZE(chardevs) && !chardevs[major]);
    chardevs[major] = d;
}

const struct chardev *chardev_find(u32 major)
{
    return major < ARRAY_SIZE(chardevs) ? chardevs[major] : NULL;
}
