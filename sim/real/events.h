/*
 * events.h - what a real cluster has said of itself in the daemons' event logs.
 */
#ifndef DFS_SIM_REAL_EVENTS_H
#define DFS_SIM_REAL_EVENTS_H

#include "sim/real/daemons.h"

struct sim_real_event {
    enum sim_event kind;
    uint32_t data; /* of which data server it speaks, 0 is d1; UINT32_MAX: of none */
    dfs_time_ns at;
};

struct sim_real_events {
    const struct sim_real_daemons *daemons;
    long *read_bytes; /* of each daemon's log; owned, as all below */
    struct sim_real_event *list;
    size_t count;
    json_t *evictions; /* as `run --json` shows them */
    uint64_t copies;   /* that repair made */
    uint64_t copies_bytes;
    dfs_time_ns copies_last;
};

/* From now on: what the logs have already is not counted. The daemons outlive it. */
void sim_real_events_init(struct sim_real_events *events, const struct sim_real_daemons *daemons);
void sim_real_events_close(struct sim_real_events *events);

/* Takes what has come to the logs since the last look. */
void sim_real_events_read(struct sim_real_events *events);

uint64_t sim_real_events_count(const struct sim_real_events *events, enum sim_event kind);

/* Was this said of the data server between these times? */
bool sim_real_events_within(const struct sim_real_events *events, enum sim_event kind, uint32_t data, dfs_time_ns from,
                            dfs_time_ns to);

#endif
