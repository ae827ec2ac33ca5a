/*
 * expect.h - whether what a scenario expects comes about: from events, disks and the ledger.
 */
#ifndef DFS_SIM_EXPECT_H
#define DFS_SIM_EXPECT_H

#include "sim/run.h"

struct sim_expects *sim_expects_new(struct sim_run *run); /* adds its listener */
void sim_expects_free(struct sim_expects *expects);
void sim_expects_begin(struct sim_expects *expects); /* at time 0 */
void sim_expects_event(struct sim_expects *expects, enum sim_event event, struct sim_host *host);

/* After everything: decides them all; one that failed makes the run fail. */
void sim_expects_decide(struct sim_expects *expects);

struct sim_expectation {
    bool ok;
    dfs_time_ns at; /* of the scenario: when it was fulfilled, or broken; DFS_NEVER: neither */
    const char *message;
};
size_t sim_expects_count(const struct sim_expects *expects);
struct sim_expectation sim_expects_get(const struct sim_expects *expects, size_t index);

#endif
