/*
 * shrink.h - the least scenario that still fails in the same way.
 *
 * The run is recorded (record.h), then faults and operations are left out as long as the failure stays (ddmin: halves, quarters, ... single ones, at last pairs), and what is
 * left is made plainer (plainer.h), until nothing more goes or the time is over; then the losses that matter become faults, if there are few. Every candidate runs in a process of its own
 * with a bound on events and on time. Which candidate is taken does not depend on how many run at once.
 */
#ifndef DFS_SIM_SHRINK_H
#define DFS_SIM_SHRINK_H

#include "sim/job.h"

/* Candidates at a time. */
#define SIM_SHRINK_WORKERS_MAX 64

/* Words for how a run fails; an assertion's line is the longest. */
#define SIM_SHRINK_WAY_BYTES 512

struct sim_shrink {
    const struct sim_source *source;
    uint64_t seed;
    uint32_t workers;
    dfs_duration_ns time_ns; /* of real time: after so long the least so far is the result */
    const char *output; /* a plain file, or none yet: written at the end; until then OUTPUT.record stands beside it */
    /* filled */
    size_t faults_before, works_before;
    size_t faults_after, works_after;
    uint64_t runs;
    bool out_of_time;
    char verdict[16];
    char way[SIM_SHRINK_WAY_BYTES]; /* a checker, "expectation 0", an assertion, or what kind of reason */
};

/* DFS_OK: output is written. Otherwise *ret_why: IO; BAD_CONFIG the scenario cannot be read; NOT_FOUND it does not fail, or its record (then kept) does not. */
enum dfs_status sim_shrink_run(struct sim_shrink *shrink, struct dfs_why *ret_why) DFS_MUST_CHECK;

#endif
