/*
 * ring: the KeyRing is a search tree, balanced, and holds exactly the ACTIVE and SUSPECT nodes. Looked at after every step of metadata in which membership
 * changed, and at the end. The one private state that a checker reads. A ring of more than POSITIONS_MAX positions is looked at every LARGE_EVERY-th change only: looking costs as
 * much as building it.
 */
#include "core/meta/keyring.h"
#include "core/meta/membership.h"
#include "sim/checkers/checkers.h"

#define POSITIONS_MAX 4096
#define LARGE_EVERY 64

struct state {
    bool changed;
    uint64_t changes;
};

static void on_trace(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    struct state *state = arg;

    (void)run;
    if (trace->kind == DFS_TRACE_STATE && __builtin_strcmp(trace->text, "member") != 0)
        return;
    state->changed = true;
    state->changes++;
    sim_host_hear_step(host);
}

static void look(struct sim_run *run)
{
    struct dfs_meta *meta = sim_cluster_meta(run->cluster);

    if (meta == NULL || !dfs_meta_is_ready(meta))
        return;
    const struct dfs_keyring *ring = dfs_meta_keyring(meta);
    struct dfs_meta_node_view view;
    uint32_t members = 0;

    if (!dfs_keyring_is_sound(ring)) {
        sim_run_violation(run, "ring", run->cluster->meta.host,
                          "the KeyRing of %zu positions is no balanced search tree of its members' positions",
                          ring->tree.count);
        return;
    }
    for (size_t i = 0; dfs_meta_node_at(meta, i, &view); i++)
        members += meta_member_in_ring(view.state);
    if (members != ring->members_count)
        sim_run_violation(run, "ring", run->cluster->meta.host,
                          "the KeyRing has %u members, but %u nodes are ACTIVE or SUSPECT", ring->members_count,
                          members);
}

static void after_step(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_event *event,
                       dfs_time_ns deadline)
{
    struct state *state = arg;

    (void)host, (void)event, (void)deadline;
    if (!state->changed)
        return;
    state->changed = false;
    const struct dfs_meta *meta = sim_cluster_meta(run->cluster);

    if (meta != NULL && dfs_meta_keyring(meta)->tree.count > POSITIONS_MAX && state->changes % LARGE_EVERY != 0)
        return;
    look(run);
}

static void end(struct sim_run *run, void *arg, bool settled)
{
    (void)arg, (void)settled;
    look(run);
}

const struct sim_checker sim_checker_ring = {.name = "ring",
                                             .state_bytes = sizeof(struct state),
                                             .hooks = {.traces = 1u << DFS_TRACE_JOINED | 1u << DFS_TRACE_EVICTED |
                                                                 1u << DFS_TRACE_SUSPECTED | 1u << DFS_TRACE_STATE,
                                                       .traces_of = 1u << DFS_ROLE_META,
                                                       .trace = on_trace,
                                                       .steps = 1u << DFS_ROLE_META,
                                                       .asks_for_steps = true,
                                                       .after_step = after_step,
                                                       .end = end}};
