/*
 * one_primary: the primary of a block (file, index, generation) never changes: every write grant for it names the same one first, and no server that the first did not name; the primary alone answers
 * a client's write, and receipts come only from nodes of its grant; a primary takes no write when two intervals have passed since it sent the newest heartbeat that
 * was acknowledged.
 */
#include "core/base/mem.h"
#include "core/wire/grant.h"
#include "sim/checkers/checkers.h"

#include <string.h>

struct granted {
    struct dfs_block_id block; /* first: the key */
    uint32_t nodes[DFS_REPLICAS_MAX];
    uint32_t nodes_count; /* 0: of a record that has none yet */
};

/* Clocks may drift, and a deadline is met by the step that comes after it. */
#define LEASE_TOLERANCE_PARTS 10

/* Writes that came to a server past its lease and are not answered yet: the oldest are forgotten. */
#define LATE_MAX 64

/* A data server's lease, as it can know it. */
struct lease {
    uint64_t incarnation;
    uint64_t sequence;   /* newest heartbeat that was sent */
    dfs_time_ns sent_at; /* for the first time */
    dfs_time_ns join_sent_at;
    dfs_time_ns from; /* the lease ends two intervals later; DFS_NEVER: it has none */
};

struct late {
    struct dfs_block_id block;
    uint32_t attempt;
    uint32_t node;
    uint64_t after_ns;
};

struct state {
    size_t part; /* of a file's record: struct granted of its first block, the only one of nearly every file */
    struct dfs_map blocks; /* of the others */
    struct granted **all;
    size_t count;
    size_t room;
    struct lease *leases; /* by data server */
    struct late late[LATE_MAX];
    size_t late_next;
    bool twins; /* two hosts share an identity: whose heartbeat it was cannot be said */
};

/* While the file rests: all of it, or else it does not. An answer, or a grant, of a write long ago is judged as ever. */
#define RESTING_NODES 4

struct resting {
    uint16_t nodes[RESTING_NODES];
    uint8_t nodes_count;
    uint8_t generation;
};

static enum sim_rest rest(void *arg, const void *part, uint8_t *ret_bytes)
{
    const struct granted *granted = part;
    struct resting resting = {.nodes_count = (uint8_t)granted->nodes_count,
                              .generation = (uint8_t)granted->block.generation};

    (void)arg;
    if (granted->nodes_count > RESTING_NODES || granted->block.index != 0 || granted->block.generation > UINT8_MAX)
        return SIM_REST_NO;
    for (uint32_t i = 0; i < granted->nodes_count; i++) {
        if (granted->nodes[i] > UINT16_MAX)
            return SIM_REST_NO;
        resting.nodes[i] = (uint16_t)granted->nodes[i];
    }
    memcpy(ret_bytes, &resting, sizeof resting);
    return SIM_REST_YES;
}

static void wake(void *arg, const struct dfs_id *file, void *part, const uint8_t *bytes)
{
    struct granted *granted = part;
    struct resting resting;

    (void)arg;
    memcpy(&resting, bytes, sizeof resting);
    if (resting.nodes_count == 0)
        return;
    granted->block = (struct dfs_block_id){*file, 0, resting.generation};
    granted->nodes_count = resting.nodes_count;
    for (uint32_t i = 0; i < resting.nodes_count && i < RESTING_NODES; i++)
        granted->nodes[i] = resting.nodes[i];
}

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    state->leases = dfs_alloc_zero_array(run->cluster->options.data + 1, sizeof *state->leases);
    for (uint32_t i = 0; i < run->cluster->options.data; i++)
        state->leases[i].from = DFS_NEVER;
    state->part = sim_files_part(&run->ledger.files, sizeof(struct granted),
                                 &(struct sim_resting){.bytes = sizeof(struct resting), .rest = rest, .wake = wake});
    dfs_map_init(&state->blocks, offsetof(struct granted, block), sizeof(struct dfs_block_id), 0);
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    for (size_t i = 0; i < state->count; i++)
        dfs_free(state->all[i]);
    dfs_free(state->all);
    dfs_free(state->leases);
    dfs_map_close(&state->blocks);
}

