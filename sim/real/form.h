/*
 * form.h - which scenarios can be played against real daemons at all.
 */
#ifndef DFS_SIM_REAL_FORM_H
#define DFS_SIM_REAL_FORM_H

#include "sim/scenario.h"

/* DFS_BAD_CONFIG: *ret_why names the line of the first fault or step that only the simulator can do. */
enum dfs_status sim_real_form(const struct sim_scenario *scenario, struct dfs_why *ret_why)
    __attribute__((warn_unused_result));

#endif
