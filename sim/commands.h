/* commands.h - the commands of dfs-sim, one file each (command_NAME.c): what main() chooses from. */
#ifndef DFS_SIM_COMMANDS_H
#define DFS_SIM_COMMANDS_H

#include "sim/options.h"

extern const struct sim_command sim_command_run;
extern const struct sim_command sim_command_sweep;
extern const struct sim_command sim_command_check;
extern const struct sim_command sim_command_schema;
extern const struct sim_command sim_command_bench;
extern const struct sim_command sim_command_paths;
extern const struct sim_command sim_command_dissector;
extern const struct sim_command sim_command_costs;
extern const struct sim_command sim_command_explore;
extern const struct sim_command sim_command_shrink;
extern const struct sim_command sim_command_diverge;

/* The end is NULL. */
extern const struct sim_command *const sim_commands[];

#endif
