#include "apps/common/options.h"

#include "core/base/assert.h"
#include "core/conf/words.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Values of long options without a letter: above every character. */
#define FIRST_LONG 256

/* "--bloc-size" of "--bloc-size=4MB", quoted for a line. */
static struct dfs_quoted typed_name(const char *typed)
{
    const char *equals = strchr(typed, '=');

    return dfs_quote(typed, equals != NULL ? (size_t)(equals - typed) : strlen(typed));
}

static void refuse_unknown(const struct dfs_options *options, const char *typed)
{
    const char *names[DFS_OPTIONS_MAX];
    char word[DFS_QUOTED_BYTES] = "";
    const char *nearest;

    for (size_t i = 0; i < options->count; i++)
        names[i] = options->list[i].name;
    (void)snprintf(word, sizeof word, "%s", typed_name(typed + 2).text);
    nearest = dfs_words_nearest(word, names, options->count);
    if (nearest != NULL)
        (void)fprintf(stderr, "%s: unknown option %s; did you mean --%s?\n", options->program, typed_name(typed).text,
                      nearest);
    else
        (void)fprintf(stderr, "%s: unknown option %s; see --help\n", options->program, typed_name(typed).text);
}

static void refuse(const struct dfs_options *options, char **argv, int found)
{
    const char *typed = argv[optind > 0 ? optind - 1 : 0];

    if (found == ':' && strncmp(typed, "--", 2) == 0)
        (void)fprintf(stderr, "%s: option %s needs a value\n", options->program, typed_name(typed).text);
    else if (found == ':')
        (void)fprintf(stderr, "%s: option -%c needs a value\n", options->program, optopt);
    else if (strncmp(typed, "--", 2) != 0)
        (void)fprintf(stderr, "%s: unknown option -%c; see --help\n", options->program, optopt);
    else if (optopt >= FIRST_LONG || strchr(typed, '=') != NULL)
        for (size_t i = 0; i <= options->count; i++) {
            const size_t bytes = strcspn(typed + 2, "=");

            if (i == options->count) {
                refuse_unknown(options, typed);
            } else if (strlen(options->list[i].name) == bytes &&
                       strncmp(options->list[i].name, typed + 2, bytes) == 0) {
                (void)fprintf(stderr, "%s: option --%s takes no value\n", options->program, options->list[i].name);
                break;
            }
        }
    else
        refuse_unknown(options, typed);
}

int dfs_options_next(struct dfs_options *options, int argc, char **argv)
{
    struct option longs[DFS_OPTIONS_MAX + 1] = {0};
    char shorts[2 * DFS_OPTIONS_MAX + 3];
    size_t at = 0;
    int found;

    DFS_ASSERT(options->count <= DFS_OPTIONS_MAX);
    if (options->stop_at_argument)
        shorts[at++] = '+';
    shorts[at++] = ':';
    for (size_t i = 0; i < options->count; i++) {
        const struct dfs_option *option = &options->list[i];

        longs[i] = (struct option){.name = option->name,
                                   .has_arg = option->value != NULL ? required_argument : no_argument,
                                   .val = FIRST_LONG + (int)i};
        if (option->letter != 0) {
            shorts[at++] = option->letter;
            if (option->value != NULL)
                shorts[at++] = ':';
        }
    }
    shorts[at] = '\0';
    if (!options->started) {
        optind = 0; /* glibc: begin anew, with another argv */
        opterr = 0;
        options->started = true;
    }
    found = getopt_long(argc, argv, shorts, longs, NULL);
    options->value = optarg;
    if (found == -1) {
        options->arguments = argv + optind;
        options->arguments_count = argc - optind;
        return DFS_OPTIONS_END;
    }
    if (found >= FIRST_LONG)
        return found - FIRST_LONG;
    for (size_t i = 0; i < options->count && found != '?' && found != ':'; i++)
        if (options->list[i].letter == found)
            return (int)i;
    refuse(options, argv, found);
    return DFS_OPTIONS_BAD;
}

void dfs_options_help(const struct dfs_option *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char head[64];

        (void)snprintf(head, sizeof head, "%s%c%s--%s%s%s", list[i].letter != 0 ? "-" : "",
                       list[i].letter != 0 ? list[i].letter : ' ', list[i].letter != 0 ? ", " : "   ", list[i].name,
                       list[i].value != NULL ? " " : "", list[i].value != NULL ? list[i].value : "");
        (void)printf("  %-28s %s\n", head, list[i].help);
    }
}
