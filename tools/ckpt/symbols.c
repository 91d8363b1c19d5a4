#include "symbols.h"

#include <fcntl.h>
#include <gelf.h>
#include <lib/tool.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct symbols {
    int fd;
    Elf *elf;  // the names are in it
    struct symbol *list;
    size_t count, room;
};

static int compare(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->size != y->size ? (x->size < y->size ? -1 : 1) : strcmp(x->name, y->name);
}

static void add(struct symbols *s, const GElf_Sym *from, const char *name)
{
    int type = GELF_ST_TYPE(from->st_info);

    if (!name || !*name || from->st_shndx == SHN_UNDEF || type == STT_SECTION || type == STT_FILE)
        return;
    tool_grow((void **)&s->list, &s->room, s->count + 1, sizeof *s->list);
    s->list[s->count++] = (struct symbol){ from->st_value, from->st_size, name, type == STT_FUNC };
}

static void load_table(struct symbols *s, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    GElf_Sym symbol;

    for (int i = 0; data && gelf_getsym(data, i, &symbol); i++)
        add(s, &symbol, elf_strptr(s->elf, header->sh_link, symbol.st_name));
}

struct symbols *symbols_load(const char *program)
{
    struct symbols *s = tool_alloc(1, sizeof *s);
    GElf_Shdr header;

    elf_version(EV_CURRENT);
    s->fd = open(program, O_RDONLY | O_CLOEXEC);
    s->elf = s->fd < 0 ? NULL : elf_begin(s->fd, ELF_C_READ, NULL);
    for (Elf_Scn *section = NULL; s->elf && (section = elf_nextscn(s->elf, section));)
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
            load_table(s, section, &header);
    if (!s->count) {
        tool_error("%s: no program with a symbol table", program);
        symbols_release(s);
        return NULL;
    }
    qsort(s->list, s->count, sizeof *s->list, compare);
    return s;
}

void symbols_release(struct symbols *s)
{
    if (!s)
        return;
    elf_end(s->elf);
    if (s->fd >= 0)
        close(s->fd);
    free(s->list);
    free(s);
}

const struct symbol *symbols_at(const struct symbols *s, u64 address)
{
    const struct symbol *best = NULL;

    // Many begin at or before the address: the last one that reaches it.
    for (size_t i = 0; s && i < s->count && s->list[i].address <= address; i++)
        if (address - s->list[i].address < s->list[i].size || (address == s->list[i].address && s->list[i].function))
            best = &s->list[i];
    return best;
}

const struct symbol *symbols_find(const struct symbols *s, const char *name)
{
    for (size_t i = 0; s && i < s->count; i++)
        if (strcmp(s->list[i].name, name) == 0)
            return &s->list[i];
    return NULL;
}

const char *symbols_text(const struct symbols *s, u64 address, char *to, size_t size)
{
    const struct symbol *at = symbols_at(s, address);

    if (!at)
        to[0] = 0;
    else if (at->address == address)
        snprintf(to, size, " <%s>", at->name);
    else
        snprintf(to, size, " <%s+0x%jx>", at->name, (uintmax_t)(address - at->address));
    return to;
}
