/*
 * paths.h - what may happen to the machines: every (machine, state, event, next state) that core declares, and how people say it.
 *
 * `dfs-sim paths` prints them; coverage/paths holds what runs and tests have taken against them.
 */
#ifndef DFS_SIM_PATHS_H
#define DFS_SIM_PATHS_H

#include "core/base/gate.h"

#include <jansson.h>

struct sim_role_gates {
    const char *role;
    const struct dfs_gate *const *gates; /* the end is NULL */
};

/* Those of auth, metadata, data and client; the end has a NULL role. */
extern const struct sim_role_gates sim_role_gates[];

/*
 * A new list of machines: {"machine", "role", "who", "states": [...], "paths": [[from, event, to], ...], "events": {event: {"kind", "words"}}} in the
 * order of their declaration. `words`: what the machine did when the event came, as in "has never ...".
 */
json_t *sim_paths_json(void);

/* "auth  login" and under it one path a line, on standard output. */
void sim_paths_print(void);

#endif
