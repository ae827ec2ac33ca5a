/*
 * heartbeat.c - HEARTBEAT datagrams: the only sign of life that counts against eviction.
 *
 * Believed by its tag under the key of the incarnation, not by its address. Late, duplicated, replayed and
 * forged ones change nothing.
 */
#include "core/meta/nodes.h"

static void acknowledge(struct dfs_meta *meta, struct meta_node *node, const struct dfs_addr *to)
{
    const struct dfs_m_heartbeat_ack ack = {
        .node = node->id,
        .incarnation = node->member.incarnation,
        .sequence = node->member.sequence,
        .epoch = meta->epoch,
        .journal = meta_journal_position(&meta->journal),
        .applied = node->applied,
    };
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    const size_t count = dfs_datagram_encode(DFS_MSG_HEARTBEAT_ACK, &ack, &node->heartbeat_mac, bytes);

    meta->env.net->datagram(meta->env.ctx, to, bytes, count);
}

static void say_stay(struct dfs_meta *meta, const struct meta_node *node, const char *event)
{
    DFS_GATE_STAY(&meta->env, &meta_member_gate, node->state, event);
}

static void accept(struct dfs_meta *meta, struct meta_node *node, const struct dfs_m_heartbeat *beat)
{
    const enum dfs_node_state before = node->state;

    meta->nodes->counters.heartbeats++;
    node->heard_mono = meta->now;
    node->load = beat->load;
    meta_node_space(meta, node, beat->capacity_bytes, beat->free_bytes);
    /* Comparable only when we have applied all that it counts. */
    if (node->member.told && !node->rejoin_asked && beat->change == node->applied && beat->digest != node->digest) {
        meta->nodes->counters.digests_wrong++;
        meta_node_ask_rejoin(meta, node, "what the map says of this node differs from its digest");
    }
    meta_control_test(meta, node, beat->change);
    meta_node_refresh(meta, node, "heartbeat");
    if (node->state == before)
        say_stay(meta, node, "heartbeat");
}

void meta_nodes_on_datagram(struct dfs_meta *meta, const struct dfs_addr *from, const uint8_t *bytes, size_t count)
{
    struct meta_nodes_counters *counters = &meta->nodes->counters;
    union dfs_any_message message;
    const struct dfs_m_heartbeat *beat = &message.heartbeat;
    struct meta_node *node;
    uint32_t number;

    if (dfs_datagram_decode(bytes, count, &number, &message) != DFS_OK || number != DFS_MSG_HEARTBEAT ||
        (node = meta_node_by_id(meta, &beat->node)) == NULL) {
        counters->datagrams_bad++;
        return;
    }
    if (beat->incarnation != node->member.incarnation || !node->member.present) {
        /* No key to believe it by. The node learns on the control connection, or by the missing acknowledgement. */
        counters->heartbeats_stale++;
        say_stay(meta, node, "heartbeat_stale");
        return;
    }
    if (node->member.opening || !dfs_datagram_check(bytes, count, &node->heartbeat_mac)) {
        counters->heartbeats_forged++;
        say_stay(meta, node, "heartbeat_forged");
        return;
    }
    switch (meta_member_hear(&node->member, beat->incarnation, beat->sequence, beat->fenced != 0, meta->fair)) {
    case META_HEARD_NEW:
        accept(meta, node, beat);
        if (node->member.present && !meta_control_is_away(meta, node))
            acknowledge(meta, node, from);
        return;
    case META_HEARD_AGAIN:
        counters->heartbeats_again++;
        say_stay(meta, node, "heartbeat_again");
        if (!meta_control_is_away(meta, node))
            acknowledge(meta, node, from);
        return;
    case META_HEARD_LATE:
        counters->heartbeats_late++;
        say_stay(meta, node, "heartbeat_late");
        return;
    case META_HEARD_STALE:
        counters->heartbeats_stale++;
        return;
    }
    dfs_unreachable("meta_nodes_on_datagram");
}
