/*
 * perfetto.h - a run for ui.perfetto.dev: JSON of the trace event format, written as the run goes on.
 *
 * Hosts are processes. Tracks: operations of clients and of the disk as slices, steps of the machine as long as they occupy the host (one
 * nanosecond when they take no time), messages that arrived as pairs with an arrow that goes on to the step that followed, what was lost and what happened to the host as instants. The
 * world has counters: blocks with all copies, lacking some, without any, active data servers, what is in flight. Times are virtual, since the world began.
 */
#ifndef DFS_SIM_PERFETTO_H
#define DFS_SIM_PERFETTO_H

#include "sim/run.h"

#include <stdio.h>

struct sim_perfetto;

/* Adds the listener; in sim_run_options.attach. `file` stays the caller's, who looks at ferror. */
struct sim_perfetto *sim_perfetto_attach(struct sim_run *run, FILE *file);

/* Complete once the run has finished. */
void sim_perfetto_free(struct sim_perfetto *perfetto);

#endif
