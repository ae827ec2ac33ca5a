/*
 * bench.h - the speed of the simulator itself: events a second with hashing and checkers on, beside a bare event loop in the same run.
 */
#ifndef DFS_SIM_BENCH_H
#define DFS_SIM_BENCH_H

#include <stdbool.h>

/*
 * Runs the cases and prints them: a table, or one JSON object with "events_per_second", "bare_events_per_second", "ratio" (of the first case) and "cases".
 * An event is one step of one machine. Returns the exit code of dfs-sim: 0, or that of a case that did not pass.
 */
int sim_bench(bool json);

#endif
