/*
 * checkers.h - the checkers, one file a concern. Each is a listener (run.h) that is always on, knows nothing of workload and nemesis, and costs O(1) an
 * event. What each one holds stands at its head; sim/README.md has the table.
 */
#ifndef DFS_SIM_CHECKERS_CHECKERS_H
#define DFS_SIM_CHECKERS_CHECKERS_H

#include "sim/run.h"

extern const struct sim_checker sim_checker_acked_data;
extern const struct sim_checker sim_checker_reads_never_go_back;
extern const struct sim_checker sim_checker_linearizable;
extern const struct sim_checker sim_checker_eviction_time;
extern const struct sim_checker sim_checker_no_false_eviction;
extern const struct sim_checker sim_checker_ring;
extern const struct sim_checker sim_checker_copies;
extern const struct sim_checker sim_checker_progress;
extern const struct sim_checker sim_checker_orphans;
extern const struct sim_checker sim_checker_accounting;
extern const struct sim_checker sim_checker_one_primary;
extern const struct sim_checker sim_checker_authority;
extern const struct sim_checker sim_checker_limits;
extern const struct sim_checker sim_checker_zones;

/* The data server that a message, or a trace, names; UINT32_MAX: none of the cluster. */
uint32_t sim_checker_data_index(const struct sim_run *run, const struct dfs_id *id);

/* The role of a host of the cluster; NONE for the second host of an identity. */
enum dfs_role sim_checker_role(const struct sim_run *run, const struct sim_host *host);

/* Hosts of the data servers' order whose disk a fault has touched: what stands on them proves nothing. */
struct sim_touched {
    struct sim_host_set hosts;
    bool any;
};
void sim_touched_note(struct sim_run *run, struct sim_touched *touched, const struct sim_fault *fault,
                      const struct sim_host *host);

#endif
