// What the storms write: sectors that say which file they belong to, where in it, and in which round they were written.
// So a reader can tell a sector that is right from one that is stale, torn, lost or another file's. Shared by the
// guest's program and the host's.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SECTOR_SIZE  512
#define SECTOR_WORDS (SECTOR_SIZE / 4)
#define SECTOR_MAGIC 0x726f7453u

struct sector {
    uint32_t magic;
    uint32_t file;    // which file: another number for each one that is ever created
    uint32_t length;  // of the file in sectors, if it is written whole; else 0
    uint32_t round;
    uint32_t index;
    uint32_t fill[SECTOR_WORDS - 5];  // computed from all of the above
};

static inline void sector_make(struct sector *s, uint32_t file, uint32_t length, uint32_t round, uint32_t index)
{
    uint32_t x = file * 2654435761u ^ length * 40503u ^ round * 2246822519u ^ index * 3266489917u;

    *s = (struct sector){ .magic = SECTOR_MAGIC, .file = file, .length = length, .round = round, .index = index };
    for (uint32_t i = 0; i < SECTOR_WORDS - 5; i++)
        s->fill[i] = x = x * 1664525u + 1013904223u;
}

/* Is it whole, as one of the storms wrote it? */
static inline bool sector_is_whole(const struct sector *s)
{
    struct sector good;

    sector_make(&good, s->file, s->length, s->round, s->index);
    return memcmp(&good, s, sizeof(good)) == 0;
}
