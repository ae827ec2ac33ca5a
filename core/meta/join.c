/*
 * join.c - JOIN: a data server asks to be a member, and is given a new incarnation.
 *
 * Answered when the incarnation is journaled and synced: from then on everything that says an older one is
 * refused. The node is JOINING until its inventory is complete and a heartbeat of the new incarnation has
 * come.
 *
 * A server has one connection to us at a time, and JOINs come in the order of connections - but not always: over a slow
 * link the JOIN of a connection that was given up, or of a process that has died since, can arrive behind the next one's.
 * It is told by the order in which the connections were begun: a server begins one after it has given up the last.
 */
#include "core/meta/nodes.h"

#include "core/base/mem.h"

static void refuse(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, enum dfs_status status,
                   const char *words)
{
    meta->nodes->counters.joins_refused++;
    dfs_trace_note(&meta->env, status, words);
    dfs_link_send_status(&peer->link, request, status, words);
}

static bool boot_is_gone(const struct meta_node *node, const struct dfs_id *boot)
{
    for (uint32_t i = 0; i < META_BOOTS_GONE_MAX; i++) {
        if (dfs_id_equal(&node->boots_gone[i], boot))
            return true;
    }
    return false;
}

/* Who the peer's certificate says it is, and whether it speaks our language about our cluster. */
static bool is_welcome(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_join *join)
{
    const struct dfs_peer *proved = &peer->link.peer;

    if (proved->kind != DFS_PEER_NODE || proved->role != DFS_ROLE_DATA || !dfs_id_equal(&proved->node, &join->node) ||
        dfs_id_is_zero(&join->node)) {
        refuse(meta, peer, request, DFS_DENIED, "JOIN with a node id that the certificate does not name");
        return false;
    }
    if (!dfs_id_equal(&join->cluster, &meta->config.cluster)) {
        refuse(meta, peer, request, DFS_WRONG_CLUSTER, NULL);
        return false;
    }
    if (join->version != DFS_PROTOCOL_VERSION || dfs_id_is_zero(&join->boot)) {
        refuse(meta, peer, request, DFS_BAD_REQUEST, "JOIN of another protocol version, or without a boot id");
        return false;
    }
    if (meta_journal_is_older_than(meta, join->journal_seen)) {
        /* The gravest of all: our own disk may be an old copy, and files that were acknowledged are missing
         * in it (MooseFS #151). */
        meta->nodes->counters.older_journal++;
        refuse(meta, peer, request, DFS_OLDER_JOURNAL,
               "the data server has seen a newer journal than this metadata server's: wrong or restored directory?");
        return false;
    }
    return true;
}

/* The process that had this identity before is told to stop for good, if it is not this one on a new
 * connection. */
static void supersede(struct dfs_meta *meta, struct meta_node *node, struct meta_peer *peer, const struct dfs_id *boot)
{
    struct meta_peer *old = node->peer;

    if (dfs_id_is_zero(&node->boot) || dfs_id_equal(&node->boot, boot))
        return;
    node->boots_gone[node->boots_gone_next++ % META_BOOTS_GONE_MAX] = node->boot;
    if (old == NULL || old == peer)
        return;
    meta->nodes->counters.superseded++;
    dfs_link_send_status(&old->link, 0, DFS_SUPERSEDED, NULL);
}

