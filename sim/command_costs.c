/* `dfs-sim costs`: prints, compares with a file, rewrites it. */
#include "sim/commands.h"
#include "sim/costs.h"

#include "core/base/mem.h"
#include "core/conf/words.h"
#include "sim/diff.h"
#include "sim/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN "tests/golden/costs.txt"

struct costs_options {
    bool check;
    bool update;
};

static const struct sim_option options[] = {
    {.name = "check",
     .type = SIM_OPTION_FLAG,
     .offset = offsetof(struct costs_options, check),
     .help = "compares with FILE; exit 1 and the lines that differ"},
    {.name = "update",
     .type = SIM_OPTION_FLAG,
     .offset = offsetof(struct costs_options, update),
     .help = "rewrites FILE"},
};

static int command_costs(const struct sim_command *command, const char *program, int argc, char **argv)
{
    struct costs_options wanted = {.check = false};
    int code = 0;
    int first = 0;
    size_t count = 0, golden_count = 0;
    char *golden = NULL;
    struct dfs_why why;
    const enum sim_options_end end = sim_options_read(command, argc, argv, &wanted, &first);

    (void)program;
    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (wanted.check && wanted.update)
        return sim_usage_error("costs takes --check or --update, not both");
    if (argc - first > 1 || (argc > first && !wanted.check && !wanted.update))
        return sim_usage_error("costs takes --check [FILE] or --update [FILE], not \"%s\"",
                               dfs_quote_text(argv[argc - 1]).text);
    const char *name = argc > first ? argv[first] : GOLDEN;

    if (wanted.check && sim_file_load(name, &golden, &golden_count, &why) != DFS_OK)
        return sim_world_error("%s", why.text);
    char *text = sim_costs_text(&count);

    if (!wanted.check && !wanted.update) {
        (void)fputs(text, stdout);
    } else if (golden == NULL) {
        FILE *file = fopen(name, "w");

        if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
            code = sim_world_error("cannot write %s: %s", name, strerror(errno));
        }
    } else if (sim_diff_lines(stdout, golden, golden_count, text, count) > 0) {
        (void)printf("Costs differ from %s (- as it was, + as it is). If that is meant: dfs-sim costs --update %s\n",
                     name, name);
        code = 1;
    }
    dfs_free(golden);
    dfs_free(text);
    return code;
}

const struct sim_command sim_command_costs = {
    .name = "costs",
    .line = "costs [--check [FILE] | --update [FILE]]",
    .run = command_costs,
    SIM_OPTIONS(options),
    .before =
        "dfs-sim costs [--check [FILE] | --update [FILE]]    messages by kind, bytes, disk operations and virtual time of PUT, GET, eviction and repair\n"
        "\n"
        "Latencies and the seed are fixed and nothing is lost, so the figures are exact: they change only when what the machines do changes.\n"
        "FILE is " GOLDEN " unless it is given.\n",
};
