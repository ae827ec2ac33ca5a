/*
 * block_copy.c - BLOCK_COPY: another data server brings a block on metadata's order. We are the target.
 *
 * The order speaks for metadata: its tag for the target is under our key. Only the order's source may bring it.
 */
#include "core/data/data_internal.h"

static enum dfs_status admit(struct dfs_data *data, const struct data_peer *peer, const struct dfs_w_order *order)
{
    const struct dfs_peer *who = &peer->link.peer;
    struct dfs_mac *key;

    if (peer->hello != DFS_OK)
        return peer->hello;
    if (data->incarnation == 0)
        return DFS_UNAVAILABLE;
    if (!dfs_id_equal(&order->target, &data->config.node) || who->kind != DFS_PEER_NODE || who->role != DFS_ROLE_DATA ||
        !dfs_id_equal(&order->source, &who->node))
        return DFS_GRANT_INVALID;
    if (order->target_incarnation != data->incarnation)
        return DFS_STALE_INCARNATION;
    key = data_key_find(data, order->key_id);
    if (key == NULL)
        return DFS_GRANT_EXPIRED;
    return dfs_order_check_target(order, key) ? DFS_OK : DFS_GRANT_INVALID;
}

void data_on_block_copy(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_block_copy *message = in->body;
    const struct dfs_w_order *order = &message->order;
    const struct dfs_block_id id = data_block_id(&order->block);
    enum dfs_status status = admit(data, peer, order);
    struct data_block *here = NULL;
    struct data_write *write;

    if (status != DFS_OK)
        data->counters.grants_refused++;
    else if (data->leaving || data->writes_count >= data->config.bounds.writes)
        status = DFS_UNAVAILABLE;
    else if (!data->marker_found)
        status = DFS_NO_SPACE;
    if (status == DFS_OK)
        status = data_write_contest(data, &id, 0, 0);
    if (status == DFS_OK)
        status = data_write_prepare(data, &id, order->length_bytes, &here);
    if (status != DFS_OK) {
        data_refuse_write(data, peer, in->request, &order->block, 0, status);
        return;
    }
    write = data_write_new(data, peer, in->request, &id, order->length_bytes, here);
    write->ordered = true;
    write->order_crc = order->crc32c;
    write->sync = true; /* repair has no reason to hurry past the disk */
    data_write_begin(write);
}
