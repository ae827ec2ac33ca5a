/*
 * bench.h - the speed of the simulator itself: events a second with hashing and checkers on, beside a bare event loop in the same run.
 *
 * load-5, load-50, load-500: so many data servers, four clients, 2,000 operations a second (PUT and GET of 4 KB files, half and half, on 1,000 paths) for 25 s
 * of virtual time; what a PUT replaces is kept for a second (trash_keep), so as many blocks are removed as are written and a longer run is not a larger one. The
 * clock starts after the first 5 (servers verify a token the first time they see it, half a millisecond of cryptography each) and stops when the cluster has
 * come to rest, with hashing and all checkers on; starting the cluster, the checks at the end and the audit are not in it. idle-5: an hour of nothing but
 * heartbeats. The best of three runs counts; the later ones find the memory of the first. "an event" beside a case says how much more an event costs there than in
 * the first. A Release build with gcc is linked as one unit and trained with a run of its own (training.cmake; without: -DDFS_SIM_TRAINED=OFF). keep-5 is load-5
 * with the default of trash_keep, a day: what is replaced stays, and a longer run is a larger one. The bare loop (bench_bare.h) holds as many events as load-5
 * has in flight on average; a run of its own counts them.
 *
 * --capacity fills a thousand data servers in 25 zones by the protocol (977 files of 1,024 blocks of 256 bytes, checkers on), then crashes the forty servers of
 * one zone for ever; its clock runs from the crash until all blocks have three good copies again and the checkers have looked at each.
 *
 * A run's time is the process's own processor time, not that of the clock on the wall: the simulator has one thread, and a machine that others use too would
 * make it look slower than it is.
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
