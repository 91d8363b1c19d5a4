// The kernel's command line.
#include <base/string.h>
#include <kern/options.h>
#include <kern/printk.h>

#define OPTIONS_SIZE 512

static char words[OPTIONS_SIZE];  // each terminated; an empty one ends the list

static const char *word_after(const char *word)
{
    return word + strlen(word) + 1;
}

void options_init(const char *command_line)
{
    size_t out = 0;

    for (const char *c = command_line; *c && out < OPTIONS_SIZE - 2; c++) {
        if (*c != ' ')
            words[out++] = *c;
        else if (out && words[out - 1])
            words[out++] = 0;
    }
    if (strlen(command_line) >= OPTIONS_SIZE - 2)
        printk("options: the command line is cut to %d characters\n", OPTIONS_SIZE - 2);
}

const char *option_text(const char *name)
{
    size_t n = strlen(name);

    for (const char *word = words; *word; word = word_after(word)) {
        if (strncmp(word, name, n) != 0)
            continue;
        if (!word[n])
            return word + n;
        if (word[n] == '=')
            return word + n + 1;
    }
    return NULL;
}

u32 option_number(const char *name, u32 otherwise)
{
    const char *text = option_text(name);
    u32 n = 0;

    if (!text || *text < '0' || *text > '9')
        return otherwise;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (u32)(*text - '0');
    return n;
}
