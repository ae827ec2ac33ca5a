/*
 * options.h - long options of the programs: getopt_long, and the nearest option on a mistake.
 */
#ifndef DFS_APPS_COMMON_OPTIONS_H
#define DFS_APPS_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Of the longest list (dfs put) and some more. */
#define DFS_OPTIONS_MAX 32

struct dfs_option {
    const char *name;  /* without "--" */
    char letter;       /* of the short form, 0: none */
    const char *value; /* what the value is called in the help; NULL: takes none */
    const char *help;
};

/*
 * Walks argv (argv[0] is the program or command). The struct is made with {0} and the named members.
 *
 *     struct dfs_options options = {.program = "dfs: put", .list = list, .count = N};
 *     while ((at = dfs_options_next(&options, argc, argv)) >= 0) switch (at) ...     position in the list
 *     if (at == DFS_OPTIONS_BAD) return 2;                                           the line was printed
 *     the arguments that are no options are options.arguments[0 .. options.arguments_count - 1]
 */
struct dfs_options {
    const char *program; /* begins the line of a mistake */
    const struct dfs_option *list;
    size_t count;
    const char *value;     /* of the option just found */
    bool stop_at_argument; /* what follows the first argument is another command's */
    char **arguments;
    int arguments_count;
    bool started;
};

#define DFS_OPTIONS_END (-1)
#define DFS_OPTIONS_BAD (-2)

int dfs_options_next(struct dfs_options *options, int argc, char **argv);

/* Prints the list to standard output, aligned. */
void dfs_options_help(const struct dfs_option *list, size_t count);

#endif
