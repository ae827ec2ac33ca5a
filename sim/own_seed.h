/*
 * own_seed.h - the seed that a file names: the last words of its description are "Seed 77.".
 *
 * A file that a run has left (run --record, shrink) is that run with this seed only: latencies are drawn message by message. It names it, so that whoever has the file can
 * repeat the failure: run, shrink and diverge without --seed take it, and `sweep --seeds own` gives each file its own.
 */
#ifndef DFS_SIM_OWN_SEED_H
#define DFS_SIM_OWN_SEED_H

#include "sim/job.h"

/* Ends the description with it; what it said before is shortened where there is no room, and another seed goes. */
void sim_own_seed_put(struct sim_scenario *scenario, uint64_t seed);

/* false: the description ends otherwise. */
bool sim_own_seed_get(const char *description, uint64_t *ret_seed);

/* Of a file; false: it names none, or is the swarm. One that cannot be read counts as naming 1: running it says what is wrong. */
bool sim_own_seed(const struct sim_source *source, uint64_t *ret_seed);

#endif
