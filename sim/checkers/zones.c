/*
 * zones: a write grant, and a copy that repair makes, goes to as many zones as it can. Counted are zones with a server that could certainly have been taken: ACTIVE for
 * a while, not suspected, touched by no fault, with half of its disk free. Who else is eligible is metadata's to know. A server that is a suspect gets nothing; but nobody may
 * stay one for ever.
 */
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/wire/grant.h"
#include "sim/checkers/checkers.h"
#include "sim/copies.h"
#include "sim/nemesis.h"

#include <string.h>

/* Intervals for which a server must have been without reproach. */
#define CALM_INTERVALS 4

/*
 * Who is a suspect may be left out for so long. The longest that it takes without any new fault: half of a control connection was dead, which metadata finds out by what does not
 * come, and only metadata knows; ten intervals until it stops to acknowledge, three until the server finds itself without a lease and joins again, which it tries every five at the latest.
 */
#define SUSPECT_INTERVALS_MAX 20

/* A place that failed is avoided for a while, and then a worse zone is right: no copy is judged so long after one that failed. */
#define TROUBLE_NS (60 * DFS_SECONDS)

#define ZONES_MAX 64 /* bits of a set */

/* Copies that may be under way for the same block: their targets' zones are taken. */
#define ORDERS_MAX 256

struct order {
    struct dfs_block_id block;
    uint64_t zone;
};

/*
 * Grants are judged when they are new; those of an upload that waits are sent again and again, for half a minute and longer. Thousands are remembered, in sets by
 * their hash: one is forgotten when as many newer ones as a set has ways have fallen into the same.
 */
#define GRANT_SETS 512
#define GRANT_WAYS 8

struct grant_set {
    struct dfs_block_id blocks[GRANT_WAYS]; /* the one sent last comes first */
};

struct state {
    struct grant_set grants[GRANT_SETS];
    struct order orders[ORDERS_MAX];
    size_t orders_next;
    dfs_time_ns *suspected_at;
    uint64_t *free_bytes; /* as the newest heartbeat that arrived said */
    dfs_time_ns trouble_at;
};

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    state->suspected_at = dfs_alloc_zero_array(run->cluster->options.data + 1, sizeof *state->suspected_at);
    state->free_bytes = dfs_alloc_zero_array(run->cluster->options.data + 1, sizeof *state->free_bytes);
    for (uint32_t i = 0; i < run->cluster->options.data; i++)
        state->suspected_at[i] = DFS_NEVER;
    state->trouble_at = DFS_NEVER;
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    dfs_free(state->suspected_at);
    dfs_free(state->free_bytes);
}

static uint64_t zone_bit(const struct sim_run *run, uint32_t data)
{
    return UINT64_C(1) << data % run->cluster->options.zones;
}

/* A suspect, or one that joins again. */
static bool is_no_target(const struct sim_run *run, uint32_t data)
{
    const struct dfs_meta *meta = sim_cluster_meta(run->cluster);
    struct dfs_meta_node_view view;

    for (size_t i = 0; meta != NULL && dfs_meta_node_at(meta, i, &view); i++) {
        if (sim_checker_data_index(run, &view.node) == data)
            return view.state != DFS_NODE_ACTIVE;
    }
    return false;
}

/* Under suspicion, or a moment ago: a heartbeat may have missed, a connection may have gone. */
static bool is_excused(const struct sim_run *run, const struct state *state, uint32_t data)
{
    const dfs_duration_ns interval = (dfs_duration_ns)run->cluster->options.settings.heartbeat_interval_ns;
    const dfs_time_ns since = state->suspected_at[data];

    if (since == DFS_NEVER)
        return false;
    const dfs_duration_ns past = sim_world_now(run->world) - since;

    return past < CALM_INTERVALS * interval || (past < SUSPECT_INTERVALS_MAX * interval && is_no_target(run, data));
}

static bool is_certain(struct sim_run *run, const struct state *state, uint32_t data)
{
    const dfs_duration_ns calm = CALM_INTERVALS * (dfs_duration_ns)run->cluster->options.settings.heartbeat_interval_ns;
    const dfs_time_ns now = sim_world_now(run->world);
    const dfs_time_ns since = sim_copies_active_since(run, data);

    if (since == DFS_NEVER || now - since < calm ||
        (run->nemesis != NULL && sim_nemesis_touches(run->nemesis, 2 + data, calm)))
        return false;
    return state->free_bytes[data] >= run->cluster->options.capacity_bytes / 2 && !is_excused(run, state, data);
}

static bool is_judged(const struct sim_run *run)
{
    return run->zero != DFS_NEVER && run->cluster->options.zones > 1 && run->cluster->options.zones <= ZONES_MAX;
}

/* Was it sent before? From now on it was. */
static bool is_sent_again(struct state *state, const struct dfs_block_id *block)
{
    struct dfs_block_id *blocks = state->grants[dfs_hash64(0, block, sizeof *block) % GRANT_SETS].blocks;
    size_t at = 0;

    while (at < GRANT_WAYS && memcmp(&blocks[at], block, sizeof *block) != 0)
        at++;
    const bool again = at < GRANT_WAYS;

    memmove(&blocks[1], &blocks[0], (again ? at : GRANT_WAYS - 1) * sizeof blocks[0]);
    blocks[0] = *block;
    return again;
}

/* A later generation avoids who failed, and fewer copies than wanted are what there was. */
static bool is_first_choice(const struct sim_run *run, const struct dfs_block_id *block, uint32_t copies)
{
    return block->generation == 1 && copies >= (uint32_t)run->cluster->options.settings.replication;
}

