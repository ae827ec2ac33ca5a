/*
 * one_primary: the primary of a block (file, index, generation) never changes: every write grant for it names the same one first; receipts come only from nodes of
 * its grants. failures.md S25.
 * zones: while every data server is up and nobody was refused, a write grant spreads over as many zones as there are. failures.md S15.
 */
#include "core/base/mem.h"
#include "core/wire/grant.h"
#include "sim/checkers/checkers.h"

struct granted {
    struct dfs_block_id block; /* first: the key */
    uint32_t nodes[DFS_REPLICAS_MAX];
    uint32_t nodes_count;
};

struct state {
    struct dfs_map blocks;
    struct granted **all;
    size_t count;
    size_t room;
};

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    dfs_map_init(&state->blocks, offsetof(struct granted, block), sizeof(struct dfs_block_id), 0);
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    for (size_t i = 0; i < state->count; i++)
        dfs_free(state->all[i]);
    dfs_free(state->all);
    dfs_map_close(&state->blocks);
}

static void note_grant(struct sim_run *run, struct state *state, const struct dfs_w_grant *grant)
{
    const struct dfs_block_id block = {grant->block.file, grant->block.index, grant->block.generation};
    struct granted *granted = dfs_map_find(&state->blocks, &block);

    if (grant->operation != DFS_GRANT_WRITE || grant->replicas_count == 0)
        return;
    const uint32_t primary = sim_checker_data_index(run, &grant->replicas[0].node);

    if (granted == NULL) {
        granted = dfs_alloc_zero(sizeof *granted);
        granted->block = block;
        for (uint32_t i = 0; i < grant->replicas_count; i++)
            granted->nodes[granted->nodes_count++] = sim_checker_data_index(run, &grant->replicas[i].node);
        dfs_map_insert(&state->blocks, granted);
        if (state->count == state->room) {
            state->room = state->room == 0 ? 64 : 2 * state->room;
            state->all = dfs_realloc_array(state->all, state->room, sizeof(struct granted *));
        }
        state->all[state->count++] = granted;
        return;
    }
    if (granted->nodes[0] != primary)
        sim_run_violation(run, "one_primary", run->cluster->meta.host,
                          "two primaries were granted for block %u, generation %u of one file: d%u and d%u",
                          block.index, block.generation, granted->nodes[0] + 1, primary + 1);
}

static void on_plan(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_plan *plan = seen->body;

    (void)when;
    for (uint32_t i = 0; plan != NULL && i < plan->grants_count; i++)
        note_grant(run, arg, &plan->grants[i]);
}

static void on_placed(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_placed *placed = seen->body;

    (void)when;
    for (uint32_t i = 0; placed != NULL && i < placed->grants_count; i++)
        note_grant(run, arg, &placed->grants[i]);
}

static void on_written(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_block_written *written = seen->body;
    struct state *state = arg;

    (void)when;
    if (written == NULL || sim_checker_role(run, seen->message->to) != DFS_ROLE_CLIENT)
        return;
    const struct dfs_block_id block = {written->block.file, written->block.index, written->block.generation};
    const struct granted *granted = dfs_map_find(&state->blocks, &block);

    for (uint32_t i = 0; i < written->receipts_count; i++) {
        const uint32_t node = sim_checker_data_index(run, &written->receipts[i].node);
        bool named = false;

        for (uint32_t k = 0; granted != NULL && k < granted->nodes_count; k++)
            named |= granted->nodes[k] == node;
        if (!named)
            sim_run_violation(run, "one_primary", seen->message->from,
                              "a receipt for block %u came from a node that its grant does not name", block.index);
    }
}

static const struct sim_message_hook one_primary_messages[] = {
    {.number = DFS_MSG_PUT_PLAN, .when = SIM_SENT, .seen = on_plan},
    {.number = DFS_MSG_PUT_PLACED, .when = SIM_SENT, .seen = on_placed},
    {.number = DFS_MSG_BLOCK_WRITTEN, .when = SIM_SENT, .seen = on_written},
};

const struct sim_checker sim_checker_one_primary = {
    .name = "one_primary",
    .state_bytes = sizeof(struct state),
    .hooks = {.init = init,
              .close = close_state,
              .messages = one_primary_messages,
              .messages_count = sizeof one_primary_messages / sizeof one_primary_messages[0]}};

/* zones ------------------------------------------------------------------------------------------------------------------ */

struct zones {
    bool disturbed; /* some fault has touched the cluster: who is eligible is metadata's to know */
};

static void zones_fault(struct sim_run *run, void *arg, size_t index, const struct sim_fault *fault,
                        struct sim_host *host, bool begins)
{
    struct zones *zones = arg;

    (void)run, (void)index, (void)fault, (void)host, (void)begins;
    zones->disturbed = true;
}

static void zones_plan(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_plan *plan = seen->body;
    const struct zones *zones = arg;
    const uint32_t parts = run->cluster->options.zones;
    const uint32_t there = run->cluster->options.zones < run->cluster->options.data ? run->cluster->options.zones
                                                                                    : run->cluster->options.data;

    (void)when;
    if (plan == NULL || zones->disturbed || run->zero == DFS_NEVER || there > 64 || parts == 0)
        return;
    for (uint32_t i = 0; i < plan->grants_count; i++) {
        const struct dfs_w_grant *grant = &plan->grants[i];
        uint64_t used = 0;

        for (uint32_t k = 0; k < grant->replicas_count; k++) {
            const uint32_t node = sim_checker_data_index(run, &grant->replicas[k].node);

            if (node != UINT32_MAX)
                used |= UINT64_C(1) << node % parts;
        }
        const uint32_t wanted = grant->replicas_count < there ? grant->replicas_count : there;

        if ((uint32_t)__builtin_popcountll(used) < wanted)
            sim_run_violation(run, "zones", run->cluster->meta.host,
                              "block %u was placed in %d of %u zones for %u copies", grant->block.index,
                              __builtin_popcountll(used), there, grant->replicas_count);
    }
}

static const struct sim_message_hook zones_messages[] = {
    {.number = DFS_MSG_PUT_PLAN, .when = SIM_SENT, .seen = zones_plan},
};

const struct sim_checker sim_checker_zones = {
    .name = "zones",
    .state_bytes = sizeof(struct zones),
    .hooks = {.messages = zones_messages, .messages_count = 1, .fault = zones_fault}};
