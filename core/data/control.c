/*
 * control.c - the connection to metadata: JOIN until it is answered, RESUME when it broke, stop for good when
 * told so.
 *
 * JOIN is retried for ever, with a back-off of at most five intervals (HDFS-7009: one failed handshake, and
 * the node was silent until somebody restarted it).
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"

static const char *const node_names[] = {
#define X(name) #name,
    DATA_NODE_PHASES(X)
#undef X
};

#define TO(phase) (1u << DATA_NODE_##phase)
#define END (TO(STOPPED) | TO(LEFT))
static const uint32_t node_edges[DATA_NODE_COUNT] = {
    [DATA_NODE_LOADING] = TO(WAITING) | END,
    [DATA_NODE_WAITING] = TO(WAITING) | TO(JOINING) | TO(RESUMING) | TO(LEFT),
    [DATA_NODE_JOINING] = TO(REPORTING) | TO(WAITING) | END,
    [DATA_NODE_RESUMING] = TO(SERVING) | TO(WAITING) | END,
    [DATA_NODE_REPORTING] = TO(SERVING) | TO(WAITING) | END,
    [DATA_NODE_SERVING] = TO(WAITING) | END,
};
#undef END
static const struct dfs_path paths[] = {
    {DATA_NODE_LOADING, "disk", TO(WAITING) | TO(STOPPED)},
    {DATA_NODE_LOADING, "command", TO(LEFT)},
    {DATA_NODE_WAITING, "begin", TO(JOINING)},
    {DATA_NODE_WAITING, "timeout", TO(JOINING) | TO(RESUMING)},
    {DATA_NODE_WAITING, "disk", TO(WAITING)},
    {DATA_NODE_WAITING, "command", TO(LEFT)},
    {DATA_NODE_JOINING, "joined", TO(REPORTING) | TO(STOPPED)},
    {DATA_NODE_JOINING, "status", TO(WAITING) | TO(STOPPED)},
    {DATA_NODE_JOINING, "closed timeout disk", TO(WAITING)},
    {DATA_NODE_JOINING, "command", TO(LEFT)},
    {DATA_NODE_RESUMING, "resumed", TO(SERVING) | TO(WAITING) | TO(STOPPED)},
    {DATA_NODE_RESUMING, "status", TO(WAITING) | TO(STOPPED)},
    {DATA_NODE_RESUMING, "closed timeout disk", TO(WAITING)},
    {DATA_NODE_RESUMING, "command", TO(LEFT)},
    {DATA_NODE_REPORTING, "inventory_end", TO(SERVING)},
    {DATA_NODE_REPORTING, "status", TO(WAITING) | TO(STOPPED) | TO(REPORTING)},
    {DATA_NODE_REPORTING, "closed timeout fenced disk", TO(WAITING)},
    {DATA_NODE_REPORTING, "command", TO(LEFT)},
    {DATA_NODE_SERVING, "status", TO(WAITING) | TO(STOPPED) | TO(SERVING)},
    {DATA_NODE_SERVING, "closed fenced events disk", TO(WAITING)},
    {DATA_NODE_SERVING, "command", TO(LEFT)},
    {DATA_NODE_REPORTING, "copy remove_block keys_update verify", TO(REPORTING)},
    {DATA_NODE_SERVING, "copy remove_block keys_update verify", TO(SERVING)},
    {DATA_NODE_WAITING, "hello block_write block_read block_copy", TO(WAITING)},
    {DATA_NODE_JOINING, "hello block_write block_read block_copy", TO(JOINING)},
    {DATA_NODE_RESUMING, "hello block_write block_read block_copy", TO(RESUMING)},
    {DATA_NODE_REPORTING, "hello block_write block_read block_copy", TO(REPORTING)},
    {DATA_NODE_SERVING, "hello block_write block_read block_copy", TO(SERVING)},
};
#undef TO

const struct dfs_gate data_node_gate = {"node",          node_names,      node_edges,
                                        DATA_NODE_COUNT, "a data server", DFS_GATE_PATHS(paths)};

void data_control_enter(struct dfs_data *data, enum data_node_phase phase, const char *why)
{
    DFS_GATE(&data->env, &data_node_gate, data->phase, phase, why);
    data_patience_stop(data, &data->patience_timer);
    data_timer_stop(data, &data->control_timer);
    if (phase == DATA_NODE_JOINING || phase == DATA_NODE_RESUMING)
        data_patience_set(data, &data->patience_timer, data->config.connect_timeout_ns);
    else if (phase == DATA_NODE_REPORTING)
        data_patience_set(data, &data->patience_timer, data->config.request_timeout_ns);
}

/* Connected, or an answer came: metadata is there, and has time again. */
void data_control_alive(struct dfs_data *data)
{
    if (dfs_heap_has(&data->patience_timer.item))
        data_patience_set(data, &data->patience_timer, data->config.request_timeout_ns);
}