static void send_joined(struct dfs_meta *meta, const struct meta_after *after)
{
    struct meta_peer *peer = meta_peer_find(meta, after->words[0]);
    struct meta_node *node = meta_node_at(meta, (uint16_t)after->words[1]);
    struct dfs_w_grant_key keys[DFS_GRANT_KEYS_MAX];
    struct dfs_key key;
    struct dfs_m_joined joined = {.incarnation = after->words[2],
                                  .epoch = meta->epoch,
                                  .interval_ns = meta->config.heartbeat_interval_ns,
                                  .journal = meta_journal_position(&meta->journal),
                                  .grant_keys = keys,
                                  .token_keys = meta->token_keys,
                                  .token_keys_count = meta->token_keys_count};

    if (node->member.incarnation != after->words[2] || !node->member.present)
        return; /* it has joined once more since */
    node->member.opening = false;
    node->member.heard_at = meta->fair;
    node->heard_mono = meta->now;
    meta_node_refresh(meta, node, "join");
    if (peer == NULL || node->peer != peer)
        return;
    dfs_heartbeat_key_derive(&meta->config.root, &node->id, node->member.incarnation, &key);
    memcpy(joined.heartbeat_key, key.bytes, sizeof joined.heartbeat_key);
    joined.grant_keys_count = meta_node_grant_keys(meta, node, keys);
    peer->heard_at = meta->fair; /* its silence counts from here on: until now it waited for us */
    dfs_link_send(&peer->link, (uint32_t)after->words[3], DFS_MSG_JOINED, &joined);
    dfs_wipe(&key, sizeof key);
    dfs_wipe(keys, sizeof keys);
    dfs_wipe(&joined.heartbeat_key, sizeof joined.heartbeat_key);
}

static void admit(struct dfs_meta *meta, struct meta_node *node, struct meta_peer *peer, uint32_t request,
                  const struct dfs_m_join *join)
{
    const struct meta_r_node record = {
        .number = node == NULL ? (uint16_t)meta->nodes->count : node->index,
        .node = join->node,
        .boot = join->boot,
        .incarnation = meta->nodes->incarnation + 1,
        .state = DFS_NODE_JOINING,
        .addr = join->addr,
        .zone = join->zone,
        .capacity_bytes = join->capacity_bytes,
        .draining = node != NULL && node->member.draining,
    };
    const struct meta_after after = {.words = {meta_peer_name_of(peer), record.number, record.incarnation, request}};

    meta_append_group(meta);
    meta_append(meta, META_RECORD_NODE, &record);
    node = meta_node_at(meta, record.number);
    meta_node_begin(meta, node, peer, record.incarnation);
    meta_node_space(meta, node, join->capacity_bytes, join->free_bytes);
    meta->nodes->counters.joins++;
    meta_after_sync(meta, send_joined, &after);
}

void meta_on_join(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_join *join)
{
    struct meta_node *node;
    uint16_t zone;

    if (!is_welcome(meta, peer, request, join))
        return;
    node = meta_node_by_id(meta, &join->node);
    if ((node == NULL && meta->nodes->count == DFS_NODES_MAX) || !meta_zone_number(meta->nodes, join->zone, &zone)) {
        refuse(meta, peer, request, DFS_TOO_LARGE, "more data servers or zones than a cluster may have");
        return;
    }
    if (node != NULL && meta_control_is_late(node, peer)) {
        refuse(meta, peer, request, DFS_STALE_INCARNATION,
               "JOIN of a connection before the one that this server has now");
        return;
    }
    if (node != NULL && boot_is_gone(node, &join->boot)) {
        meta->nodes->counters.superseded++;
        refuse(meta, peer, request, DFS_SUPERSEDED, NULL);
        return;
    }
    /* A store that was emptied has nothing left to come back for: its copies are lost now. */
    if (node != NULL && join->store_lost != 0 && node->member.present) {
        node->member.present = false;
        meta_node_refresh(meta, node, "store_lost");
    }
    /* The copies of its last life leave the map first; a step or two, since many walks are short. */
    if (node != NULL && node->walk == META_WALK_DROP && !meta_walk_slice(meta, node, meta->config.bounds.walk_slice)) {
        dfs_link_send_status(&peer->link, request, DFS_UNAVAILABLE,
                             "the copies of the last incarnation are still being accounted for");
        return;
    }
    if (node != NULL)
        supersede(meta, node, peer, &join->boot);
    admit(meta, node, peer, request, join);
}
