/* command_shrink.h - `dfs-sim shrink`: options in, words out. */
#ifndef DFS_SIM_COMMAND_SHRINK_H
#define DFS_SIM_COMMAND_SHRINK_H

/* Returns the exit code. */
int sim_command_shrink(int argc, char **argv);

#endif