/* Connect ------------------------------------------------------------------------------------------------ */

static void send_join(struct dfs_data *data)
{
    const struct dfs_m_join message = {
        .version = DFS_PROTOCOL_VERSION,
        .cluster = data->config.cluster,
        .node = data->config.node,
        .boot = data->boot,
        .addr = data->config.addr,
        .zone = dfs_text_of(data->config.zone),
        .capacity_bytes = data->capacity_bytes,
        .free_bytes = data_room_offered(data),
        .journal_seen = data->config.accept_older_journal ? 0 : data->seen,
        .store_lost = data->store_lost,
    };

    data->counters.joins++;
    data->join_sent = data->now;
    data->control_request = dfs_link_request(&data->control->link);
    dfs_link_send(&data->control->link, data->control_request, DFS_MSG_JOIN, &message);
}

static void send_resume(struct dfs_data *data)
{
    const struct dfs_m_resume message = {.cluster = data->config.cluster,
                                         .node = data->config.node,
                                         .boot = data->boot,
                                         .incarnation = data->incarnation,
                                         .change = data->change_last};

    data->control_request = dfs_link_request(&data->control->link);
    dfs_link_send(&data->control->link, data->control_request, DFS_MSG_RESUME, &message);
}

static void connect_now(struct dfs_data *data, const char *why)
{
    data->control = data_peer_control(data);
    data->control_life++;
    if (data->resume) {
        data_control_enter(data, DATA_NODE_RESUMING, why);
        send_resume(data);
    } else {
        data_control_enter(data, DATA_NODE_JOINING, why);
        send_join(data);
    }
}

/* Half to the whole of a quarter interval, then of a half, of one, of two, of four, of five. */
static dfs_duration_ns backoff(struct dfs_data *data)
{
    const dfs_duration_ns most = DATA_BACKOFF_INTERVALS_MAX * data->interval_ns;
    dfs_duration_ns length = data->interval_ns / 4;
    uint64_t draw;

    for (uint32_t i = 0; i < data->backoff && length < most; i++)
        length *= 2;
    if (length > most)
        length = most;
    data->backoff++;
    data->env.rng->random(data->env.ctx, DFS_RNG_JITTER, &draw, sizeof draw);
    return length / 2 + draw % (length / 2 + 1);
}

static void wait_and_connect(struct dfs_data *data, const char *why)
{
    const dfs_duration_ns length = backoff(data);

    data_control_enter(data, DATA_NODE_WAITING, why);
    data_timer_set(data, &data->control_timer, dfs_time_add(data->now, length));
}

static void on_control_timer(struct dfs_data *data, struct data_timer *timer)
{
    (void)timer;
    if (data->phase == DATA_NODE_WAITING)
        connect_now(data, "timeout");
}

static void on_patience(struct dfs_data *data, struct data_timer *timer)
{
    (void)timer;
    data_control_again(data, data->phase == DATA_NODE_RESUMING, "timeout");
}

void data_control_init(struct dfs_data *data)
{
    data->phase = DATA_NODE_LOADING;
    data->interval_ns = DATA_INTERVAL_FIRST_NS;
    data_timer_init(&data->control_timer, on_control_timer);
    data_timer_init(&data->patience_timer, on_patience);
}

void data_control_begin(struct dfs_data *data)
{
    data_control_enter(data, DATA_NODE_WAITING, "disk");
    connect_now(data, "begin");
}

/* Lose --------------------------------------------------------------------------------------------------- */

static bool may_resume(const struct dfs_data *data)
{
    return data->incarnation != 0 && data->inventory_confirmed && !data->changes_lost;
}

void data_control_lost(struct dfs_data *data, enum dfs_status status)
{
    (void)status; /* whatever it was, the way goes on: a wrong certificate today may be a right one tomorrow */
    if (data->phase == DATA_NODE_STOPPED || data->phase == DATA_NODE_LEFT)
        return;
    if (data->phase == DATA_NODE_SERVING)
        data->resume = may_resume(data);
    else if (data->phase != DATA_NODE_RESUMING)
        data->resume = false;
    wait_and_connect(data, "closed");
}

void data_control_again(struct dfs_data *data, bool resume, const char *why)
{
    struct data_peer *control = data->control;

    if (data->phase == DATA_NODE_LOADING || data->phase == DATA_NODE_STOPPED || data->phase == DATA_NODE_LEFT)
        return;
    data->control = NULL;
    data->resume = resume && may_resume(data);
    if (control != NULL)
        data_peer_close(control, DFS_ABORTED);
    wait_and_connect(data, why);
}

