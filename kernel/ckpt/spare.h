// Spare blocks of an image file: those that no kept epoch uses.
#pragma once

#include "image.h"

struct spare;

// Which state of which file a map is of.
struct spare_key {
    u64 ino, generation, epoch;
    u32 digest;
};

/* The map that was kept under that key, which is the caller's now; NULL: there is none. */
struct spare *spare_recall(const struct spare_key *key);

/* Find out what is spare below `blocks`: reads the tree nodes of all epochs that the image's newest header keeps.
 * -ENOMEM, and image_errno()'s; says what is wrong with the image. */
MUST_CHECK int spare_find(struct image *image, struct spare **out);

/* Take a run of at most `most` and at least `least` blocks: how many; 0: there is none. */
u32 spare_take(struct spare *s, u32 least, u32 most, u32 *first);

void spare_give_back(struct spare *s, u32 first, u32 count);

u32 spare_count(const struct spare *s);

/* Does it lack what is wanted, and has so much been written since it was made that it's worth to look again? blocks: of
 * the file. */
bool spare_is_stale(const struct spare *s, u64 blocks, u64 wanted);

/* Does the map tell of all the file's blocks? Then every one from spare_end() on is spare: the file may end there. */
bool spare_tells_of(const struct spare *s, u64 blocks);
u32 spare_end(const struct spare *s);

/* Keep the map for the next epoch of a file that now has so many blocks; a few are kept. Takes *s. */
void spare_keep(struct spare *s, const struct spare_key *key, u64 blocks);
void spare_destroy(struct spare *s);  // NULL is fine
