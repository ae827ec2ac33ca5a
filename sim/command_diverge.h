/* command_diverge.h - `dfs-sim diverge`: options in, words out. */
#ifndef DFS_SIM_COMMAND_DIVERGE_H
#define DFS_SIM_COMMAND_DIVERGE_H

/* Returns the exit code. */
int sim_command_diverge(int argc, char **argv);

#endif
