/*
 * gate.h - the one way to change a state: asserts that the edge is legal, traces it, says why.
 *
 *     #define PUT_PHASES(X) X(PLANNING) X(WRITING) X(COMMITTING) X(DONE) X(FAILED)
 *     static const struct dfs_gate put_gate = {"put", put_phase_names, put_edges, PUT_PHASE_COUNT};
 *     DFS_GATE(env, &put_gate, put->phase, PUT_WRITING, "put_plan");   // then set the deadline of the new phase
 *
 * (machine, from, why, to) is what protocol-path coverage counts, so `why` names the event: a message's name in lower case, "timeout", "closed",
 * "disk", "command"; a static string.
 */
#ifndef DFS_CORE_BASE_GATE_H
#define DFS_CORE_BASE_GATE_H

#include "core/base/assert.h"

#include <stdint.h>

struct dfs_gate {
    const char *machine;
    const char *const *names;
    const uint32_t *edges; /* edges[from] has bit `to` */
    unsigned count;        /* at most 32 states */
};

/* `phase` is an lvalue of an enum type; env is a const struct dfs_env *. Needs core/env/trace.h. */
#define DFS_GATE(env, gate, phase, to, why) \
    do { \
        DFS_ASSERT(((gate)->edges[(phase)] >> (unsigned)(to)&1u) != 0); \
        dfs_trace_state((env), (gate)->machine, (gate)->names[(phase)], (gate)->names[(to)], (why)); \
        (phase) = (to); \
    } while (0)

#endif
