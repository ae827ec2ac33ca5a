/*
 * listen.h - hands what happens in a run to its listeners: who wants nothing of a kind costs nothing of it.
 *
 * For run.c, the workload and the nemesis; listeners themselves see only run.h.
 */
#ifndef DFS_SIM_LISTEN_H
#define DFS_SIM_LISTEN_H

#include "sim/run.h"

struct sim_listeners *sim_listeners_new(struct sim_run *run);
void sim_listeners_free(struct sim_listeners *listeners); /* calls `close` of all */

/* A listener whose state (zeroed, of that size) belongs to the listeners; returns it. */
void *sim_listeners_add_owned(struct sim_run *run, const char *name, const struct sim_hooks *hooks, size_t state_bytes);

/* All are there: begins to observe the world, and calls `init` of all. */
void sim_listeners_begin(struct sim_run *run);

/* Once time 0 has come. */
void sim_tell_begun(struct sim_run *run);
void sim_tell_asked(struct sim_run *run, const struct sim_operation *operation);
void sim_tell_answered(struct sim_run *run, const struct sim_operation *operation,
                       const struct dfs_client_result *result);
void sim_tell_fault(struct sim_run *run, size_t index, const struct sim_fault *fault, struct sim_host *host,
                    bool begins);
bool sim_ask_at_rest(struct sim_run *run, char *why, size_t room);
void sim_tell_end(struct sim_run *run, bool settled);
void sim_tell_finish(struct sim_run *run);

#endif
