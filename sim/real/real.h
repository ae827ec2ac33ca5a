/*
 * real.h - a scenario against real daemons (`run --real`): one oracle, two worlds.
 *
 * The cluster is one of `dfs local up --faults` in a directory of its own, the clients are `dfs put`, `dfs get` and so on, one process an operation. crash is SIGKILL, pause is SIGSTOP,
 * restart starts the daemon again, partition and drop go through the daemons' fault sockets; events come from their event logs. A fault, trigger or step that has no real form
 * ends the run with 2 and its name, before anything is started. "network", "disk", "zones" and "capacity" do not count: loopback and the disk are what they are. The ledger is the
 * simulator's.
 *
 * The programs are those beside dfs-sim.
 */
#ifndef DFS_SIM_REAL_H
#define DFS_SIM_REAL_H

#include "sim/scenario.h"

/*
 * Runs it and returns the object of `run --json` (trace_hash is "": real time has no such thing), a new reference. NULL: nothing was run; *ret_why says why, *ret_code is 2 (the scenario
 * has no real form) or 7 (the world: a program, a port, a directory).
 */
json_t *sim_real_run(const struct sim_scenario *scenario, uint64_t seed, const char *program, struct dfs_why *ret_why,
                     int *ret_code);

#endif