void data_control_stop(struct dfs_data *data, enum dfs_status status, const char *why)
{
    data->failure = status;
    data->failure_words = dfs_status_words(status);
    dfs_trace_note(&data->env, status, "this server stops for good");
    data_control_enter(data, DATA_NODE_STOPPED, why);
    data_retire(data);
}

/* Answers ------------------------------------------------------------------------------------------------ */

static bool is_final(enum dfs_status status)
{
    return status == DFS_SUPERSEDED || status == DFS_WRONG_CLUSTER || status == DFS_OLDER_JOURNAL ||
           status == DFS_STORE_LOST;
}

static void refused(struct dfs_data *data, enum dfs_status status, const char *why)
{
    if (is_final(status)) {
        data_control_stop(data, status, why);
        return;
    }
    dfs_trace_note(&data->env, status, "metadata does not take this server; trying again");
    data_control_again(data, false, why);
}

void data_on_status(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_status *message = in->body;
    const enum dfs_status status = (enum dfs_status)message->status;

    if (peer->kind == DATA_PEER_OUT) {
        if (status != DFS_OK) /* HELLO, or something that the other side did not understand */
            data_peer_close(peer, status);
        return;
    }
    if (peer != data->control)
        return;
    switch (data->phase) {
    case DATA_NODE_JOINING:
    case DATA_NODE_RESUMING:
        if (in->request == data->control_request || in->request == 0)
            refused(data, status, "status");
        return;
    case DATA_NODE_REPORTING:
    case DATA_NODE_SERVING:
        if (data->leaving && in->request == data->leave_request)
            data_leave_answered(data, in->request);
        else if (in->request != 0 && !is_final(status))
            data_inventory_answered(data, in->request, status);
        else if (status != DFS_OK)
            refused(data, status, "status");
        return;
    case DATA_NODE_LOADING:
    case DATA_NODE_WAITING:
    case DATA_NODE_STOPPED:
    case DATA_NODE_LEFT:
        return; /* no connection, so nobody said it */
    case DATA_NODE_COUNT:
        break;
    }
    dfs_unreachable("data_on_status");
}

/* Metadata that forgot what it once told us would delete as orphans what it no longer knows (MooseFS #151). */
static bool journal_is_good(struct dfs_data *data, uint64_t journal)
{
    if (journal >= data->seen)
        return true;
    if (!data->config.accept_older_journal)
        return false;
    data_seen_set_back(data, journal);
    return true;
}

void data_on_joined(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_joined *message = in->body;
    struct dfs_key key;

    if (data->phase != DATA_NODE_JOINING || in->request != data->control_request || message->incarnation == 0 ||
        message->grant_keys_count == 0 || message->interval_ns > DFS_NEVER / 64) {
        data->counters.peers_bad++;
        data_peer_close(peer, DFS_BAD_REQUEST);
        return;
    }
    if (!journal_is_good(data, message->journal)) {
        data_control_stop(data, DFS_OLDER_JOURNAL, "joined");
        return;
    }
    data->counters.joined++;
    data->incarnation = message->incarnation;
    data->epoch = message->epoch;
    data->interval_ns = message->interval_ns < 64 ? 64 : message->interval_ns;
    data->stall.tolerance_ns =
        data->interval_ns / 10 < DFS_STALL_TOLERANCE_NS ? data->interval_ns / 10 : DFS_STALL_TOLERANCE_NS;
    data_keys_set(data, message->grant_keys, message->grant_keys_count, message->token_keys, message->token_keys_count);
    data_changes_reset(data);
    data_seen(data, message->journal);
    data_seen_store(data);
    if (data->store_lost)
        data_start_write_marker(data); /* the loss is known now; what is stored from here on is vouched for */
    memcpy(key.bytes, message->heartbeat_key, sizeof key.bytes);
    data_control_enter(data, DATA_NODE_REPORTING, "joined");
    data_heartbeat_begin(data, &key);
    dfs_wipe(&key, sizeof key);
    data_inventory_begin(data);
}

void data_on_resumed(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_resumed *message = in->body;

    if (data->phase != DATA_NODE_RESUMING || in->request != data->control_request) {
        data->counters.peers_bad++;
        data_peer_close(peer, DFS_BAD_REQUEST);
        return;
    }
    if (message->status != DFS_OK) {
        refused(data, (enum dfs_status)message->status, "resumed");
        return;
    }
    if (!data_changes_resume(data, message->applied)) {
        data_control_again(data, false, "resumed");
        return;
    }
    data->counters.resumed++;
    data_control_enter(data, DATA_NODE_SERVING, "resumed");
    data_lease_resumed(data);
}
