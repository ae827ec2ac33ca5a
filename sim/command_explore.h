/* command_explore.h - `dfs-sim explore`: options in, words out. */
#ifndef DFS_SIM_COMMAND_EXPLORE_H
#define DFS_SIM_COMMAND_EXPLORE_H

/* Returns the exit code. */
int sim_command_explore(int argc, char **argv);

#endif
