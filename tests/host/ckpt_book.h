// The model of image files: what each epoch holds, which epochs a file keeps, and what a name may mean after a crash.
#pragma once

#include "ckpt_people.h"
#include "fs_crash.h"

#define EPOCHS_MAX 400  // of one image
#define EVENTS_MAX 400  // of one name
#define BOOKS      2

struct content_model {
    u64 ino;
    u32 crc[DATA_PAGES];  // 0: no page (a page of zeros has none)
};

struct epoch_model {
    u64 number, parent;
    u32 kept, digest;
    u32 processes, spaces, contents, pipes, pipe_crc;
    struct memory space[SPACES_MAX];
    struct content_model content[DATA_MAX];
};

struct image_model {
    u64 ino, generation;
    u64 newest;
    struct epoch_model *epochs[EPOCHS_MAX + 1];  // by number; also those that aren't kept any more
};

// The name came to mean an image whose newest epoch is that one, or something that is no image.
struct event {
    size_t begun, ended;  // places in the log: from the first on it may be so after a crash, from the other on it is;
    size_t gone;          // from here on it isn't, for it failed
    struct image_model *image;
    struct epoch_model *epoch;  // NULL: no image
};

// A name.
struct book {
    char path[16];
    struct image_model *now;  // NULL: there is no image
    struct event events[EVENTS_MAX];
    u32 event_count;
};

void book_init(struct book *b, const char *path);
void books_free(void);  // all models of all names

struct image_model *image_model_create(void);
struct epoch_model *epoch_model_create(void);

/* Note what may be so from now on. */
struct event *book_event(struct book *b, struct image_model *image, struct epoch_model *epoch);

/* What the family's first `count` members hold, and the contents that are carried with those flags. */
void epoch_model_take(struct epoch_model *m, const struct household *h, u32 count, u32 flags);

/* The file is the image, whose newest epoch is *newest, and keeps and holds what the models say, all of it sound. c:
 * for messages; NULL: not after a crash. Returns how many blocks its epochs use; *blocks: of its header. */
u32 image_check(struct inode *i, const struct image_model *image, const struct epoch_model *newest,
                const struct crash *c, u64 *blocks);

/* After the crash c, does the name mean what it may? */
void book_check(const struct book *b, const struct crash *c);

/* The family was saved, and until its files change, they are after a crash as they are now. */
void stills_begin(const struct household *h);
void stills_end(const struct household *h);
void stills_check(const struct crash *c);

/* Forget what the kernel remembers of images: it doesn't survive a crash. */
void books_forget_memos(void);
