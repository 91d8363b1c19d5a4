// A program's symbols: names for addresses, and addresses for names.
#pragma once

#include <base/types.h>
#include <stddef.h>

struct symbols;

struct symbol {
    u64 address, size;
    const char *name;
    bool function;
};

/* NULL: a message was printed. */
struct symbols *symbols_load(const char *program);
void symbols_release(struct symbols *s);  // s may be NULL

/* The function or variable that an address lies in; NULL: none. All take s == NULL: no names are known. */
const struct symbol *symbols_at(const struct symbols *s, u64 address);
const struct symbol *symbols_find(const struct symbols *s, const char *name);

/* " <name+0x12>", or "" when there is no name. Returns `to`. */
const char *symbols_text(const struct symbols *s, u64 address, char *to, size_t size);
