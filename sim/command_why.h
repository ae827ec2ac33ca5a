/* command_why.h - `dfs-sim run --why`: a search for the point of no return in, words or one JSON object out. */
#ifndef DFS_SIM_COMMAND_WHY_H
#define DFS_SIM_COMMAND_WHY_H

#include "sim/why.h"

/* Returns the exit code: that of the run; 2 where the scenario is none, 7 where the world refused something. */
int sim_command_why(const struct sim_why_options *options, bool json);

#endif
