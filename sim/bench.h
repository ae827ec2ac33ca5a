/*
 * bench.h - the speed of the simulator itself: events a second with hashing and checkers on, beside a bare event loop in the same run.
 */
#ifndef DFS_SIM_BENCH_H
#define DFS_SIM_BENCH_H

#include <stdbool.h>
#include <stddef.h>

struct sim_bench_options {
    bool json;
    const char *only; /* the name of a case; NULL: all of them */
};

/*
 * Runs the cases and prints them: a table, or one JSON object with "events_per_second", "bare_events_per_second", "ratio" (of the first case, at the number of
 * events that it has in flight) and "cases". An event is one step of one machine. Returns the exit code of dfs-sim: 0, or that of a case that did not pass.
 */
int sim_bench(const struct sim_bench_options *options);

/* The names of the cases, in their order; NULL after the last. */
const char *sim_bench_case_name(size_t index);

#endif
