/*
 * swarm.h - a scenario out of a number: each seed draws its own cluster, settings, workload, network, disks and faults.
 *
 * Faults are planned from the replication policy, so that nothing acknowledged may be lost: at most replication - 1 data servers are out of order at a time, the
 * next one goes only when the cluster has had the time to repair, and as many servers as there are copies stay for ever. Metadata may crash, stall and restart, and everything may
 * lose power at once, since both come back on their disks.
 */
#ifndef DFS_SIM_SWARM_H
#define DFS_SIM_SWARM_H

#include "sim/scenario.h"

/* Fills *scenario (uninitialised) with the swarm's scenario of this seed; to be closed with sim_scenario_close. */
void sim_swarm_draw(uint64_t seed, struct sim_scenario *scenario);

#endif
