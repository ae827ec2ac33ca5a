/*
 * judge.h - what a real run comes to: expectations, faults that took no effect, promises that were broken; and the object of `run --json`.
 *
 * Expectations hold with wider bounds than in the simulator (SIM_REAL_SLACK_NS): this world is busy with other things.
 */
#ifndef DFS_SIM_REAL_JUDGE_H
#define DFS_SIM_REAL_JUDGE_H

#include "sim/real/clients.h"
#include "sim/real/events.h"
#include "sim/real/faults.h"

/* How much later than said something may come about: processes start, disks sync, and continuous integration shares its processors. */
#define SIM_REAL_SLACK_NS (4 * DFS_SECONDS)

/* A run that has ended; everything is borrowed. */
struct sim_real_course {
    const struct sim_scenario *scenario;
    uint64_t seed;
    const struct sim_real_faults *faults;
    const struct sim_real_events *events;
    const struct sim_real_clients *clients;
    dfs_time_ns
        replicated_at; /* all operations answered and all blocks whole, after the last fault; DFS_NEVER: not within `settle` */
    const char *stuck; /* what it waited for then; NULL: it came to rest */
    dfs_time_ns end;
};

/* The result, a new reference. */
json_t *sim_real_judge(const struct sim_real_course *course);

#endif
