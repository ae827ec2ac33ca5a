/*
 * bench_capacity.h - how large a cluster the simulator holds: a thousand data servers with a million blocks, and the loss of a zone.
 *
 * The blocks go in by the protocol, as small ones of large files, so that what is measured is the state that machines, disks and checkers really have.
 */
#ifndef DFS_SIM_BENCH_CAPACITY_H
#define DFS_SIM_BENCH_CAPACITY_H

#include "sim/run.h"

struct sim_capacity {
    uint32_t data;
    uint32_t zones; /* the servers of one of them are lost, all at once and for ever */
    uint32_t files;
    uint32_t blocks; /* of each file */
};

/* 1,000 servers in 25 zones, 977 files of 1,024 blocks. */
struct sim_capacity sim_capacity_full(void);

struct sim_capacity_result {
    uint64_t blocks; /* that PUTs were acknowledged for */
    uint64_t lost;   /* servers */
    uint64_t copies; /* made again */
    uint64_t events;
    /* From time 0 to the loss; and from the loss until everything was at rest again, the checkers' look at all blocks included: on the clock on the wall, and of
     * this process's own processor time. */
    double fill_seconds;
    double fill_cpu_seconds;
    double repair_seconds;
    double repair_cpu_seconds;
    double memory_bytes; /* the largest resident size of the process so far */
    enum sim_verdict_kind verdict;
    uint64_t hash;
};

struct sim_capacity_result sim_capacity_run(const struct sim_capacity *capacity);

/* Runs the full one and prints it. Returns the exit code of dfs-sim. */
int sim_bench_capacity(bool json);

#endif
