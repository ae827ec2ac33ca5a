/*
 * scenario_write.h - a scenario as the file that reads back to it: nothing is drawn any more, but a latency and what net_sim draws by itself.
 *
 * Keys that have their default are left out. Random faults and mixes have no words here: sim_record makes single ones of them first.
 */
#ifndef DFS_SIM_SCENARIO_WRITE_H
#define DFS_SIM_SCENARIO_WRITE_H

#include "sim/scenario.h"

/* A new reference. */
json_t *sim_scenario_json(const struct sim_scenario *scenario);

/* The same as text, one step, fault or expectation a line; to be freed with dfs_free. */
char *sim_scenario_text(const struct sim_scenario *scenario);

#endif
