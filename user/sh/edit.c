// Reading lines from a terminal in raw mode. One byte at a time: what is typed ahead stays in the terminal for the
// programs that it's meant for.
//
// The screen is changed with printable characters, backspaces and newlines only, so that any terminal will do.
#include "sh.h"

#include <amber.h>
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_SIZE    4096
#define HISTORY_SIZE 100
#define CTRL(c)      ((c)&0x1f)

enum key { KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME, KEY_END, KEY_DELETE, KEY_OTHER };

static const char *prompt;
static char line[LINE_SIZE];
static int length, cursor;

static char *history[HISTORY_SIZE];  // the oldest first
static int history_count;
static int history_at;              // history_count: the new line
static char unfinished[LINE_SIZE];  // the new line, while an old one is shown

bool edit_begin(void)
{
    if (!isatty(STDIN_FILENO) || tcsetmode(STDIN_FILENO, TTY_RAW) < 0)
        return false;
    setpgid(0, 0);
    tcsetpgrp(STDIN_FILENO, getpid());
    return true;
}

static void show(const char *text, int n)
{
    fwrite(text, 1, (size_t)n, stdout);
}

static void backspaces(int n)
{
    while (n-- > 0)
        putchar('\b');
}

static void move_to(int where)
{
    if (where < cursor)
        backspaces(cursor - where);
    else
        show(line + cursor, where - cursor);
    cursor = where;
}

static void insert(const char *text, int n)
{
    if (length + n >= LINE_SIZE)
        return;
    memmove(line + cursor + n, line + cursor, (size_t)(length - cursor));
    memcpy(line + cursor, text, (size_t)n);
    length += n;
    show(line + cursor, length - cursor);
    cursor += n;
    backspaces(length - cursor);
}

// Take away [from, to); the cursor is left at from.
static void erase(int from, int to)
{
    move_to(from);
    memmove(line + from, line + to, (size_t)(length - to));
    length -= to - from;
    show(line + from, length - from);
    for (int i = from; i < to; i++)
        putchar(' ');
    backspaces(length - from + to - from);
}

static void replace_line(const char *text)
{
    erase(0, length);
    insert(text, (int)strlen(text));
}

static void show_again(void)
{
    fputs(prompt, stdout);
    show(line, length);
    backspaces(length - cursor);
}

static int word_before(void)
{
    int at = cursor;

    while (at > 0 && line[at - 1] == ' ')
        at--;
    while (at > 0 && line[at - 1] != ' ')
        at--;
    return at;
}

// History.

static void history_add(const char *text)
{
    if (!*text || (history_count && strcmp(history[history_count - 1], text) == 0))
        return;
    if (history_count == HISTORY_SIZE) {
        free(history[0]);
        memmove(history, history + 1, (HISTORY_SIZE - 1) * sizeof(history[0]));
        history_count--;
    }
    history[history_count] = strdup(text);
    if (history[history_count])
        history_count++;
}

void history_show(void)
{
    for (int i = 0; i < history_count; i++)
        printf("%4d  %s\n", i + 1, history[i]);
}

static void history_go(int where)
{
    if (where < 0 || where > history_count)
        return;
    line[length] = 0;
    if (history_at == history_count)
        strcpy(unfinished, line);
    history_at = where;
    replace_line(where == history_count ? unfinished : history[where]);
}

// Completion of file names.

struct completion {
    const char *part;  // the beginning of the name
    int part_length;
    int count;  // of names that fit
    char common[NAME_LEN + 1];
    bool list;  // show them
};

static void candidate(struct completion *c, const char *name)
{
    int same = 0;

    if (strncmp(name, c->part, (size_t)c->part_length) != 0 || (name[0] == '.' && c->part_length == 0))
        return;
    if (c->list)
        printf("%s  ", name);
    if (c->count++ == 0) {
        strcpy(c->common, name);
        return;
    }
    while (c->common[same] && c->common[same] == name[same])
        same++;
    c->common[same] = 0;
}

static void candidates_of(struct completion *c, const char *directory)
{
    struct dirent *e;
    DIR *d = opendir(directory);

    if (!d)
        return;
    while ((e = readdir(d)) != NULL)
        candidate(c, e->d_name);
    closedir(d);
}

static void candidates(struct completion *c, const char *directory, bool command)
{
    char here[PATH_LEN];

    c->count = 0;
    candidates_of(c, directory);
    // Commands are also found in the root, unless that is where we are.
    if (command && getcwd(here, sizeof(here)) && strcmp(here, "/") != 0)
        candidates_of(c, "/");
}

static bool is_directory(const char *directory, const char *name)
{
    char path[PATH_LEN];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return stat(path, &st) == 0 && st.type == T_DIR;
}

