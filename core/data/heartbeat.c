/*
 * heartbeat.c - HEARTBEAT every interval at a seeded phase, and the lease that its acknowledgements are.
 *
 * A heartbeat is repeated with the same sequence at I/4 and I/2 until it is acknowledged: one lost datagram
 * is no missed heartbeat. The lease ends 2I after the first sending of the newest acknowledged one, which is
 * before metadata's own 2.5I (design, section 4). Our own stalls are not subtracted: a machine that slept
 * past its lease is fenced.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"

#define BEAT_TRIES_MAX 3 /* at 0, I/4, I/2 */

static const char *const lease_names[] = {
#define X(name) #name,
    DATA_LEASE_STATES(X)
#undef X
};

#define TO(state) (1u << DATA_LEASE_##state)
static const uint32_t lease_edges[DATA_LEASE_COUNT] = {
    [DATA_LEASE_NONE] = TO(HELD),
    [DATA_LEASE_HELD] = TO(FENCED),
    [DATA_LEASE_FENCED] = TO(HELD),
};
static const struct dfs_path paths[] = {
    /* An answer that took longer than the lease it gives leaves all as it is. */
    {DATA_LEASE_NONE, "joined heartbeat_ack", TO(HELD) | TO(NONE)},
    {DATA_LEASE_HELD, "joined heartbeat_ack", TO(HELD)},
    {DATA_LEASE_HELD, "timeout", TO(FENCED)},
    {DATA_LEASE_FENCED, "joined heartbeat_ack", TO(HELD) | TO(FENCED)},
    {DATA_LEASE_NONE, "block_write block_read block_copy", TO(NONE)},
    {DATA_LEASE_HELD, "block_write block_read block_copy copy", TO(HELD)},
    {DATA_LEASE_FENCED, "block_write block_read block_copy copy", TO(FENCED)},
};
#undef TO

const struct dfs_gate data_lease_gate = {
    "lease", lease_names, lease_edges, DATA_LEASE_COUNT, "a data server's lease", DFS_GATE_PATHS(paths)};

/* Lease -------------------------------------------------------------------------------------------------- */

static void lease_extend(struct dfs_data *data, dfs_time_ns sent, const char *why)
{
    data->lease_end = dfs_time_add(sent, 2 * data->interval_ns);
    if (data->lease_end <= data->now) {
        DFS_GATE_STAY(&data->env, &data_lease_gate, data->lease, why);
        return; /* it came too late to mean anything */
    }
    if (data->lease != DATA_LEASE_HELD)
        DFS_GATE(&data->env, &data_lease_gate, data->lease, DATA_LEASE_HELD, why);
    else
        DFS_GATE_STAY(&data->env, &data_lease_gate, DATA_LEASE_HELD, why);
    data_timer_set(data, &data->lease_timer, data->lease_end);
}

void data_lease_test(struct dfs_data *data)
{
    if (data->lease != DATA_LEASE_HELD || data->now < data->lease_end)
        return;
    DFS_GATE(&data->env, &data_lease_gate, data->lease, DATA_LEASE_FENCED, "timeout");
    data->counters.fenced++;

    const struct dfs_trace trace = {.kind = DFS_TRACE_FENCED, .node = data->config.node, .a = data->incarnation};
    dfs_trace_put(&data->env, &trace);
    data_timer_set(data, &data->lease_timer, dfs_time_add(data->now, data->interval_ns));
}

/* Fenced for an interval while metadata is in reach: it does not know this incarnation any more, or datagrams
 * do not arrive. */
static void on_lease_timer(struct dfs_data *data, struct data_timer *timer)
{
    (void)timer;
    if (data->lease == DATA_LEASE_FENCED && (data->phase == DATA_NODE_SERVING || data->phase == DATA_NODE_REPORTING))
        data_control_again(data, false, "fenced");
}

void data_lease_resumed(struct dfs_data *data)
{
    if (data->lease == DATA_LEASE_FENCED)
        data_timer_set(data, &data->lease_timer, dfs_time_add(data->now, data->interval_ns));
}

/* Heartbeats --------------------------------------------------------------------------------------------- */

