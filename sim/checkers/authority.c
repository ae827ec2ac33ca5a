/*
 * authority: nothing is served or changed without a valid token and grant. An operation with a bad token that succeeds is the ledger's; here stand
 *   - metadata and data servers answer a client's requests only on a connection that has shown a token which auth gave to this very client, and which had not
 *     expired when it was shown;
 *   - nobody is a member before the end of its inventory;
 *   - metadata acknowledges heartbeats of the newest incarnation it gave, and of no other: not of an older life, not of an evicted one, not a
 *     forged or replayed datagram that says something new.
 */
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "sim/checkers/checkers.h"

/* Connections that have shown a token: numbers only grow, so a ring of the newest ones would forget living ones; a map keeps them. */
struct shown {
    uint64_t conn; /* first: the key */
};

/* A token that auth gave. */
struct given {
    uint64_t hash; /* first: the key; of its text */
    uint32_t host; /* whom it was given to */
    uint64_t expires_s;
};

/* Beyond the leeway of the servers a token's seconds are rounded. */
#define EXPIRY_SLACK_S 2

struct member {
    uint64_t incarnation; /* newest that JOINED named */
    bool evicted;
    bool told;     /* its inventory has come to the end */
    uint64_t sent; /* newest sequence that the server itself sent in this incarnation */
};

struct state {
    struct dfs_map shown;
    struct shown **all;
    size_t count;
    size_t room;
    struct dfs_map given;
    struct given **tokens;
    size_t tokens_count;
    size_t tokens_room;
    struct member *members;
};

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    dfs_map_init(&state->shown, offsetof(struct shown, conn), sizeof(uint64_t), 0);
    dfs_map_init(&state->given, offsetof(struct given, hash), sizeof(uint64_t), 0);
    state->members = dfs_alloc_zero((run->cluster->options.data + 1) * sizeof *state->members);
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    for (size_t i = 0; i < state->count; i++)
        dfs_free(state->all[i]);
    for (size_t i = 0; i < state->tokens_count; i++)
        dfs_free(state->tokens[i]);
    dfs_free(state->tokens);
    dfs_free(state->all);
    dfs_free(state->members);
    dfs_map_close(&state->shown);
    dfs_map_close(&state->given);
}

static void on_token(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_token *token = seen->body;
    struct state *state = arg;

    (void)when;
    if (token == NULL || seen->message->from != run->cluster->auth.host)
        return;
    const uint64_t hash = dfs_hash64(1, token->token.at, token->token.count);

    if (dfs_map_find(&state->given, &hash) != NULL)
        return;
    struct given *given = dfs_alloc_zero(sizeof *given);

    *given = (struct given){
        .hash = hash, .host = sim_run_host_number(run, seen->message->to), .expires_s = token->expires_s};
    dfs_map_insert(&state->given, given);
    if (state->tokens_count == state->tokens_room) {
        state->tokens_room = state->tokens_room == 0 ? 16 : 2 * state->tokens_room;
        state->tokens = dfs_realloc_array(state->tokens, state->tokens_room, sizeof(struct given *));
    }
    state->tokens[state->tokens_count++] = given;
}

/* Did auth give it to this host, and is it good by the clock of whom it is shown to? */
static bool is_good(const struct sim_run *run, const struct state *state, const struct sim_message *message,
                    const struct dfs_m_hello *hello)
{
    const uint64_t hash = dfs_hash64(1, hello->token.at, hello->token.count);
    const struct given *given = dfs_map_find(&state->given, &hash);
    const uint64_t leeway_s = (uint64_t)run->cluster->options.settings.token_leeway_ns / DFS_SECONDS + EXPIRY_SLACK_S;

    return given != NULL && given->host == sim_run_host_number(run, message->from) &&
           (uint64_t)sim_host_wall(message->to) / DFS_SECONDS <= given->expires_s + leeway_s;
}

static void on_hello(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_hello *hello = seen->body;
    struct state *state = arg;

    (void)when;
    if (hello == NULL || hello->token.count == 0 || dfs_map_find(&state->shown, &seen->message->conn) != NULL ||
        !is_good(run, state, seen->message, hello))
        return;
    struct shown *shown = dfs_alloc_zero(sizeof *shown);

    shown->conn = seen->message->conn;
    dfs_map_insert(&state->shown, shown);
    if (state->count == state->room) {
        state->room = state->room == 0 ? 64 : 2 * state->room;
        state->all = dfs_realloc_array(state->all, state->room, sizeof(struct shown *));
    }
    state->all[state->count++] = shown;
}

static void on_answer(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    struct state *state = arg;

    (void)when;
    if (sim_checker_role(run, seen->message->to) != DFS_ROLE_CLIENT ||
        dfs_map_find(&state->shown, &seen->message->conn) != NULL)
        return;
    sim_run_violation(run, "authority", seen->message->from,
                      "answered %s to a client that has shown no good token of its own on this connection",
                      dfs_message_name(seen->number));
}

