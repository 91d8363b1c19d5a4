// From words as they are written to arguments.
//
// While a field is put together, characters that are literal although they look like patterns have a '\' before them;
// it goes at the end.
#include "sh.h"

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct variable {
    char *name, *value;
    struct variable *next;
};
static struct variable *variables;

struct expansion {
    struct words fields;
    char *field;  // the one in work
    size_t length, room;
    bool begun;  // there is one, if only an empty one in quotes
    bool split;  // unquoted values are cut at blanks, and patterns become file names
};

static struct variable *variable_find(const char *name, size_t length)
{
    for (struct variable *v = variables; v; v = v->next)
        if (strncmp(v->name, name, length) == 0 && !v->name[length])
            return v;
    return NULL;
}

const char *variable(const char *name)
{
    struct variable *v = variable_find(name, strlen(name));

    return v ? v->value : "";
}

void variable_set(const char *name, size_t length, const char *value)
{
    struct variable *v = variable_find(name, length);

    if (!v) {
        v = calloc(1, sizeof(*v));
        if (!v || !(v->name = strndup(name, length)))
            err(2, "memory");
        v->next = variables;
        variables = v;
    }
    char *copy = strdup(value);
    if (!copy)
        err(2, "memory");
    free(v->value);
    v->value = copy;
}

static size_t name_length(const char *s)
{
    size_t n = 0;

    if (!isdigit(*s))
        while (isalnum(s[n]) || s[n] == '_')
            n++;
    return n;
}

bool is_assignment(const char *word)
{
    size_t n = name_length(word);

    return n && word[n] == '=';
}

// Patterns.

bool matches(const char *pattern, const char *name)
{
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            do
                if (matches(pattern + 1, name))
                    return true;
            while (*name++);
            return false;
        }
        bool any = *pattern == '?';
        if (*pattern == '\\' && pattern[1])
            pattern++;
        if (!*name || (!any && *pattern != *name))
            return false;
        name++;
    }
    return !*name;
}

static bool is_pattern(const char *s)
{
    for (; *s; s++) {
        if (*s == '*' || *s == '?')
            return true;
        if (*s == '\\' && s[1])
            s++;
    }
    return false;
}

static char *unescape(char *s)
{
    char *to = s;

    for (const char *from = s; *from;) {
        if (*from == '\\' && from[1])
            from++;
        *to++ = *from++;
    }
    *to = 0;
    return s;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *join(const char *path, const char *name, const char *tail)
{
    size_t a = strlen(path), b = strlen(name);
    char *whole = arena_alloc(a + b + strlen(tail) + 1);

    memcpy(whole, path, a);
    memcpy(whole + a, name, b);
    strcpy(whole + a + b, tail);
    return whole;
}

// All files that match the pattern, whose part before the last slashes is settled in `path`.
static void glob(const char *path, const char *pattern, struct words *out)
{
    const char *slash = pattern + strcspn(pattern, "/");
    const char *rest = slash + strspn(slash, "/");
    char *part = arena_text(pattern, (size_t)(slash - pattern));

    if (!is_pattern(part) && *rest) {
        glob(join(path, unescape(part), "/"), rest, out);
        return;
    }
    DIR *d = opendir(*path ? path : ".");
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if ((e->d_name[0] == '.' && part[0] != '.') || !matches(part, e->d_name))
            continue;
        if (*slash)
            glob(join(path, e->d_name, "/"), rest, out);
        else
            words_add(out, join(path, e->d_name, ""));
    }
    if (d)
        closedir(d);
}

// Fields.

static void add_char(struct expansion *x, char c)
{
    if (x->length + 1 >= x->room) {
        size_t room = x->room ? x->room * 2 : 64;
        char *larger = arena_alloc(room);
        if (x->length)
            memcpy(larger, x->field, x->length);
        x->field = larger;
        x->room = room;
    }
    x->field[x->length++] = c;
    x->field[x->length] = 0;
    x->begun = true;
}

static void add_literal(struct expansion *x, char c)
{
    if (c == '*' || c == '?' || c == '\\')
        add_char(x, '\\');
    add_char(x, c);
}

static void field_end(struct expansion *x)
{
    struct words files = { 0 };

    if (!x->begun)
        return;
    char *field = arena_text(x->field ? x->field : "", x->length);
    x->length = 0;
    x->begun = false;
    if (x->split && is_pattern(field))
        glob("", field, &files);
    if (files.count == 0) {
        words_add(&x->fields, unescape(field));
        return;
    }
    qsort(files.item, (size_t)files.count, sizeof(char *), by_text);
    for (int i = 0; i < files.count; i++)
        words_add(&x->fields, files.item[i]);
}

