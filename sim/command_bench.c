/* `dfs-sim bench`: the speed of the simulator itself. */
#include "sim/bench.h"
#include "sim/bench_capacity.h"
#include "sim/commands.h"

#include "core/conf/words.h"

#include <stdio.h>
#include <string.h>

/* More cases than there are, and room for their names. */
#define CASES_MAX 16
#define CASES_BYTES 256

struct bench_options {
    struct sim_bench_options bench;
    bool capacity;
};

static bool read_case(void *base, const char *text, struct dfs_why *ret_why)
{
    const char *names[CASES_MAX];
    size_t count = 0;

    for (; count < CASES_MAX && sim_bench_case_name(count) != NULL; count++) {
        names[count] = sim_bench_case_name(count);
        if (strcmp(names[count], text) == 0) {
            ((struct bench_options *)base)->bench.only = text;
            return true;
        }
    }
    dfs_why_set(ret_why, "\"%s\" is no case of bench%s", dfs_quote_text(text).text,
                dfs_words_suggest(text, names, count).text);
    return false;
}

static const struct sim_option rows[] = {
    SIM_OPTION_JSON(offsetof(struct bench_options, bench.json), "the result as one JSON object"),
    {.name = "capacity",
     .type = SIM_OPTION_FLAG,
     .offset = offsetof(struct bench_options, capacity),
     .help = "instead: a thousand data servers with a million blocks lose a zone (takes minutes)"},
    {.name = "case", .argument = "NAME", .type = SIM_OPTION_CUSTOM, .read = read_case, .help = "only this one:"},
};

#define ROWS (sizeof rows / sizeof rows[0])

/* The rows, with the names of the cases in words. */
static void rows_with_cases(struct sim_option *ret_rows, char words[CASES_BYTES])
{
    size_t used = (size_t)snprintf(words, CASES_BYTES, "%s", rows[ROWS - 1].help);

    for (size_t i = 0; sim_bench_case_name(i) != NULL && used < CASES_BYTES; i++)
        used += (size_t)snprintf(words + used, CASES_BYTES - used, " %s", sim_bench_case_name(i));
    memcpy(ret_rows, rows, sizeof rows);
    ret_rows[ROWS - 1].help = words;
}

static int command_bench(const struct sim_command *command, const char *program, int argc, char **argv)
{
    struct bench_options wanted = {.capacity = false};
    struct sim_command here = *command;
    struct sim_option options[ROWS];
    char words[CASES_BYTES];
    int first = 0;

    (void)program;
    rows_with_cases(options, words);
    here.options = options;
    const enum sim_options_end end = sim_options_read(&here, argc, argv, &wanted, &first);

    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (first < argc)
        return sim_usage_error("bench takes no argument, such as \"%s\"; see dfs-sim bench --help",
                               dfs_quote_text(argv[first]).text);
    if (wanted.capacity && wanted.bench.only != NULL)
        return sim_usage_error("--capacity is a case of its own: leave out --case");
    return wanted.capacity ? sim_bench_capacity(wanted.bench.json) : sim_bench(&wanted.bench);
}

const struct sim_command sim_command_bench = {
    .name = "bench",
    .line = "bench [--json] [--case NAME | --capacity]",
    .run = command_bench,
    SIM_OPTIONS(rows),
    .before =
        "dfs-sim bench [--json] [--case NAME | --capacity]    the speed of the simulator, beside a bare event loop\n",
};
