/*
 * trace.h - short forms of env->trace.
 */
#ifndef DFS_CORE_ENV_TRACE_H
#define DFS_CORE_ENV_TRACE_H

#include "core/env/env.h"

static inline void dfs_trace_put(const struct dfs_env *env, const struct dfs_trace *trace)
{
    env->trace->trace(env->ctx, trace);
}

static inline void dfs_trace_state(const struct dfs_env *env, const char *machine, const char *from, const char *to,
                                   const char *why)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_STATE, .text = machine, .text2 = from, .text3 = to, .text4 = why};

    dfs_trace_put(env, &trace);
}

/* For DFS_GATE_STAY. */
static inline void dfs_trace_stay(const struct dfs_env *env, const char *machine, const char *state, const char *why)
{
    const struct dfs_trace trace = {
        .kind = DFS_TRACE_STAY, .text = machine, .text2 = state, .text3 = state, .text4 = why};

    dfs_trace_put(env, &trace);
}

/* For people; never a secret. */
static inline void dfs_trace_note(const struct dfs_env *env, enum dfs_status status, const char *text)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_NOTE, .status = status, .text = text};

    dfs_trace_put(env, &trace);
}

#endif
