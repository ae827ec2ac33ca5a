/*
 * sweep.h - many seeds of scenarios, or of the swarm, on all cores.
 */
#ifndef DFS_SIM_SWEEP_H
#define DFS_SIM_SWEEP_H

#include "sim/job.h"

/* More processes than this do not help on any machine of today. */
#define SIM_WORKERS_MAX 256

struct sim_sweep {
    const struct sim_source *sources; /* one or more */
    size_t sources_count;
    const char *program; /* as it was called, for the command that repeats */
    uint64_t first;      /* seeds, both included */
    uint64_t last;
    bool own_seeds; /* instead: each source once, with the seed that it names (own_seed.h) */
    uint64_t shard; /* every shards-th seed, from this one on */
    uint64_t shards;
    uint32_t workers;
    dfs_duration_ns time_ns; /* no new seed after so much real time; 0: no limit */
    bool stop_at_first;
    bool json;
    const char *junit_file;
    const char *coverage_file;
};

/* Runs it and prints; returns the exit code of dfs-sim. */
int sim_sweep_run(const struct sim_sweep *sweep);

#endif
