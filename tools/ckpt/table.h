// Tables: aligned columns on a terminal, fields between tabs in a pipe.
#pragma once

#include <ckpt/ckpt.h>
#include <stdio.h>

struct table;

/* heads: names of columns between blanks; one that begins with ">" is flushed right. */
struct table *table_create(const char *heads);

/* The next field of the row; the first one after the last begins a row. */
void table_put(struct table *t, const char *format, ...) PRINTF_LIKE(2, 3);

/* Print it, and let go of it. */
void table_end(struct table *t, enum view view, FILE *out);
