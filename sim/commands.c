#include "sim/commands.h"

const struct sim_command *const sim_commands[] = {
    &sim_command_run,     &sim_command_sweep,  &sim_command_check,     &sim_command_schema,
    &sim_command_bench,   &sim_command_paths,  &sim_command_dissector, &sim_command_costs,
    &sim_command_explore, &sim_command_shrink, &sim_command_diverge,   NULL,
};