static void complete(void)
{
    char directory[PATH_LEN] = ".";
    struct completion c = { 0 };
    int start = cursor;

    while (start > 0 && !strchr(" \t;&|<>()", line[start - 1]))
        start--;
    int name = cursor;
    while (name > start && line[name - 1] != '/')
        name--;
    if (name > start && name - start < PATH_LEN)
        snprintf(directory, sizeof(directory), "%.*s", name - start, line + start);
    c.part = line + name;
    c.part_length = cursor - name;
    bool command = start == 0 && name == start;
    candidates(&c, directory, command);
    int more = c.count ? (int)strlen(c.common) - c.part_length : 0;
    if (c.count > 1 && more == 0) {
        putchar('\n');
        c.list = true;
        candidates(&c, directory, command);
        putchar('\n');
        show_again();
        return;
    }
    bool only = c.count == 1;
    bool slash = only && is_directory(directory, c.common);
    insert(c.common + c.part_length, more);
    if (only)
        insert(slash ? "/" : " ", 1);
}

// Keys.

static int read_byte(void)
{
    unsigned char c;

    fflush(stdout);
    return read(STDIN_FILENO, &c, 1) == 1 ? c : EOF;
}

// What stands behind an escape character: "[A", "OA", "[3~".
static int read_escape(void)
{
    static const struct {
        char letter;
        int number;
        enum key key;
    } keys[] = {
        { 'A', 0, KEY_UP },   { 'B', 0, KEY_DOWN }, { 'C', 0, KEY_RIGHT },  { 'D', 0, KEY_LEFT },
        { 'H', 0, KEY_HOME }, { 'F', 0, KEY_END },  { '~', 1, KEY_HOME },   { '~', 4, KEY_END },
        { '~', 7, KEY_HOME }, { '~', 8, KEY_END },  { '~', 3, KEY_DELETE },
    };
    int number = 0, c = read_byte();

    if (c != '[' && c != 'O')
        return c == EOF ? EOF : KEY_OTHER;
    for (c = read_byte(); isdigit(c) || c == ';'; c = read_byte())
        number = c == ';' ? 0 : (number * 10 + c - '0') % 100;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].letter == c && (c != '~' || keys[i].number == number))
            return keys[i].key;
    return c == EOF ? EOF : KEY_OTHER;
}

static int read_key(void)
{
    int c = read_byte();

    return c == '\033' ? read_escape() : c;
}

static void move_key(int key)
{
    switch (key) {
    case KEY_UP:
    case CTRL('P'):
        history_go(history_at - 1);
        break;
    case KEY_DOWN:
    case CTRL('N'):
        history_go(history_at + 1);
        break;
    case KEY_LEFT:
    case CTRL('B'):
        move_to(cursor > 0 ? cursor - 1 : 0);
        break;
    case KEY_RIGHT:
    case CTRL('F'):
        move_to(cursor < length ? cursor + 1 : length);
        break;
    case KEY_HOME:
    case CTRL('A'):
        move_to(0);
        break;
    case KEY_END:
    case CTRL('E'):
        move_to(length);
        break;
    }
}

static void edit_key(int key)
{
    char c = (char)key;

    switch (key) {
    case '\b':
    case 0x7f:
        if (cursor > 0)
            erase(cursor - 1, cursor);
        break;
    case KEY_DELETE:
    case CTRL('D'):
        if (cursor < length)
            erase(cursor, cursor + 1);
        break;
    case CTRL('U'):
        erase(0, cursor);
        break;
    case CTRL('K'):
        erase(cursor, length);
        break;
    case CTRL('W'):
        erase(word_before(), cursor);
        break;
    case CTRL('L'):
        fputs("\033[H\033[2J", stdout);
        show_again();
        break;
    case '\t':
        complete();
        break;
    default:
        if (key < 256 && (isprint(key) || key >= 128))
            insert(&c, 1);
        else
            move_key(key);
    }
}

char *edit_line(const char *text, bool *abandoned)
{
    length = cursor = 0;
    history_at = history_count;
    prompt = text;
    // Raw first: there is no moment at which ^C would be for the shell.
    tcsetmode(STDIN_FILENO, TTY_RAW);
    tcsetpgrp(STDIN_FILENO, getpid());
    fputs(prompt, stdout);
    for (;;) {
        int key = read_key();
        if (key == '\r' || key == '\n')
            break;
        if (key == EOF || (key == CTRL('D') && length == 0)) {
            putchar('\n');
            fflush(stdout);
            return NULL;
        }
        if (key == CTRL('C')) {
            *abandoned = true;
            fputs("^C", stdout);
            length = 0;
            break;
        }
        edit_key(key);
    }
    putchar('\n');
    fflush(stdout);
    line[length] = 0;
    history_add(line);
    char *copy = strdup(line);
    if (!copy)
        err(2, "memory");
    return copy;
}
