/*
 * faults.h - what goes wrong in a real cluster, and when: the faults of a scenario, done to its processes and through their fault sockets.
 */
#ifndef DFS_SIM_REAL_FAULTS_H
#define DFS_SIM_REAL_FAULTS_H

#include "sim/real/daemons.h"

struct sim_real_faults {
    struct sim_real_daemons *daemons;
    struct sim_real_moment *moments; /* at which a fault begins or ends, in order; owned */
    size_t moments_count;
    size_t moments_done;
    bool *took_effect; /* by fault of the scenario; owned */
};

/* Of the scenario that the daemons were started for; they outlive it. */
void sim_real_faults_init(struct sim_real_faults *faults, struct sim_real_daemons *daemons);
void sim_real_faults_close(struct sim_real_faults *faults);

/* Begins and ends what is due. */
void sim_real_faults_step(struct sim_real_faults *faults);

#endif