/* NULL: none was granted. */
static struct granted *granted_find(struct sim_run *run, const struct state *state, const struct dfs_block_id *block)
{
    struct sim_about *about = sim_files_find(&run->ledger.files, &block->file);
    struct granted *first = about == NULL ? NULL : sim_about_part(about, state->part);

    if (first == NULL || first->nodes_count == 0)
        return NULL;
    return memcmp(&first->block, block, sizeof *block) == 0 ? first : dfs_map_find(&state->blocks, block);
}

/* Of a block that has none. */
static struct granted *granted_new(struct sim_run *run, struct state *state, const struct dfs_block_id *block)
{
    struct granted *granted = sim_about_part(sim_files_of(&run->ledger.files, &block->file), state->part);

    if (granted->nodes_count == 0) {
        granted->block = *block;
        return granted;
    }
    granted = dfs_alloc_zero(sizeof *granted);
    granted->block = *block;
    dfs_map_insert(&state->blocks, granted);
    if (state->count == state->room) {
        state->room = state->room == 0 ? 64 : 2 * state->room;
        state->all = dfs_realloc_array(state->all, state->room, sizeof(struct granted *));
    }
    state->all[state->count++] = granted;
    return granted;
}

static void note_grant(struct sim_run *run, struct state *state, const struct dfs_w_grant *grant)
{
    const struct dfs_block_id block = {grant->block.file, grant->block.index, grant->block.generation};
    struct granted *granted = granted_find(run, state, &block);

    if (grant->operation != DFS_GRANT_WRITE || grant->replicas_count == 0)
        return;
    const uint32_t primary = sim_checker_data_index(run, &grant->replicas[0].node);

    if (granted == NULL) {
        granted = granted_new(run, state, &block);
        for (uint32_t i = 0; i < grant->replicas_count; i++)
            granted->nodes[granted->nodes_count++] = sim_checker_data_index(run, &grant->replicas[i].node);
        return;
    }
    bool known = true; /* those that went meanwhile may be left out */

    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        const uint32_t node = sim_checker_data_index(run, &grant->replicas[i].node);
        bool named = false;

        for (uint32_t k = 0; k < granted->nodes_count; k++)
            named |= granted->nodes[k] == node;
        known &= named;
    }
    if (!known && granted->nodes[0] == primary)
        sim_run_violation(run, "one_primary", run->cluster->meta.host,
                          "block %u, generation %u of one file was granted again, with other servers", block.index,
                          block.generation);
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

static void check_late(struct sim_run *run, const struct state *state, const struct dfs_m_block_written *written,
                       uint32_t node, struct sim_host *host)
{
    const struct dfs_block_id block = {written->block.file, written->block.index, written->block.generation};

    for (size_t i = 0; i < LATE_MAX; i++) {
        const struct late *late = &state->late[i];

        if (late->block.generation != 0 && late->node == node && late->attempt == written->attempt &&
            memcmp(&late->block, &block, sizeof block) == 0)
            sim_run_violation(run, "one_primary", host,
                              "took a write of block %u as its primary %llu ms after its lease had ended", block.index,
                              (unsigned long long)(late->after_ns / DFS_MILLISECONDS));
    }
}

