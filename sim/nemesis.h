/*
 * nemesis.h - injects the faults of a scenario, at their times and triggers, undoes them, and keeps the account: what took hold, whom it touches.
 */
#ifndef DFS_SIM_NEMESIS_H
#define DFS_SIM_NEMESIS_H

#include "sim/run.h"

struct sim_nemesis *sim_nemesis_new(struct sim_run *run); /* adds its listener */
void sim_nemesis_free(struct sim_nemesis *nemesis);

/* At time 0: what happens when. */
void sim_nemesis_begin(struct sim_nemesis *nemesis);

/* At the end of the scenario's duration: what has an end is over, nothing new begins. */
void sim_nemesis_stop(struct sim_nemesis *nemesis);

/* No further fault begins, written or drawn; what has begun goes on to its own end, and what a crash stopped is restarted when the scenario says so. */
void sim_nemesis_calm(struct sim_nemesis *nemesis);

/* Draws anew when the random faults that are still to come do: within what is left of their time. */
void sim_nemesis_redraw(struct sim_nemesis *nemesis);

/* Lets fault `index` of the scenario strike now as `fault` says (not in a step): with all the accounts of one that was written down. */
void sim_nemesis_strike(struct sim_nemesis *nemesis, size_t index, const struct sim_fault *fault);

/* Something happened for which a fault may wait. */
void sim_nemesis_event(struct sim_nemesis *nemesis, enum sim_event event, struct sim_host *host);

/* Is a fault in force that touches this host, or was it down or cut off within `lately`? */
bool sim_nemesis_touches(const struct sim_nemesis *nemesis, uint32_t host, dfs_duration_ns lately);

/* May what this host had stored be gone for good: rotten, or never synced because nobody asked for it? */
bool sim_nemesis_destroyed(const struct sim_nemesis *nemesis, uint32_t host);

/* One time that a fault began. */
struct sim_struck {
    size_t index;                  /* of the scenario's fault */
    const struct sim_fault *fault; /* that one, or what a `random` drew */
    dfs_time_ns at;                /* of the scenario */
    uint64_t effect;               /* how often it took hold of anything so far */
};

/* In the order in which they began. */
void sim_nemesis_each(const struct sim_nemesis *nemesis, void (*each)(void *arg, const struct sim_struck *struck),
                      void *arg);

/* Of a fault of the scenario, all its beginnings together. */
struct sim_nemesis_account {
    bool struck; /* it has begun */
    uint64_t effect;
};
struct sim_nemesis_account sim_nemesis_account(const struct sim_nemesis *nemesis, size_t index);

/* Adds to the run's verdict the faults that never took effect. */
void sim_nemesis_vacuity(struct sim_nemesis *nemesis);

#endif
