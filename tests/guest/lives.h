// What lives in the kernel, before and after: nothing may be missing or left over.
#pragma once

#include <amber.h>
#include <stddef.h>

static const struct live {
    const char *name;
    size_t offset;
    int wide;
} lives[] = {
    { "procs", offsetof(struct sysinfo, procs_live), 0 },   { "threads", offsetof(struct sysinfo, threads_live), 0 },
    { "files", offsetof(struct sysinfo, files_live), 0 },   { "inodes", offsetof(struct sysinfo, inodes_live), 0 },
    { "pipes", offsetof(struct sysinfo, pipes_live), 0 },   { "spaces", offsetof(struct sysinfo, spaces_live), 0 },
    { "commit", offsetof(struct sysinfo, commit_used), 1 },
};

static inline uint64_t figure(const struct sysinfo *info, const struct live *l)
{
    const char *at = (const char *)info + l->offset;

    return l->wide ? *(const uint64_t *)at : *(const uint32_t *)at;
}

static inline const struct live *different(const struct sysinfo *before, struct sysinfo *now)
{
    sysinfo(now);
    for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++)
        if (figure(before, &lives[i]) != figure(now, &lives[i]))
            return &lives[i];
    return NULL;
}

/* What is not as before, though threads that write or end had a moment; NULL: all is. */
static inline const struct live *left_over(const struct sysinfo *before, struct sysinfo *now)
{
    const struct live *l = different(before, now);

    for (int i = 0; i < 300 && l; i++) {
        sleep_ticks(i > 0);
        l = different(before, now);
    }
    return l;
}

static inline int64_t kernel_objects(void)
{
    struct sysinfo info;

    sysinfo(&info);
    return (int64_t)info.kmem_live;
}
