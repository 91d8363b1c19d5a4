// Writes a seed for a fuzzer of disks: usage: disk_seeds whole|crashed|directories FILE [FIRST COUNT]
#include "disk_input.h"
#include <base/byteorder.h>
#include <base/string.h>
#include <stdlib.h>

static enum disk_view view_of(const char *name)
{
    if (strcmp(name, "whole") == 0)
        return DISK_WHOLE;
    return strcmp(name, "crashed") == 0 ? DISK_CRASHED : DISK_DIRECTORIES;
}

// What the directories' fuzzer does is at the end.
static const u8 ops[] = {
    0, 4, 0, 1, 21, 0, 3, 23, 0, 5, 3, 21, 2, 4, 0, 4, 0, 22, 7, 0, 0, 6, 12, 0, 8, 9, 8, 5, 2, 12
};

int main(int argc, char **argv)
{
    u8 head[SPARSE_HEAD] = { 0, 1, 0, 255 };
    const u8 *bytes;
    u64 offset;
    u32 size;

    if (argc < 3)
        return 2;
    enum disk_view view = view_of(argv[1]);
    u32 first = argc > 3 ? (u32)atoi(argv[3]) : 0, count = argc > 4 ? (u32)atoi(argv[4]) : 1000;
    FILE *out = fopen(argv[2], "w");
    if (!out)
        return 1;
    disk_input_create(view);
    if (view == DISK_DIRECTORIES)
        head[2] = sizeof(ops) / 3;
    fwrite(head, 1, sizeof(head), out);
    for (u32 n = first; n < first + count && disk_input_seed(n, &offset, &bytes, &size); n++) {
        u8 word[4];
        put_le32(word, (u32)(offset / 8) | size << 24);
        fwrite(word, 1, sizeof(word), out);
        fwrite(bytes, 1, size, out);
    }
    if (view == DISK_DIRECTORIES)
        fwrite(ops, 1, sizeof(ops), out);
    return fclose(out) ? 1 : 0;
}
