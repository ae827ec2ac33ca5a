/*
 * block_write.c - BLOCK_WRITE: may this one write this block here? And the answer of the next hop,
 * BLOCK_WRITTEN.
 *
 * The grant speaks for metadata: its tag is under this node's key of this incarnation. The first hop checks
 * that the bearer is the client of this connection; later hops that the connection comes from a node before
 * them in the grant.
 */
#include "core/data/data_internal.h"

enum dfs_status data_grant_admit(struct dfs_data *data, const struct dfs_w_grant *grant, uint32_t hop,
                                 enum dfs_grant_operation operation)
{
    struct dfs_mac *key;

    if (data->incarnation == 0)
        return DFS_UNAVAILABLE;
    if (hop >= grant->replicas_count || grant->operation != operation ||
        !dfs_id_equal(&grant->replicas[hop].node, &data->config.node))
        return DFS_GRANT_INVALID;
    if (grant->replicas[hop].incarnation != data->incarnation)
        return DFS_STALE_INCARNATION;
    key = data_key_find(data, grant->key_id);
    if (key == NULL)
        return DFS_GRANT_EXPIRED;
    return dfs_grant_check(&data->grants, grant, hop, key) ? DFS_OK : DFS_GRANT_INVALID;
}

/* Who sends: the client that the grant names (hop 0), or the node of an earlier hop. */
static enum dfs_status find_sender(const struct data_peer *peer, const struct dfs_w_grant *grant, uint32_t hop,
                                   int *ret_sender)
{
    const struct dfs_peer *who = &peer->link.peer;

    if (hop == 0) {
        *ret_sender = -1;
        return who->kind != DFS_PEER_NONE && memcmp(who->fingerprint, grant->bearer, sizeof who->fingerprint) == 0
                   ? DFS_OK
                   : DFS_GRANT_INVALID;
    }
    if (who->kind != DFS_PEER_NODE || who->role != DFS_ROLE_DATA)
        return DFS_GRANT_INVALID;
    for (uint32_t i = 0; i < hop; i++) {
        if (dfs_id_equal(&grant->replicas[i].node, &who->node)) {
            *ret_sender = (int)i;
            return DFS_OK;
        }
    }
    return DFS_GRANT_INVALID;
}

/* In this order: right, state, room, rivals. */
static enum dfs_status admit(struct dfs_data *data, const struct data_peer *peer,
                             const struct dfs_m_block_write *message, int *ret_sender)
{
    enum dfs_status status = peer->hello;

    if (status == DFS_OK)
        status = data_grant_admit(data, &message->grant, message->hop, DFS_GRANT_WRITE);
    if (status == DFS_OK)
        status = find_sender(peer, &message->grant, message->hop, ret_sender);
    if (status == DFS_OK && message->length_bytes > message->grant.length_max_bytes)
        status = DFS_GRANT_INVALID;
    if (status != DFS_OK) {
        data->counters.grants_refused++;
        return status;
    }
    if (data->leaving || data->writes_count >= data->config.bounds.writes ||
        (peer->link.peer.kind != DFS_PEER_NODE && peer->writes_count >= data->config.bounds.writes_per_peer))
        return DFS_UNAVAILABLE;
    if (message->hop == 0 && data->lease != DATA_LEASE_HELD)
        return DFS_FENCED;
    return data->marker_found ? DFS_OK : DFS_NO_SPACE;
}

static bool request_is_used(struct data_peer *peer, uint32_t request)
{
    dfs_list_each(at, &peer->writes)
    {
        if (dfs_container_of(at, struct data_write, at_peer)->request == request)
            return true;
    }
    return false;
}

static void write_accept(struct dfs_data *data, struct data_peer *peer, uint32_t request,
                         const struct dfs_m_block_write *message, struct data_block *here, int sender)
{
    const struct dfs_block_id id = data_block_id(&message->grant.block);
    struct data_write *write = data_write_new(data, peer, request, &id, message->length_bytes, here);

    write->attempt = message->attempt;
    write->hop = message->hop;
    write->sender = sender;
    write->sync = message->durability != DFS_DURABILITY_ASYNC;
    memcpy(write->replicas, message->grant.replicas, message->grant.replicas_count * sizeof write->replicas[0]);
    write->grant = message->grant;
    write->grant.replicas = write->replicas;
    data_write_begin(write);
}

void data_on_block_write(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_block_write *message = in->body;
    const struct dfs_block_id id = data_block_id(&message->grant.block);
    enum dfs_status status;
    struct data_block *here = NULL;
    int sender = -1;

    dfs_map_expect(&data->blocks_by_id, &id); /* by data_write_prepare, when the grant's tag is made out */
    status = admit(data, peer, message, &sender);
    if (request_is_used(peer, in->request)) {
        data->counters.peers_bad++;
        data_peer_close(peer, DFS_BAD_REQUEST);
        return;
    }
    if (status == DFS_OK)
        status = data_write_contest(data, &id, message->attempt, sender);
    if (status == DFS_OK)
        status = data_write_prepare(data, &id, message->length_bytes, &here);
    if (status != DFS_OK) {
        data_refuse_write(data, peer, in->request, &message->grant.block, message->attempt, status);
        return;
    }
    write_accept(data, peer, in->request, message, here, sender);
}

/* From the next hop, or from the target of a copy. */
void data_on_block_written(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_block_written *message = in->body;

    (void)data;
    dfs_list_each(at, &peer->passes)
    {
        struct data_pass *pass = dfs_container_of(at, struct data_pass, at_peer);

        if (pass->request == in->request) {
            data_pass_answer(pass, message);
            return;
        }
    }
    /* An answer to something that we gave up on. */
}
