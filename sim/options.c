#include "sim/options.h"

#include "core/base/assert.h"
#include "core/conf/units.h"
#include "core/conf/words.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Exit codes that are no verdict (interfaces). */
#define EXIT_USAGE 2
#define EXIT_WORLD 7

/* Options of one command, --help included. */
#define OPTIONS_MAX 32

/* What getopt_long gives for the option at a place: above all letters. */
#define FOUND_FIRST 256

static void say(const char *format, va_list arguments)
{
    (void)fputs("dfs-sim: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputs("\n", stderr);
}

int sim_usage_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

int sim_world_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return EXIT_WORLD;
}

bool sim_number_read(const char *text, uint64_t max, uint64_t *ret_value)
{
    char *end = NULL;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *ret_value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *ret_value <= max;
}

int sim_options_code(enum sim_options_end end)
{
    DFS_ASSERT(end != SIM_OPTIONS_READ);
    return end == SIM_OPTIONS_HELP ? 0 : EXIT_USAGE;
}

/* Help ------------------------------------------------------------------------------------------------------------------ */

/* "-j, --jobs N" */
static size_t form(const struct sim_option *option, char *text, size_t room)
{
    char letter[8] = "";

    if (option->letter != 0)
        (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
    return (size_t)snprintf(text, room, "%s--%s%s%s", letter, option->name, option->argument != NULL ? " " : "",
                            option->argument != NULL ? option->argument : "");
}

static bool is_bounded(const struct sim_option *option)
{
    return (option->type == SIM_OPTION_NUMBER || option->type == SIM_OPTION_NUMBER_32) && option->max < INT64_MAX;
}

/* All lines of the words in one column. */
static void print_words(const struct sim_option *option, size_t column)
{
    for (const char *at = option->help; *at != '\0'; at++) {
        (void)putchar(*at);
        if (*at == '\n')
            (void)printf("%*s", (int)column, "");
    }
    if (is_bounded(option))
        (void)printf("; %" PRIu64 " to %" PRIu64, option->min, option->max);
    (void)putchar('\n');
}

void sim_options_help(const struct sim_command *command)
{
    char text[64];
    size_t width = 0;

    (void)fputs(command->before, stdout);
    for (size_t i = 0; i < command->options_count; i++) {
        const size_t count = command->options[i].help != NULL ? form(&command->options[i], text, sizeof text) : 0;

        width = count > width ? count : width;
    }
    if (width > 0)
        (void)putchar('\n');
    for (size_t i = 0; i < command->options_count; i++) {
        if (command->options[i].help == NULL)
            continue;
        (void)form(&command->options[i], text, sizeof text);
        (void)printf("  %-*s  ", (int)width, text);
        print_words(&command->options[i], width + 4);
    }
    if (command->after != NULL)
        (void)printf("\n%s", command->after);
}

/* Reading --------------------------------------------------------------------------------------------------------------- */

static bool read_number(const struct sim_option *option, const char *text, uint64_t *ret_value, struct dfs_why *ret_why)
{
    if (sim_number_read(text, option->max, ret_value) && *ret_value >= option->min)
        return true;
    dfs_why_set(ret_why, "\"%s\" is not a whole number from %" PRIu64 " to %" PRIu64, dfs_quote_text(text).text,
                option->min, option->max);
    return false;
}

static bool read_duration(const struct sim_option *option, const char *text, uint64_t *ret_value,
                          struct dfs_why *ret_why)
{
    struct dfs_why why;
    int64_t value = 0;

    if (dfs_duration_parse(text, &value, &why) == DFS_OK && value >= 0 && (uint64_t)value >= option->min) {
        *ret_value = (uint64_t)value;
        return true;
    }
    dfs_why_set(ret_why, "\"%s\" is not a duration%s such as \"60s\"", dfs_quote_text(text).text,
                option->min > 0 ? " above 0" : "");
    return false;
}

static bool read_word(const struct sim_option *option, const char *text, int *ret_position, struct dfs_why *ret_why)
{
    char list[256] = "";
    size_t count = 0;
    size_t used = 0;

    for (; option->words[count] != NULL; count++) {
        if (strcmp(option->words[count], text) == 0) {
            *ret_position = (int)count;
            return true;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", option->words[count]);
        DFS_ASSERT(used < sizeof list);
    }
    dfs_why_set(ret_why, "\"%s\" is none of %s%s", dfs_quote_text(text).text, list,
                dfs_words_suggest(text, option->words, count).text);
    return false;
}

/* false: ret_why is filled. */
static bool take(const struct sim_option *option, void *base, const char *text, struct dfs_why *ret_why)
{
    char *field = (char *)base + option->offset;
    uint64_t value = 0;
    int position = 0;
    bool taken = true;

    switch (option->type) {
    case SIM_OPTION_FLAG:
        *(bool *)(void *)field = true;
        break;
    case SIM_OPTION_TEXT:
        *(const char **)(void *)field = text;
        break;
    case SIM_OPTION_NUMBER:
        taken = read_number(option, text, &value, ret_why);
        if (taken)
            *(uint64_t *)(void *)field = value;
        break;
    case SIM_OPTION_NUMBER_32:
        DFS_ASSERT(option->max <= UINT32_MAX);
        taken = read_number(option, text, &value, ret_why);
        if (taken)
            *(uint32_t *)(void *)field = (uint32_t)value;
        break;
    case SIM_OPTION_DURATION:
        taken = read_duration(option, text, &value, ret_why);
        if (taken)
            *(uint64_t *)(void *)field = value;
        break;
    case SIM_OPTION_WORD:
        taken = read_word(option, text, &position, ret_why);
        if (taken)
            memcpy(field, &position, sizeof position);
        break;
    case SIM_OPTION_CUSTOM:
        taken = option->read(base, text, ret_why);
        break;
    }
    if (taken && option->seen > 0)
        *(bool *)(void *)((char *)base + option->seen - 1) = true;
    return taken;
}

/* Says what is wrong: no value, or a name that is not known, and which is near. */
static int unknown(const struct sim_command *command, char **argv)
{
    const char *given = argv[optind - 1];
    const char *names[OPTIONS_MAX];

    for (size_t i = 0; i < command->options_count; i++) {
        const struct sim_option *option = &command->options[i];

        names[i] = option->name;
        if (optopt != 0 && (optopt == FOUND_FIRST + (int)i || optopt == option->letter) && option->argument != NULL)
            return sim_usage_error("--%s needs a value", option->name);
        if (optopt == FOUND_FIRST + (int)i)
            return sim_usage_error("--%s takes no value", option->name);
    }
    if (command->options_count == 0)
        return sim_usage_error("unknown option \"%s\"; %s has none", dfs_quote_text(given).text, command->name);
    return sim_usage_error("unknown option \"%s\"%s", dfs_quote_text(given).text,
                           dfs_words_suggest(given + strspn(given, "-"), names, command->options_count).text);
}

static void tables(const struct sim_command *command, struct option *ret_long, char *ret_short)
{
    size_t used = 0;

    DFS_ASSERT(command->options_count + 1 < OPTIONS_MAX);
    ret_short[used++] = ':';
    for (size_t i = 0; i < command->options_count; i++) {
        const struct sim_option *option = &command->options[i];

        ret_long[i] = (struct option){.name = option->name,
                                      .has_arg = option->argument != NULL ? required_argument : no_argument,
                                      .val = FOUND_FIRST + (int)i};
        if (option->letter != 0)
            ret_short[used++] = option->letter;
        if (option->letter != 0 && option->argument != NULL)
            ret_short[used++] = ':';
    }
    ret_long[command->options_count] = (struct option){.name = "help", .has_arg = no_argument, .val = 'h'};
    ret_long[command->options_count + 1] = (struct option){0};
    ret_short[used++] = 'h';
    ret_short[used] = '\0';
}

enum sim_options_end sim_options_read(const struct sim_command *command, int argc, char **argv, void *base,
                                      int *ret_first)
{
    struct option long_options[OPTIONS_MAX + 1];
    char short_options[2 * OPTIONS_MAX + 3];
    struct dfs_why why;
    int found;

    tables(command, long_options, short_options);
    opterr = 0;
    optind = 0; /* anew, for whoever read before */
    while ((found = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        const struct sim_option *option = NULL;

        if (found == 'h') {
            sim_options_help(command);
            return SIM_OPTIONS_HELP;
        }
        for (size_t i = 0; i < command->options_count; i++) {
            if (found == FOUND_FIRST + (int)i || found == command->options[i].letter)
                option = &command->options[i];
        }
        if (option == NULL) {
            (void)unknown(command, argv);
            return SIM_OPTIONS_WRONG;
        }
        if (!take(option, base, optarg, &why)) {
            (void)sim_usage_error("--%s: %s", option->name, why.text);
            return SIM_OPTIONS_WRONG;
        }
    }
    *ret_first = optind;
    return SIM_OPTIONS_READ;
}

uint32_t sim_command_workers(uint32_t most)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > (long)most ? most : (uint32_t)count;
}
