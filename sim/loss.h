/*
 * loss.h - was a file that could not be read really out of reach? Judged from the simulated disks at that very moment, not from how many faults there were.
 */
#ifndef DFS_SIM_LOSS_H
#define DFS_SIM_LOSS_H

#include "sim/copies.h"

enum sim_loss {
    SIM_LOSS_NONE,  /* every block has a good copy where a client can get it */
    SIM_LOSS_REACH, /* some block has good copies only on servers that are down, cut off, gray, or no members */
    SIM_LOSS_GONE   /* some block has no good copy on any disk */
};

/*
 * What is the worst that has happened to a block of the file? A copy counts as within reach when it verifies on the disk of a server that runs, has been ACTIVE
 * and free of faults for `lately`: what a client needs to find it again after it was away.
 */
enum sim_loss sim_loss_of(struct sim_run *run, const struct sim_version *version, dfs_duration_ns lately);

/* The same of what stood at the path at any time since `since` (of the world): NONE only when all that a read could have meant is there. */
enum sim_loss sim_loss_of_path(struct sim_run *run, const char *path, dfs_time_ns since, dfs_duration_ns lately);

/* How long a client may take to notice that a copy is within reach again: the answer that it waits for, and its back-off. */
dfs_duration_ns sim_loss_patience(const struct sim_run *run);

#endif
