// The shell. parse.c makes a tree out of text, expand.c makes arguments out of words, run.c and jobs.c run the tree,
// edit.c reads lines.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Memory that goes all at once (memory.c): back to where arena_mark() was. Running out of it ends the shell.
struct arena_mark {
    void *chunk;
    size_t used;
};
struct arena_mark arena_mark(void);
void arena_release(struct arena_mark mark);
void *arena_alloc(size_t n);  // zeroed
char *arena_text(const char *s, size_t n);

// A list of words that grows, in the arena; item[count] is NULL.
struct words {
    char **item;
    int count, room;
};
void words_add(struct words *w, char *word);

struct redirect {
    int fd;
    int flags;     // of open(), or -1: a copy of the descriptor that `target` names
    char *target;  // a word, as it was written
    struct redirect *next;
};

enum node_kind {
    NODE_COMMAND,
    NODE_PIPE,
    NODE_AND,
    NODE_OR,
    NODE_NOT,
    NODE_LIST,
    NODE_BACKGROUND,
    NODE_GROUP,
    NODE_IF,
    NODE_WHILE,
    NODE_FOR,
};

// One construct. Words are as they were written; they are expanded when it runs.
struct node {
    enum node_kind kind;
    struct node *left, *right;   // operands; condition and body; left of a group
    struct node *otherwise;      // of NODE_IF
    struct words words;          // of NODE_COMMAND; of NODE_FOR: the name, then the values
    struct redirect *redirects;  // of NODE_COMMAND and NODE_GROUP
    const char *text;            // of NODE_BACKGROUND: the source
    int length;
};

enum parse_result { PARSE_OK, PARSE_INCOMPLETE, PARSE_ERROR };

/* A tree for the whole text (NULL: nothing in it), in the arena; it points into the text. Errors are told on stderr
 * unless `quiet`. */
enum parse_result parse(const char *text, bool quiet, struct node **out);

/* Where a word that begins at s ends. NULL: the text ends within it. */
const char *word_end(const char *s);

/* What is behind the end of a "$(...)" whose contents begin at s. NULL: it has no end. */
const char *substitution_end(const char *s);

/* Variables, substitution of commands, splitting, file names, quotes: each word becomes any number of arguments, in the
 * arena. */
struct words expand(const struct words *raw);
char *expand_one(const char *raw);                    // one word, not split, no file names
bool matches(const char *pattern, const char *name);  // * ? and \ before what is literal

const char *variable(const char *name);  // "" if not set
void variable_set(const char *name, size_t length, const char *value);
bool is_assignment(const char *word);

// The shell's own state (main.c).
extern bool interactive;       // reads from a terminal, with job control
extern int last_status;        // $?
extern pid_t last_background;  // $!, 0: none
extern char **parameters;      // $0, $1, ...
extern int parameter_count;

/* Parse and run a text; the status. */
int run_text(const char *text);

/* Run a tree; its status, which is also in last_status. */
int run(struct node *n);
_Noreturn void child_run(struct node *n);       // in a child: run it and end with its status
int redirects_apply(const struct redirect *r);  // 0, or -1 with a message

/* The shell's own commands (builtin.c). */
typedef int builtin_fn(int argc, char **argv);
builtin_fn *builtin_find(const char *name);

// Jobs: the processes of a pipeline.
#define JOB_PROCESSES 32
struct job {
    int number;  // 1, 2, ...; 0: in the foreground
    pid_t pgid;  // 0: the shell's own group
    pid_t pids[JOB_PROCESSES];
    int count, left;  // processes; and of those the ones not yet waited for
    int status;       // of the last process, as a word of uapi/wait.h
    char *text;       // malloc()ed; NULL in the foreground
    struct job *next;
};

/* Fork a process of the job. In the child: its group and terminal are in order. 0 in the child, else the pid; -1 with a
 * message. */
pid_t job_fork(struct job *j, bool foreground);

int job_wait(struct job *j);                                                // its exit status; tells of a violent end
void job_to_foreground(const struct job *j);                                // gives it the terminal
void job_to_background(const struct job *j, const char *text, int length);  // a copy enters the table
void job_forget(struct job *j);                                             // out of the table
struct job *job_first(void);                                                // NULL: there are none in the background
int job_status(const struct job *j);                                        // as $? has it

/* "%2", "2", or NULL: the newest. NULL and a message of the command `who` if there is none. */
struct job *job_find(const char *who, const char *name);

/* How many of its processes are stopped, those that they have started included; `act`, unless NULL, is done to each:
 * cont() or kill(). */
int job_stopped(const struct job *j, int (*act)(pid_t pid));

void jobs_report(bool all);  // tells which have ended, and forgets them; all: and the others too
void jobs_forget(void);      // in a child: they are not its own

/* A line without its newline, with editing; malloc()ed; NULL at the end of input. *abandoned: ^C was typed. */
char *edit_line(const char *prompt, bool *abandoned);
bool edit_begin(void);  // takes the terminal; false: there is none
void history_show(void);
