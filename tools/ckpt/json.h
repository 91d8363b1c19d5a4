// An epoch as JSON, and back: docs/formats/checkpoint-json.md describes it.
#pragma once

#include <ckpt/epoch.h>
#include <jansson.h>

/*
 * An epoch as an object; the caller lets go of it. place: NULL, or for each block of the image the number that the page
 * has in the archive; then it is told where each page is.
 */
json_t *json_epoch(const struct epoch *e, const u32 *place);

/* What `ckpt show --json` prints: the image's own figures, and an epoch. */
json_t *json_image(const struct epoch *e);

/* One field of an object. Numbers above 2^63 - 1 are decimal text; bytes are hexadecimal. */
void json_put_number(json_t *object, const char *name, u64 value);
void json_put_signed(json_t *object, const char *name, s64 value);
void json_put_text(json_t *object, const char *name, const char *text, size_t length);
void json_put_bytes(json_t *object, const char *name, const u8 *bytes, size_t n);

/* Print and let go of it. False: it couldn't be written. */
bool json_print(json_t *value);

/* Read an epoch from what json_epoch() made. *e is released after an error, which is told in a message that begins with
 * `where`. Pages get the places in the archive as their blocks, and no checksum. */
MUST_CHECK bool json_read_epoch(const json_t *object, const char *where, const struct ckpt_machine *machine,
                                struct epoch *e);

/* False: there is no such field, or it isn't of that kind. */
MUST_CHECK bool json_get_number(const json_t *object, const char *name, u64 *out);
MUST_CHECK bool json_get_bytes(const json_t *object, const char *name, size_t max, u8 **bytes, size_t *n);
