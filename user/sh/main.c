// sh: reads commands from the terminal, from a file, or from its argument, and runs them.
#include "sh.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool interactive;
int last_status;
pid_t last_background;
char **parameters;
int parameter_count;

// A whole file as text.
static char *file_text(const char *path)
{
    size_t length = 0, room = 4096;
    char *text = malloc(room);
    FILE *f = fopen(path, "r");
    size_t n = 1;

    if (!f)
        err(127, "%s", path);
    while (text && (n = fread(text + length, 1, room - length - 1, f)) > 0) {
        length += n;
        if (length + 1 == room)
            text = realloc(text, room *= 2);
    }
    if (!text || ferror(f))
        err(126, "%s", path);
    fclose(f);
    text[length] = 0;
    return text;
}

// A line from a standard input that is no terminal, and not a byte more: the rest is for the programs that it starts.
static char *plain_line(void)
{
    size_t length = 0, room = 128;
    char *line = malloc(room);
    char c;
    ssize_t n = 0;

    while (line && (n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
        if (length + 1 == room && !(line = realloc(line, room *= 2)))
            break;
        line[length++] = c;
    }
    if (!line)
        err(2, "memory");
    line[length] = 0;
    if (n != 1 && length == 0) {
        free(line);
        return NULL;
    }
    return line;
}

static char *next_line(bool continued, bool *abandoned)
{
    *abandoned = false;
    return interactive ? edit_line(continued ? "> " : "$ ", abandoned) : plain_line();
}

static char *append_line(char *text, char *line)
{
    size_t a = strlen(text), b = strlen(line);
    char *whole = realloc(text, a + b + 2);

    if (!whole)
        err(2, "memory");
    memcpy(whole + a, line, b);
    strcpy(whole + a + b, "\n");
    free(line);
    return whole;
}

// Lines until they make whole commands; malloc()ed. NULL at the end of input.
static char *next_command(void)
{
    char *text = strdup("");
    struct node *tree;
    bool abandoned;
    enum parse_result result;

    do {
        char *line = next_line(*text, &abandoned);
        if (abandoned) {
            last_status = 130;
            *text = 0;
            free(line);
            return text;
        }
        if (!line && !*text) {
            free(text);
            return NULL;
        }
        if (!line)
            return text;
        text = append_line(text, line);
        struct arena_mark mark = arena_mark();
        result = parse(text, true, &tree);
        arena_release(mark);
    } while (result == PARSE_INCOMPLETE);
    return text;
}

static void take_input(void)
{
    char *text;

    while ((text = next_command()) != NULL) {
        run_text(text);
        free(text);
        if (interactive)
            jobs_report(false);
    }
}

int main(int argc, char **argv)
{
    bool text_given = argc > 1 && strcmp(argv[1], "-c") == 0;

    if (text_given && argc < 3)
        usage("sh [FILE [ARGUMENT...] | -c TEXT [ARGUMENT...]]");
    int skipped = text_given ? (argc > 3 ? 3 : 0) : argc > 1;
    parameters = argv + skipped;
    parameter_count = text_given && !skipped ? 1 : argc - skipped;
    if (text_given)
        return run_text(argv[2]);
    if (argc > 1)
        return run_text(file_text(argv[1]));
    interactive = edit_begin();
    take_input();
    return last_status;
}
