#include "table.h"

#include <lib/tool.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16

struct table {
    size_t columns, fields, room;
    char *head[COLUMNS_MAX];
    bool right[COLUMNS_MAX];
    char **field;
};

static char *text_or_exit(char *text)
{
    if (!text) {
        tool_error("out of memory");
        exit(EXIT_TROUBLE);
    }
    return text;
}

struct table *table_create(const char *heads)
{
    struct table *t = tool_alloc(1, sizeof *t);

    while (*heads && t->columns < COLUMNS_MAX) {
        size_t n = strcspn(heads, " ");
        t->right[t->columns] = *heads == '>';
        t->head[t->columns] = text_or_exit(strndup(heads + (*heads == '>'), n - (*heads == '>')));
        t->columns++;
        heads += n + (heads[n] == ' ');
    }
    return t;
}

void table_put(struct table *t, const char *format, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    tool_grow((void **)&t->field, &t->room, t->fields + 1, sizeof *t->field);
    t->field[t->fields++] = text_or_exit(text);
}

static size_t width_of(const struct table *t, size_t column)
{
    size_t width = strlen(t->head[column]);

    for (size_t i = column; i < t->fields; i += t->columns)
        width = MAX(width, strlen(t->field[i]));
    return width;
}

static void print_row(const struct table *t, char *const *row, const size_t *width, FILE *out)
{
    for (size_t c = 0; c < t->columns; c++) {
        bool last = c + 1 == t->columns;
        if (!width)
            fputs(row[c], out);
        else if (t->right[c])
            fprintf(out, "%*s", (int)width[c], row[c]);
        else
            fprintf(out, "%-*s", last ? 0 : (int)width[c], row[c]);
        fputs(last ? "\n" : width ? "  " : "\t", out);
    }
}

void table_end(struct table *t, enum view view, FILE *out)
{
    size_t width[COLUMNS_MAX];

    for (size_t c = 0; c < t->columns; c++)
        width[c] = width_of(t, c);
    print_row(t, t->head, view == VIEW_TABLE ? width : NULL, out);
    for (size_t i = 0; i + t->columns <= t->fields; i += t->columns)
        print_row(t, t->field + i, view == VIEW_TABLE ? width : NULL, out);
    for (size_t c = 0; c < t->columns; c++)
        free(t->head[c]);
    for (size_t i = 0; i < t->fields; i++)
        free(t->field[i]);
    free(t->field);
    free(t);
}
