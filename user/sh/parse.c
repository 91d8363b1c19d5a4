// From text to a tree, by recursive descent.
//
//     list     = and_or ((';' | '&' | newline) and_or)*
//     and_or   = pipeline (('&&' | '||') pipeline)*
//     pipeline = '!'? command ('|' command)*
//     command  = word-or-redirection+ | '(' list ')' redirection* | 'if' ... | 'while' ... | 'for' ...
//
// A function that finds an error or the text's end too early records it and returns NULL; callers look at `result`.
#include "sh.h"

#include <ctype.h>
#include <err.h>
#include <string.h>
#include <uapi/fcntl.h>

static const char *at;  // what has not been read yet
static enum parse_result result;
static bool silent;

static struct node *parse_list(void);

static struct node *fail(void)
{
    if (result == PARSE_OK && !*at) {
        result = PARSE_INCOMPLETE;
    } else if (result == PARSE_OK) {
        result = PARSE_ERROR;
        if (!silent)
            warnx("syntax error at '%.*s'", (int)strcspn(at, "\n"), at);
    }
    return NULL;
}

static void skip_blanks(void)
{
    for (;; at++) {
        if (at[0] == '\\' && at[1] == '\n' && at[2])
            at++;
        else if (*at != ' ' && *at != '\t' && *at != '\r')
            break;
    }
    if (*at == '#')
        at += strcspn(at, "\n");
}

static void skip_newlines(void)
{
    for (skip_blanks(); *at == '\n'; skip_blanks())
        at++;
}

// Take the operator if it is next. "&" is not the beginning of "&&", nor "|" of "||".
static bool take(const char *operator)
{
    size_t n = strlen(operator);

    skip_blanks();
    if (strncmp(at, operator, n) != 0 || (n == 1 && strchr("&|", *at) && at[1] == *at))
        return false;
    at += n;
    return true;
}

const char *substitution_end(const char *s)
{
    for (int depth = 1; depth;) {
        const char *end = word_end(s);
        if (!end)
            return NULL;
        s = end;
        if (!*s)
            return NULL;
        depth += (*s == '(') - (*s == ')');
        s++;
    }
    return s;
}

static const char *quote_end(const char *s)
{
    char quote = *s++;

    for (; *s != quote; s++) {
        if (!*s)
            return NULL;
        if (quote == '"' && *s == '\\' && s[1]) {
            s++;
        } else if (quote == '"' && s[0] == '$' && s[1] == '(') {
            s = substitution_end(s + 2);
            if (!s)
                return NULL;
            s--;
        }
    }
    return s + 1;
}

const char *word_end(const char *s)
{
    while (s && *s && !strchr(" \t\r\n;&|<>()", *s)) {
        if (*s == '\'' || *s == '"')
            s = quote_end(s);
        else if (s[0] == '\\' && s[1] == '\n' && !s[2])
            return NULL;  // the line goes on
        else if (s[0] == '$' && s[1] == '(')
            s = substitution_end(s + 2);
        else
            s += *s == '\\' && s[1] ? 2 : 1;
    }
    return s;
}

// The next word as it is written; NULL if what follows is none.
static char *take_word(void)
{
    skip_blanks();
    const char *end = word_end(at);
    if (!end) {
        at += strlen(at);
        fail();
        return NULL;
    }
    if (end == at)
        return NULL;
    char *word = arena_text(at, (size_t)(end - at));
    at = end;
    return word;
}

static bool next_is(const char *reserved)
{
    size_t n = strlen(reserved);

    skip_blanks();
    return strncmp(at, reserved, n) == 0 && word_end(at) == at + n;
}

static bool take_reserved(const char *reserved)
{
    if (!next_is(reserved))
        return false;
    at += strlen(reserved);
    return true;
}

static bool need_reserved(const char *reserved)
{
    skip_newlines();
    if (result == PARSE_OK && take_reserved(reserved))
        return true;
    fail();
    return false;
}

static bool ends_list(void)
{
    static const char *const reserved[] = { "then", "elif", "else", "fi", "do", "done" };

    skip_newlines();
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (next_is(reserved[i]))
            return true;
    return !*at || *at == ')';
}

static struct node *node_make(enum node_kind kind, struct node *left, struct node *right)
{
    struct node *n = arena_alloc(sizeof(*n));

    n->kind = kind;
    n->left = left;
    n->right = right;
    return n;
}

