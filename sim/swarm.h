/*
 * swarm.h - a scenario out of a number: each seed draws its own cluster, settings, workload, network, disks and faults.
 *
 * Faults are planned from the replication policy, so that nothing acknowledged may be lost: at most replication - 1 data servers are out of order at a time, the
 * next one goes only when the cluster has had the time to repair, and as many servers as there are copies stay for ever. Metadata may crash, stall and restart, and everything may
 * lose power at once, since both come back on their disks.
 *
 * A seed draws a cluster (3 to 7 data servers, zones, clients, 2 or 3 copies, capacity), settings from their knobs (frames, pages, reports, orders and batches
 * down to one, odd time-outs, short leases), bounds of the machines (bounds.h of each role: every queue, window and batch that is no setting, down to one; one
 * in eight of them a seed, drawn by its name), a network, disks, a mix of operations, and a mix of faults out of forty kinds: every kind of the language but
 * restart and random, which are drawn as crashes that end and as several of the others. Most seeds lose a server long enough to be evicted.
 *
 *   - Within the budget: at most replication - 1 servers are out of order at a time, and the next goes when the cluster has had the time to repair: so
 *     nothing acknowledged may be lost. Metadata, auth and clients crash and stall too, and sometimes the lights go out for all.
 *   - Beyond it, in one of ten seeds: as many servers as there are copies, or more, die within an interval and for good. What only they had is lost: reading
 *     it must say DATA_LOST and fsck must name it; all else must be read back.
 *   - Chaos, then progress: when the workload ends, faults with an end are over. Servers that died stay down, some stay cut off, paused or gray; the rest
 *     must come to rest within settle all the same. If it does not (exit 4), the reason names the operation or the block, who holds it, what metadata's
 *     explain says of it, and who is not well.
 */
#ifndef DFS_SIM_SWARM_H
#define DFS_SIM_SWARM_H

#include "sim/scenario.h"

/* Fills *scenario (uninitialised) with the swarm's scenario of this seed; to be closed with sim_scenario_close. */
void sim_swarm_draw(uint64_t seed, struct sim_scenario *scenario);

#endif
