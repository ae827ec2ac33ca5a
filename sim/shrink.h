/*
 * shrink.h - the least scenario that still fails in the same way.
 *
 * The run is recorded (record.h), then faults and operations are left out as long as the failure stays (ddmin: halves, quarters, ... single ones), then hosts,
 * settings, network, disk, sizes, lengths and times are made plainer one after the other, until nothing more goes or the time is over. Every candidate runs in a process of its own
 * with a bound on events and on time. Which candidate is taken does not depend on how many run at once.
 */
#ifndef DFS_SIM_SHRINK_H
#define DFS_SIM_SHRINK_H

#include "sim/job.h"

/* Candidates at a time. */
#define SIM_SHRINK_WORKERS_MAX 64

struct sim_shrink {
    const struct sim_source *source;
    uint64_t seed;
    uint32_t workers;
    dfs_duration_ns time_ns; /* of real time: then the least so far is it */
    const char *output;
    /* filled */
    size_t faults_before, works_before;
    size_t faults_after, works_after;
    uint64_t runs;
    bool out_of_time;
    char verdict[16];
    char checker[32]; /* "" where no checker spoke */
};

/* DFS_OK: output is written. Otherwise *ret_why: IO; BAD_CONFIG the scenario cannot be read; NOT_FOUND it does not fail. */
enum dfs_status sim_shrink_run(struct sim_shrink *shrink, struct dfs_why *ret_why) DFS_MUST_CHECK;

#endif
