// The arena: chunks, the newest first.
#include "sh.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 8192

struct chunk {
    struct chunk *older;
    size_t size, used;
    _Alignas(16) char bytes[];
};

static struct chunk *newest;

struct arena_mark arena_mark(void)
{
    return (struct arena_mark){ newest, newest ? newest->used : 0 };
}

void arena_release(struct arena_mark mark)
{
    while (newest != mark.chunk) {
        struct chunk *older = newest->older;
        free(newest);
        newest = older;
    }
    if (newest)
        newest->used = mark.used;
}

void *arena_alloc(size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if (!newest || newest->size - newest->used < n) {
        size_t size = n > CHUNK ? n : CHUNK;
        struct chunk *c = malloc(sizeof(*c) + size);
        if (!c)
            err(2, "memory");
        c->older = newest;
        c->size = size;
        c->used = 0;
        newest = c;
    }
    void *p = newest->bytes + newest->used;
    newest->used += n;
    return memset(p, 0, n);
}

char *arena_text(const char *s, size_t n)
{
    return memcpy(arena_alloc(n + 1), s, n);
}

void words_add(struct words *w, char *word)
{
    if (w->count + 1 >= w->room) {
        int room = w->room ? w->room * 2 : 8;
        char **larger = arena_alloc((size_t)room * sizeof(char *));
        if (w->count)
            memcpy(larger, w->item, (size_t)w->count * sizeof(char *));
        w->item = larger;
        w->room = room;
    }
    w->item[w->count++] = word;
    w->item[w->count] = NULL;
}