// A value that takes the place of "$..." in the word.
static void add_value(struct expansion *x, const char *value, bool quoted)
{
    for (; *value; value++) {
        if (quoted || *value == '\\')
            add_literal(x, *value);
        else if (x->split && isspace(*value))
            field_end(x);
        else
            add_char(x, *value);
    }
}

static void add_number(struct expansion *x, int n)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", n);
    add_value(x, text, true);
}

static void add_parameters(struct expansion *x, bool quoted)
{
    for (int i = 1; i < parameter_count; i++) {
        if (i > 1)
            add_value(x, " ", quoted);
        add_value(x, parameters[i], quoted);
    }
}

// What a command prints, without the newlines at its end.
static char *command_output(const char *command)
{
    int fds[2];
    size_t length = 0, room = 512;
    char *text = arena_alloc(room);
    ssize_t n;

    fflush(NULL);
    if (pipe(fds)) {
        warn("pipe");
        return text;
    }
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        interactive = false;
        jobs_forget();
        exit(run_text(command));
    }
    close(fds[1]);
    if (pid < 0)
        warn("fork");
    while (pid > 0 && (n = read(fds[0], text + length, room - length - 1)) > 0) {
        length += (size_t)n;
        if (length + 1 == room) {
            char *larger = arena_alloc(room * 2);
            text = memcpy(larger, text, length);
            room *= 2;
        }
    }
    close(fds[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    while (length && text[length - 1] == '\n')
        length--;
    text[length] = 0;
    return text;
}

// s is at "$(". Returns what is behind its end.
static const char *add_substitution(struct expansion *x, const char *s, bool quoted)
{
    const char *begin = s + 2, *end = substitution_end(begin);

    add_value(x, command_output(arena_text(begin, (size_t)(end - 1 - begin))), quoted);
    return end;
}

// s is at a '$'. Returns what is behind it.
static const char *add_dollar(struct expansion *x, const char *s, bool quoted)
{
    const char *name = s + 1;
    bool braces = *name == '{';

    if (*name == '(')
        return add_substitution(x, s, quoted);
    name += braces;
    size_t n = name_length(name);
    if (n)
        add_value(x, variable(arena_text(name, n)), quoted);
    else if (isdigit(*name))
        add_value(x, *name - '0' < parameter_count ? parameters[*name - '0'] : "", quoted);
    else if (*name == '?')
        add_number(x, last_status);
    else if (*name == '$')
        add_number(x, getpid());
    else if (*name == '!')
        add_number(x, last_background);
    else if (*name == '#')
        add_number(x, parameter_count - 1);
    else if (*name == '*' || *name == '@')
        add_parameters(x, quoted);
    else {
        add_char(x, '$');
        return s + 1;
    }
    name += n ? n : 1;
    return name + (braces && *name == '}');
}

static const char *add_double_quoted(struct expansion *x, const char *s)
{
    x->begun = true;
    for (s++; *s != '"';) {
        if (*s == '$') {
            s = add_dollar(x, s, true);
            continue;
        }
        if (*s == '\\' && s[1] && strchr("\\\"$`", s[1]))
            s++;
        add_literal(x, *s++);
    }
    return s + 1;
}

static void add_word(struct expansion *x, const char *s)
{
    while (*s) {
        if (*s == '\'') {
            x->begun = true;
            for (s++; *s != '\''; s++)
                add_literal(x, *s);
            s++;
        } else if (*s == '"') {
            s = add_double_quoted(x, s);
        } else if (*s == '$') {
            s = add_dollar(x, s, false);
        } else if (*s == '\\' && s[1]) {
            if (s[1] != '\n')
                add_literal(x, s[1]);
            s += 2;
        } else {
            add_char(x, *s++);
        }
    }
    field_end(x);
}

struct words expand(const struct words *raw)
{
    struct expansion x = { .split = true };

    for (int i = 0; i < raw->count; i++)
        add_word(&x, raw->item[i]);
    return x.fields;
}

char *expand_one(const char *raw)
{
    struct expansion x = { .split = false, .begun = true };

    add_word(&x, raw);
    return x.fields.item[0];
}