static void check_grant(struct sim_run *run, struct state *state, const struct dfs_w_grant *grant)
{
    const struct dfs_block_id block = {grant->block.file, grant->block.index, grant->block.generation};
    uint64_t used = 0;
    uint64_t there = 0;

    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        const uint32_t node = sim_checker_data_index(run, &grant->replicas[i].node);

        used |= node != UINT32_MAX ? zone_bit(run, node) : 0;
    }
    const uint32_t has = (uint32_t)__builtin_popcountll(used);

    if (is_sent_again(state, &block) || has >= grant->replicas_count || has >= run->cluster->options.zones ||
        !is_first_choice(run, &block, grant->replicas_count))
        return;
    for (uint32_t i = 0; i < run->cluster->options.data; i++)
        there |= is_certain(run, state, i) ? zone_bit(run, i) : 0;
    if ((there & ~used) != 0)
        sim_run_violation(run, "zones", run->cluster->meta.host,
                          "block %u was placed in %u zones for %u copies, though another zone has a server that is fit",
                          grant->block.index, has, grant->replicas_count);
}

static void on_plan(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_plan *plan = seen->body;

    (void)when;
    for (uint32_t i = 0; plan != NULL && is_judged(run) && i < plan->grants_count; i++)
        check_grant(run, arg, &plan->grants[i]);
}

static void on_placed(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_placed *placed = seen->body;

    (void)when;
    for (uint32_t i = 0; placed != NULL && is_judged(run) && i < placed->grants_count; i++)
        check_grant(run, arg, &placed->grants[i]);
}

static uint64_t ordered(const struct state *state, const struct dfs_block_id *block)
{
    uint64_t zones = 0;

    for (size_t i = 0; i < ORDERS_MAX; i++)
        zones |= memcmp(&state->orders[i].block, block, sizeof *block) == 0 ? state->orders[i].zone : 0;
    return zones;
}

static void on_copy(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_copy *copy = seen->body;
    struct state *state = arg;
    uint64_t used = 0;
    uint64_t maybe = 0;
    uint64_t there = 0;

    (void)when;
    if (copy == NULL || !is_judged(run) ||
        (state->trouble_at != DFS_NEVER && sim_world_now(run->world) - state->trouble_at < TROUBLE_NS))
        return;
    const struct dfs_w_block *id = &copy->order.block;
    const struct dfs_block_id block_id = {id->file, id->index, id->generation};
    const struct sim_block *block = sim_copies_block(run->copies, &block_id);
    const uint32_t target = sim_checker_data_index(run, &copy->order.target);

    /* Beside a copy on a server without doubt. Where one may be that metadata still counts on, a copy is not wanted either. */
    for (uint32_t i = 0; block != NULL && i < block->holders_count; i++) {
        const uint32_t holder = block->holders[i].data;

        if (holder == target)
            continue;
        maybe |= zone_bit(run, holder);
        if (is_certain(run, state, holder) && sim_copies_has(run, holder, block))
            used |= zone_bit(run, holder);
    }
    if (target == UINT32_MAX)
        return;
    const bool beside = (used & zone_bit(run, target)) != 0;

    used |= maybe | (beside ? ordered(state, &block_id) : 0);
    state->orders[state->orders_next++ % ORDERS_MAX] = (struct order){block_id, zone_bit(run, target)};
    for (uint32_t i = 0; beside && i < run->cluster->options.data; i++)
        there |= is_certain(run, state, i) ? zone_bit(run, i) : 0;
    if ((there & ~used) != 0)
        sim_run_violation(
            run, "zones", run->cluster->meta.host,
            "block %u is copied into the zone of another copy, though another zone has a server that is fit",
            id->index);
}

static void on_copy_done(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_copy_done *done = seen->body;
    struct state *state = arg;

    (void)when;
    if (done != NULL && done->status != DFS_OK)
        state->trouble_at = sim_world_now(run->world);
}

static void on_heartbeat(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_heartbeat *beat = seen->body;
    const uint32_t index =
        beat == NULL || seen->message->injected ? UINT32_MAX : sim_checker_data_index(run, &beat->node);
    struct state *state = arg;

    (void)when;
    if (index != UINT32_MAX)
        state->free_bytes[index] = beat->fenced ? 0 : beat->free_bytes;
}

static void on_trace(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    const uint32_t index = sim_checker_data_index(run, &trace->node);
    struct state *state = arg;

    (void)host;
    if (trace->kind == DFS_TRACE_REPAIR_DONE) {
        if (trace->status != DFS_OK)
            state->trouble_at = sim_world_now(run->world);
    } else if (index != UINT32_MAX) {
        state->suspected_at[index] = sim_world_now(run->world);
    }
}

static const struct sim_message_hook messages[] = {
    {.number = DFS_MSG_PUT_PLAN, .when = SIM_SENT, .seen = on_plan},
    {.number = DFS_MSG_PUT_PLACED, .when = SIM_SENT, .seen = on_placed},
    {.number = DFS_MSG_COPY, .when = SIM_SENT, .seen = on_copy},
    {.number = DFS_MSG_COPY_DONE, .when = SIM_DELIVERED, .seen = on_copy_done},
    {.number = DFS_MSG_HEARTBEAT, .when = SIM_DELIVERED, .seen = on_heartbeat},
};

const struct sim_checker sim_checker_zones = {
    .name = "zones",
    .state_bytes = sizeof(struct state),
    .hooks = {.init = init,
              .close = close_state,
              .traces = 1u << DFS_TRACE_SUSPECTED | 1u << DFS_TRACE_REPAIR_DONE,
              .trace = on_trace,
              .messages = messages,
              .messages_count = sizeof messages / sizeof messages[0]}};
