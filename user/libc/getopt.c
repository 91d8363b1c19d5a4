// Options: single letters after a '-', several in one argument.
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *optarg;
int optind = 1;

static int within;  // the next letter's place in argv[optind]; 0: it has not been begun

static void argument_done(void)
{
    optind++;
    within = 0;
}

// Like --help: there are no long options.
static int complain_of_word(const char *word)
{
    warnx("unknown option %s", word);
    argument_done();
    return '?';
}

static int complain(const char *what, char letter)
{
    warnx("%s -%c", what, letter);
    return '?';
}

int getopt(int argc, char *const argv[], const char *letters)
{
    if (within == 0) {
        if (optind >= argc || argv[optind][0] != '-' || !argv[optind][1])
            return -1;
        if (strcmp(argv[optind], "--") == 0) {
            argument_done();
            return -1;
        }
        if (argv[optind][1] == '-')
            return complain_of_word(argv[optind]);
        within = 1;
    }
    char letter = argv[optind][within++];
    const char *known = letter == ':' ? NULL : strchr(letters, letter);
    if (!argv[optind][within])
        argument_done();
    if (!known)
        return complain("unknown option", letter);
    if (known[1] != ':')
        return letter;
    if (optind >= argc)
        return complain("an argument is missing after", letter);
    optarg = argv[optind] + within;
    argument_done();
    return letter;
}
