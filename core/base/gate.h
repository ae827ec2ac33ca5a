/*
 * gate.h - the one way to change a state: asserts that the edge is legal, traces it, says why; and what may happen to the machine behind it, as data.
 *
 *     #define PUT_PHASES(X) X(PLANNING) X(WRITING) X(COMMITTING) X(DONE) X(FAILED)
 *     static const struct dfs_path put_paths[] = {{PUT_PLANNING, "put_plan", TO(WRITING)}, ...};
 *     const struct dfs_gate put_gate = {"put", put_phase_names, put_edges, PUT_PHASE_COUNT, "a PUT", DFS_GATE_PATHS(put_paths)};
 *     DFS_GATE(env, &put_gate, put->phase, PUT_WRITING, "put_plan");   // then set the deadline of the new phase
 *
 * (machine, from, why, to) is a path. `why` names the event, a static string that core/wire/cause.h knows: a message's name in lower case, "timeout",
 * "closed", "disk", "command", or the name of a status. Edges are what a running machine asserts. Paths are for people and tools, and cost a running
 * machine nothing: path coverage holds those that were taken against them and says in words which never were.
 */
#ifndef DFS_CORE_BASE_GATE_H
#define DFS_CORE_BASE_GATE_H

#include "core/base/assert.h"

#include <stdint.h>

/* In state `from`, each of `events` (one or more, a blank between them) leads to one of the states in `to`: bits by number; the bit of `from` itself: it
 * stays, or begins the same state anew. */
struct dfs_path {
    unsigned from;
    const char *events;
    uint32_t to;
};

struct dfs_gate {
    const char *machine; /* one of its name in all of core */
    const char *const *names;
    const uint32_t *edges; /* edges[from] has bit `to` */
    unsigned count;        /* at most 32 states */
    const char *who;       /* in a sentence: "metadata's member" in DRAINING never ... */
    const struct dfs_path *paths;
    unsigned paths_count;
};

/* For the last two members of a gate. */
#define DFS_GATE_PATHS(paths_) .paths = (paths_), .paths_count = sizeof(paths_) / sizeof(paths_)[0]

/* `phase` is an lvalue of an enum type; env is a const struct dfs_env *. Needs core/env/trace.h. */
#define DFS_GATE(env, gate, phase, to, why) \
    do { \
        DFS_ASSERT(((gate)->edges[(phase)] >> (unsigned)(to)&1u) != 0); \
        dfs_trace_state((env), (gate)->machine, (gate)->names[(phase)], (gate)->names[(to)], (why)); \
        (phase) = (to); \
    } while (0)

/* `event` was handled and has left the machine in `phase`: said only when somebody counts paths. Needs core/env/trace.h. */
#define DFS_GATE_STAY(env, gate, phase, event) \
    do { \
        if ((env)->trace->stays) \
            dfs_trace_stay((env), (gate)->machine, (gate)->names[(phase)], (event)); \
    } while (0)

#endif