static void send_beat(struct dfs_data *data)
{
    data->room_told = data_room_offered(data);

    const struct dfs_m_heartbeat message = {
        .node = data->config.node,
        .incarnation = data->incarnation,
        .sequence = data->beat_sequence,
        .capacity_bytes = data->marker_found ? data->capacity_bytes : 0, /* a lost store has no room */
        .free_bytes = data->room_told,
        .load = data->writes_count + data->reads_count + data->copies_count,
        .change = data->change_last,
        .digest = data->digest,
        .blocks = data->blocks_good,
        .fenced = data->lease == DATA_LEASE_FENCED,
    };
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    const size_t count = dfs_datagram_encode(DFS_MSG_HEARTBEAT, &message, &data->heartbeat_mac, bytes);

    data->counters.heartbeats++;
    data->env.net->datagram(data->env.ctx, &data->config.meta, bytes, count);
}

static void beat_again(struct dfs_data *data)
{
    dfs_time_ns at = data->beat_next;

    send_beat(data);
    data->beat_tries++;
    if (data->beat_tries < BEAT_TRIES_MAX)
        at = dfs_time_min(at, dfs_time_add(data->beat_first, data->beat_tries * (data->interval_ns / 4)));
    data_timer_set(data, &data->beat_timer, at);
}

static void beat_new(struct dfs_data *data)
{
    data->beat_sequence++;
    data->beat_first = data->now;
    data->beat_tries = 0;
    data->beat_acknowledged = false;
    beat_again(data);
}

/* Keeps its phase; after a sleep the missed ones are not made up for. */
static void beat_on_time(struct dfs_data *data)
{
    const dfs_duration_ns behind = data->now - data->beat_next;

    data->beat_next = dfs_time_add(data->beat_next, (behind / data->interval_ns + 1) * data->interval_ns);
    data->short_told = false;
    beat_new(data);
}

static void on_beat_timer(struct dfs_data *data, struct data_timer *timer)
{
    (void)timer;
    if (data->now >= data->beat_next)
        beat_on_time(data);
    else if (!data->beat_acknowledged)
        beat_again(data);
}

void data_heartbeat_init(struct dfs_data *data)
{
    data->lease = DATA_LEASE_NONE;
    data_timer_init(&data->beat_timer, on_beat_timer);
    data_timer_init(&data->lease_timer, on_lease_timer);
}

void data_heartbeat_begin(struct dfs_data *data, const struct dfs_key *key)
{
    uint64_t phase;

    dfs_mac_close(&data->heartbeat_mac);
    dfs_mac_init(&data->heartbeat_mac, key);
    data->env.rng->random(data->env.ctx, DFS_RNG_JITTER, &phase, sizeof phase);
    data->beat_sequence = 0;
    data->beat_next = dfs_time_add(data->now, phase % data->interval_ns + 1);
    lease_extend(data, data->join_sent, "joined");
    beat_new(data); /* at once, since it makes the node ACTIVE; the next ones at the node's own phase */
}

void data_heartbeat_stop(struct dfs_data *data)
{
    data_timer_stop(data, &data->beat_timer);
    data_timer_stop(data, &data->lease_timer);
    dfs_mac_close(&data->heartbeat_mac);
}

void data_heartbeat_news(struct dfs_data *data)
{
    if (data->phase == DATA_NODE_SERVING && data->heartbeat_mac.context != NULL)
        beat_new(data); /* the next one comes at its own time all the same */
}

/* The acknowledgement ------------------------------------------------------------------------------------ */

static bool is_ours(struct dfs_data *data, const uint8_t *bytes, size_t count, union dfs_any_message *ret_message)
{
    uint32_t number;

    if (dfs_datagram_decode(bytes, count, &number, ret_message) != DFS_OK || number != DFS_MSG_HEARTBEAT_ACK)
        return false;
    return data->heartbeat_mac.context != NULL && dfs_id_equal(&ret_message->heartbeat_ack.node, &data->config.node) &&
           ret_message->heartbeat_ack.incarnation == data->incarnation &&
           dfs_datagram_check(bytes, count, &data->heartbeat_mac);
}

void data_heartbeat_on_datagram(struct dfs_data *data, const uint8_t *bytes, size_t count)
{
    union dfs_any_message message;
    const struct dfs_m_heartbeat_ack *ack = &message.heartbeat_ack;

    if (!is_ours(data, bytes, count, &message)) {
        data->counters.datagrams_refused++;
        return;
    }
    if (ack->sequence != data->beat_sequence || data->beat_acknowledged)
        return; /* late, or the answer to a repetition: says nothing new */
    data->beat_acknowledged = true;
    data->counters.heartbeats_acknowledged++;
    data->epoch = ack->epoch;
    data->backoff = 0; /* the way there and back works */
    lease_extend(data, data->beat_first, "heartbeat_ack");
    data_timer_set(data, &data->beat_timer, data->beat_next);
    data_seen(data, ack->journal);
    data_changes_applied(data, ack->applied);
}
