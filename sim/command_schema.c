/* `dfs-sim schema`: the scenario language, for editors. */
#include "sim/commands.h"
#include "sim/scenario.h"

#include <stdio.h>

static int command_schema(const struct sim_command *command, const char *program, int argc, char **argv)
{
    int first = 0;
    const enum sim_options_end end = sim_options_read(command, argc, argv, NULL, &first);

    (void)program;
    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (first < argc)
        return sim_usage_error("schema takes no argument");
    json_t *schema = sim_scenario_schema();

    (void)json_dumpf(schema, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    (void)putchar('\n');
    json_decref(schema);
    return 0;
}

const struct sim_command sim_command_schema = {
    .name = "schema",
    .line = "schema",
    .run = command_schema,
    .before = "dfs-sim schema    the scenario language as JSON Schema, on standard output\n",
};