static void on_joined(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_joined *joined = seen->body;
    struct sim_node *node = seen->message->to == NULL ? NULL : sim_cluster_node(run->cluster, seen->message->to);
    struct state *state = arg;

    (void)when;
    if (joined == NULL || node == NULL)
        return;
    const uint32_t index = sim_checker_data_index(run, &node->id);

    if (index == UINT32_MAX)
        return;
    struct member *member = &state->members[index];

    if (joined->incarnation <= member->incarnation)
        sim_run_violation(run, "authority", run->cluster->meta.host, "gave d%u incarnation %llu after %llu", index + 1,
                          (unsigned long long)joined->incarnation, (unsigned long long)member->incarnation);
    *member = (struct member){.incarnation = joined->incarnation};
}

static void on_heartbeat(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_heartbeat *beat = seen->body;
    struct state *state = arg;

    (void)when;
    if (beat == NULL || seen->message->injected)
        return;
    const uint32_t index = sim_checker_data_index(run, &beat->node);

    if (index == UINT32_MAX || beat->incarnation != state->members[index].incarnation)
        return;
    if (beat->sequence > state->members[index].sent)
        state->members[index].sent = beat->sequence;
}

static void on_ack(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_heartbeat_ack *ack = seen->body;
    struct state *state = arg;

    (void)when;
    if (ack == NULL || seen->message->injected || seen->message->from != run->cluster->meta.host)
        return;
    const uint32_t index = sim_checker_data_index(run, &ack->node);

    if (index == UINT32_MAX) {
        sim_run_violation(run, "authority", seen->message->from,
                          "acknowledged a heartbeat of a node that was never in the cluster");
        return;
    }
    const struct member *member = &state->members[index];

    if (ack->incarnation != member->incarnation)
        sim_run_violation(run, "authority", seen->message->from,
                          "acknowledged a heartbeat of d%u's incarnation %llu; the newest is %llu", index + 1,
                          (unsigned long long)ack->incarnation, (unsigned long long)member->incarnation);
    else if (member->evicted)
        sim_run_violation(run, "authority", seen->message->from, "acknowledged a heartbeat of d%u, which is evicted",
                          index + 1);
    else if (ack->sequence > member->sent)
        sim_run_violation(run, "authority", seen->message->from,
                          "acknowledged heartbeat %llu of d%u, which it never sent", (unsigned long long)ack->sequence,
                          index + 1);
}

static void on_trace(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    struct state *state = arg;
    const uint32_t index = sim_checker_data_index(run, &trace->node);

    if (index == UINT32_MAX || trace->a != state->members[index].incarnation)
        return;
    if (trace->kind == DFS_TRACE_EVICTED)
        state->members[index].evicted = true;
    else if (!state->members[index].told)
        sim_run_violation(run, "authority", host, "made d%u a member before it had told all that it has", index + 1);
}

static void on_told(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct sim_node *node = sim_cluster_node(run->cluster, seen->message->from);
    const uint32_t index = node == NULL ? UINT32_MAX : sim_checker_data_index(run, &node->id);
    struct state *state = arg;

    (void)when;
    if (index != UINT32_MAX)
        state->members[index].told = true;
}

static const struct sim_message_hook messages[] = {
    {.number = DFS_MSG_INVENTORY_END, .when = SIM_DELIVERED, .seen = on_told},
    {.number = DFS_MSG_TOKEN, .when = SIM_SENT, .seen = on_token},
    {.number = DFS_MSG_HELLO, .when = SIM_DELIVERED, .seen = on_hello},
    {.number = DFS_MSG_PUT_PLAN, .when = SIM_SENT | SIM_BLIND, .seen = on_answer},
    {.number = DFS_MSG_PUT_PLACED, .when = SIM_SENT | SIM_BLIND, .seen = on_answer},
    {.number = DFS_MSG_PUT_DONE, .when = SIM_SENT | SIM_BLIND, .seen = on_answer},
    {.number = DFS_MSG_GET_PLAN, .when = SIM_SENT | SIM_BLIND, .seen = on_answer},
    {.number = DFS_MSG_STAT_DONE, .when = SIM_SENT | SIM_BLIND, .seen = on_answer},
    {.number = DFS_MSG_LIST_PAGE, .when = SIM_SENT | SIM_BLIND, .seen = on_answer},
    {.number = DFS_MSG_CHANGED, .when = SIM_SENT | SIM_BLIND, .seen = on_answer},
    {.number = DFS_MSG_BLOCK_DATA, .when = SIM_SENT | SIM_BLIND, .seen = on_answer},
    {.number = DFS_MSG_BLOCK_WRITTEN, .when = SIM_SENT | SIM_BLIND, .seen = on_answer},
    {.number = DFS_MSG_JOINED, .when = SIM_SENT, .seen = on_joined},
    {.number = DFS_MSG_HEARTBEAT, .when = SIM_SENT, .seen = on_heartbeat},
    {.number = DFS_MSG_HEARTBEAT_ACK, .when = SIM_SENT, .seen = on_ack},
};

const struct sim_checker sim_checker_authority = {.name = "authority",
                                                  .state_bytes = sizeof(struct state),
                                                  .hooks = {.init = init,
                                                            .close = close_state,
                                                            .traces = 1u << DFS_TRACE_EVICTED | 1u << DFS_TRACE_JOINED,
                                                            .trace = on_trace,
                                                            .messages = messages,
                                                            .messages_count = sizeof messages / sizeof messages[0]}};