// [n]< [n]> [n]>> [n]>&m
static bool take_redirect(struct redirect **list)
{
    skip_blanks();
    bool number = isdigit(at[0]) && (at[1] == '<' || at[1] == '>');
    const char *sign = at + number;
    if (*sign != '<' && *sign != '>')
        return false;
    struct redirect *r = arena_alloc(sizeof(*r));
    r->fd = number ? *at - '0' : *sign == '>';
    at = sign + 1;
    r->flags = *sign == '<' ? O_RDONLY : O_WRONLY | O_CREATE | O_TRUNC;
    if (*sign == '>' && *at == '>') {
        r->flags = O_WRONLY | O_CREATE | O_APPEND;
        at++;
    } else if (*at == '&') {
        r->flags = -1;
        at++;
    }
    r->target = take_word();
    if (!r->target)
        fail();
    while (*list)
        list = &(*list)->next;
    *list = r;
    return true;
}

static struct node *parse_simple(void)
{
    struct node *n = node_make(NODE_COMMAND, NULL, NULL);

    while (result == PARSE_OK) {
        if (take_redirect(&n->redirects))
            continue;
        char *word = take_word();
        if (!word)
            break;
        words_add(&n->words, word);
    }
    if (n->words.count == 0 && !n->redirects)
        return fail();
    return n;
}

static struct node *parse_group(void)
{
    struct node *n = node_make(NODE_GROUP, parse_list(), NULL);

    if (result != PARSE_OK || !n->left || !take(")"))
        return fail();
    while (take_redirect(&n->redirects))
        ;
    return n;
}

// What stands behind "if" or "elif".
static struct node *parse_if(void)
{
    struct node *n = node_make(NODE_IF, parse_list(), NULL);

    if (!need_reserved("then"))
        return NULL;
    n->right = parse_list();
    skip_newlines();
    if (take_reserved("elif")) {
        n->otherwise = parse_if();
        return n;
    }
    if (take_reserved("else"))
        n->otherwise = parse_list();
    return need_reserved("fi") ? n : NULL;
}

static struct node *parse_body(struct node *n)
{
    if (!need_reserved("do"))
        return NULL;
    n->right = parse_list();
    return need_reserved("done") ? n : NULL;
}

static struct node *parse_for(void)
{
    struct node *n = node_make(NODE_FOR, NULL, NULL);
    char *word = take_word();

    if (!word)
        return fail();
    words_add(&n->words, word);
    if (!need_reserved("in"))
        return NULL;
    while ((word = take_word()) != NULL)
        words_add(&n->words, word);
    take(";");
    return parse_body(n);
}

static struct node *parse_command(void)
{
    skip_newlines();
    if (take("("))
        return parse_group();
    if (take_reserved("if"))
        return parse_if();
    if (take_reserved("while"))
        return parse_body(node_make(NODE_WHILE, parse_list(), NULL));
    if (take_reserved("for"))
        return parse_for();
    return parse_simple();
}

static struct node *parse_pipeline(void)
{
    skip_newlines();
    bool inverted = take_reserved("!");
    struct node *n = parse_command();
    while (result == PARSE_OK && take("|"))
        n = node_make(NODE_PIPE, n, parse_command());
    return inverted ? node_make(NODE_NOT, n, NULL) : n;
}

static struct node *parse_and_or(void)
{
    struct node *n = parse_pipeline();

    while (result == PARSE_OK) {
        if (take("&&"))
            n = node_make(NODE_AND, n, parse_pipeline());
        else if (take("||"))
            n = node_make(NODE_OR, n, parse_pipeline());
        else
            break;
    }
    return n;
}

static struct node *parse_item(void)
{
    const char *start = at;
    struct node *n = parse_and_or();
    const char *end = at;

    if (result != PARSE_OK)
        return NULL;
    if (take("&")) {
        n = node_make(NODE_BACKGROUND, n, NULL);
        n->text = start;
        while (end[-1] == ' ' || end[-1] == '\t')
            end--;
        n->length = (int)(end - start);
    } else if (!take(";") && *at != '\n' && *at && *at != ')') {
        return fail();
    }
    return n;
}

// A chain to the right, so that running it needs no stack.
static struct node *parse_list(void)
{
    struct node *list = NULL, **last = &list;

    while (result == PARSE_OK && !ends_list()) {
        struct node *n = parse_item();
        if (*last) {
            *last = node_make(NODE_LIST, *last, n);
            last = &(*last)->right;
        } else {
            *last = n;
        }
    }
    return result == PARSE_OK ? list : NULL;
}

enum parse_result parse(const char *text, bool quiet, struct node **out)
{
    at = text;
    silent = quiet;
    result = PARSE_OK;
    *out = parse_list();
    if (result == PARSE_OK && *at)
        fail();
    return result;
}