static void on_written(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_block_written *written = seen->body;
    struct state *state = arg;

    (void)when;
    if (written == NULL || sim_checker_role(run, seen->message->to) != DFS_ROLE_CLIENT ||
        sim_checker_role(run, seen->message->from) != DFS_ROLE_DATA)
        return;
    const struct dfs_block_id block = {written->block.file, written->block.index, written->block.generation};
    const struct granted *granted = granted_find(run, state, &block);
    const uint32_t from = sim_run_host_number(run, seen->message->from) - 2;

    if (written->status == DFS_OK && granted != NULL && granted->nodes[0] != from)
        sim_run_violation(run, "one_primary", seen->message->from,
                          "answered a client's write of block %u, whose primary is d%u", block.index,
                          granted->nodes[0] + 1);
    if (written->status == DFS_OK)
        check_late(run, state, written, from, seen->message->from);
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

/* Leases --------------------------------------------------------------------------------------------------------------- */

static struct lease *lease_of(struct sim_run *run, struct state *state, const struct dfs_id *node)
{
    const uint32_t index = sim_checker_data_index(run, node);

    return index == UINT32_MAX ? NULL : &state->leases[index];
}

static void on_join(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_join *join = seen->body;
    struct lease *lease = join == NULL ? NULL : lease_of(run, arg, &join->node);

    (void)when;
    if (lease != NULL)
        lease->join_sent_at = sim_world_now(run->world);
}

static void on_joined(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_joined *joined = seen->body;
    const struct sim_node *node = sim_cluster_node(run->cluster, seen->message->to);
    struct lease *lease = joined == NULL || node == NULL ? NULL : lease_of(run, arg, &node->id);

    (void)when;
    if (lease != NULL)
        *lease = (struct lease){
            .incarnation = joined->incarnation, .join_sent_at = lease->join_sent_at, .from = lease->join_sent_at};
}

static void on_heartbeat(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_heartbeat *beat = seen->body;
    struct lease *lease = beat == NULL || seen->message->injected ? NULL : lease_of(run, arg, &beat->node);

    (void)when;
    if (lease == NULL || beat->incarnation != lease->incarnation || beat->sequence <= lease->sequence)
        return;
    lease->sequence = beat->sequence;
    lease->sent_at = sim_world_now(run->world);
}

static void on_ack(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_heartbeat_ack *ack = seen->body;
    struct lease *lease = ack == NULL || seen->message->injected ? NULL : lease_of(run, arg, &ack->node);

    (void)when;
    if (lease != NULL && ack->incarnation == lease->incarnation && ack->sequence == lease->sequence)
        lease->from = lease->sent_at;
}

static void on_write(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const dfs_duration_ns interval = (dfs_duration_ns)run->cluster->options.settings.heartbeat_interval_ns;
    const dfs_time_ns now = sim_world_now(run->world);
    struct state *state = arg;

    (void)when;
    if (state->twins || sim_checker_role(run, seen->message->to) != DFS_ROLE_DATA)
        return;
    const uint32_t node = sim_run_host_number(run, seen->message->to) - 2;
    const struct lease *lease = &state->leases[node];

    if (lease->from == DFS_NEVER || now <= lease->from + 2 * interval + interval / LEASE_TOLERANCE_PARTS)
        return;
    const struct dfs_m_block_write *write = sim_seen_body(run, seen);

    if (write == NULL || write->hop != 0)
        return;
    state->late[state->late_next++ % LATE_MAX] =
        (struct late){.block = {write->grant.block.file, write->grant.block.index, write->grant.block.generation},
                      .attempt = write->attempt,
                      .node = node,
                      .after_ns = now - lease->from - 2 * interval};
}

static void on_fault(struct sim_run *run, void *arg, size_t index, const struct sim_fault *fault, struct sim_host *host,
                     bool begins)
{
    struct state *state = arg;

    (void)run, (void)index, (void)host, (void)begins;
    state->twins = state->twins || fault->kind == SIM_FAULT_IMPERSONATE;
}

static const struct sim_message_hook one_primary_messages[] = {
    {.number = DFS_MSG_PUT_PLAN, .when = SIM_SENT, .seen = on_plan},
    {.number = DFS_MSG_PUT_PLACED, .when = SIM_SENT, .seen = on_placed},
    {.number = DFS_MSG_BLOCK_WRITTEN, .when = SIM_SENT, .seen = on_written},
    {.number = DFS_MSG_BLOCK_WRITE, .when = SIM_DELIVERED | SIM_BLIND, .seen = on_write},
    {.number = DFS_MSG_JOIN, .when = SIM_SENT, .seen = on_join},
    {.number = DFS_MSG_JOINED, .when = SIM_DELIVERED, .seen = on_joined},
    {.number = DFS_MSG_HEARTBEAT, .when = SIM_SENT, .seen = on_heartbeat},
    {.number = DFS_MSG_HEARTBEAT_ACK, .when = SIM_DELIVERED, .seen = on_ack},
};

const struct sim_checker sim_checker_one_primary = {
    .name = "one_primary",
    .state_bytes = sizeof(struct state),
    .hooks = {.init = init,
              .close = close_state,
              .fault = on_fault,
              .messages = one_primary_messages,
              .messages_count = sizeof one_primary_messages / sizeof one_primary_messages[0]}};
