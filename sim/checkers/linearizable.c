/*
 * reads_never_go_back: the ledger's (a read shows nothing older than what was certain when it was asked). The name is in the table for its sake.
 *
 * linearizable: per path, the versions given to changes agree with real time: a change that was asked after another one was certain has the higher
 * version, and no two changes have the same. Together with the ledger's rule for reads that is linearizability of each path as a register,
 * since every answer names its place in the order.
 */
#include "core/base/mem.h"
#include "sim/checkers/checkers.h"

struct change {
    uint64_t version; /* first: the key */
    uint64_t operation;
};

struct state {
    struct dfs_map by_version;
    struct change **all;
    size_t count;
    size_t room;
};

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    dfs_map_init(&state->by_version, offsetof(struct change, version), sizeof(uint64_t), 0);
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    for (size_t i = 0; i < state->count; i++)
        dfs_free(state->all[i]);
    dfs_free(state->all);
    dfs_map_close(&state->by_version);
}

static void note_version(struct sim_run *run, struct state *state, const struct sim_operation *operation)
{
    const struct change *other = dfs_map_find(&state->by_version, &operation->version);

    if (other != NULL) {
        sim_run_violation(run, "linearizable", NULL, "operations %llu and %llu were both given version %llu",
                          (unsigned long long)other->operation, (unsigned long long)operation->number,
                          (unsigned long long)operation->version);
        return;
    }
    struct change *change = dfs_alloc_zero(sizeof *change);

    change->version = operation->version;
    change->operation = operation->number;
    dfs_map_insert(&state->by_version, change);
    if (state->count == state->room) {
        state->room = state->room == 0 ? 64 : 2 * state->room;
        state->all = dfs_realloc_array(state->all, state->room, sizeof(struct change *));
    }
    state->all[state->count++] = change;
}

static void answered(struct sim_run *run, void *arg, const struct sim_operation *operation,
                     const struct dfs_client_result *result)
{
    const bool gives = operation->kind == SIM_OP_PUT || operation->kind == SIM_OP_ABORT_PUT ||
                       operation->kind == SIM_OP_MOVE || operation->kind == SIM_OP_RESTORE;

    (void)result;
    if (operation->answered_at == DFS_NEVER || operation->status != DFS_OK || !gives)
        return;
    if (operation->kind == SIM_OP_MOVE && operation->to_path == operation->path)
        return; /* changes nothing, and is answered with the version that is there */
    if (operation->version <= operation->floor_version)
        sim_run_violation(
            run, "linearizable", NULL,
            "operation %llu (%s of \"%s\") was given version %llu, though version %llu was certain before it was asked",
            (unsigned long long)operation->number, sim_operation_name(operation->kind), operation->path->name,
            (unsigned long long)operation->version, (unsigned long long)operation->floor_version);
    note_version(run, arg, operation);
}

const struct sim_checker sim_checker_reads_never_go_back = {.name = "reads_never_go_back", .state_bytes = 1};

const struct sim_checker sim_checker_linearizable = {
    .name = "linearizable",
    .state_bytes = sizeof(struct state),
    .hooks = {.init = init, .close = close_state, .answered = answered}};
