// The epochs of an image that are taken along, and their pages, each once.
#pragma once

#include <ckpt/epoch.h>

struct selection {
    struct input in;
    struct epoch *epochs;  // those that are taken along, oldest first
    size_t count;
    bool newest;  // the newest is among them
    u32 *blocks;  // the pages: where they are in the image, in the order in which they are met
    size_t pages, room;
    u32 *place;  // of each block of the image: its number among the pages
    u32 *crc;    // of each page
    size_t crc_room;
};

/* One epoch (o->epoch, or what the name says), or the newest o->keep, or all. The others need not be sound. False:
 * *status is set. */
MUST_CHECK bool selection_open(struct selection *s, const struct options *o, const char *image, int *status);
void selection_close(struct selection *s);

/* Read page number n, checked. False: a message was printed, *status set. */
MUST_CHECK bool selection_page(struct selection *s, size_t n, u8 out[CKPT_BLOCK_SIZE], int *status);
