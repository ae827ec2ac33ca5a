/* `dfs-sim paths`: what may happen to the machines. */
#include "sim/commands.h"
#include "sim/paths.h"

#include <stdio.h>

struct paths_options {
    bool json;
};

static const struct sim_option options[] = {
    SIM_OPTION_JSON(offsetof(struct paths_options, json), "the result as one JSON list"),
};

static int command_paths(const struct sim_command *command, const char *program, int argc, char **argv)
{
    struct paths_options wanted = {.json = false};
    int first = 0;
    const enum sim_options_end end = sim_options_read(command, argc, argv, &wanted, &first);

    (void)program;
    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (first < argc)
        return sim_usage_error("dfs-sim paths takes --json at most");
    if (!wanted.json) {
        sim_paths_print();
        return 0;
    }
    json_t *list = sim_paths_json();

    (void)json_dumpf(list, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(list);
    return 0;
}

const struct sim_command sim_command_paths = {
    .name = "paths",
    .line = "paths [--json]",
    .run = command_paths,
    SIM_OPTIONS(options),
    .before = "dfs-sim paths [--json]    what may happen to the machines: every state, event and next state\n",
};
