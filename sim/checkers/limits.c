/*
 * limits: copies of repair under way stay within repair_per_source, repair_per_target and repair_total.
 */
#include "core/base/mem.h"
#include "sim/checkers/checkers.h"

#include <string.h>

struct state {
    uint32_t *sources; /* copies under way, by data server */
    uint32_t *targets;
    uint32_t total;
};

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    state->sources = dfs_alloc_zero((run->cluster->options.data + 1) * sizeof *state->sources);
    state->targets = dfs_alloc_zero((run->cluster->options.data + 1) * sizeof *state->targets);
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    dfs_free(state->sources);
    dfs_free(state->targets);
}

static void over(struct sim_run *run, const char *what, uint32_t node, uint32_t count, int64_t limit)
{
    sim_run_violation(run, "limits", run->cluster->meta.host, "%u copies run %s d%u; the limit is %lld", count, what,
                      node + 1, (long long)limit);
}

static void on_trace(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    struct state *state = arg;
    const struct dfs_settings *settings = &run->cluster->options.settings;
    const uint32_t target = sim_checker_data_index(run, &trace->node);
    const uint32_t source = sim_checker_data_index(run, &trace->node2);

    (void)host;
    if (target == UINT32_MAX || source == UINT32_MAX)
        return;
    if (trace->kind == DFS_TRACE_REPAIR_DONE) {
        state->total -= state->total > 0;
        state->sources[source] -= state->sources[source] > 0;
        state->targets[target] -= state->targets[target] > 0;
        return;
    }
    if (++state->sources[source] > settings->repair_per_source)
        over(run, "from", source, state->sources[source], settings->repair_per_source);
    if (++state->targets[target] > settings->repair_per_target)
        over(run, "to", target, state->targets[target], settings->repair_per_target);
    if (++state->total > settings->repair_total)
        sim_run_violation(run, "limits", run->cluster->meta.host, "%u copies run in all; the limit is %lld",
                          state->total, (long long)settings->repair_total);
}

static void on_host(struct sim_run *run, void *arg, struct sim_host *host, enum sim_host_change change)
{
    struct state *state = arg;

    if (host != run->cluster->meta.host || change != SIM_HOST_STARTED)
        return;
    memset(state->sources, 0, run->cluster->options.data * sizeof *state->sources);
    memset(state->targets, 0, run->cluster->options.data * sizeof *state->targets);
    state->total = 0;
}

const struct sim_checker sim_checker_limits = {
    .name = "limits",
    .state_bytes = sizeof(struct state),
    .hooks = {.init = init,
              .close = close_state,
              .traces = 1u << DFS_TRACE_REPAIR_STARTED | 1u << DFS_TRACE_REPAIR_DONE,
              .trace = on_trace,
              .host_changed = on_host}};
