/*
 * leave.c - LEAVE: a clean stop. The node gets a maintenance time before its blocks are copied; journaled, so
 * that a restart of metadata keeps it.
 */
#include "core/meta/nodes.h"

void meta_on_leave(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_leave *leave)
{
    struct meta_node *node = meta_node_of_peer(meta, peer, request);
    struct meta_r_node record;

    if (node == NULL)
        return;
    if (leave->incarnation != node->member.incarnation) {
        dfs_link_send_status(&peer->link, request, DFS_STALE_INCARNATION, NULL);
        return;
    }
    if (!node->member.leaving) {
        node->member.leaving = true;
        node->member.until = dfs_time_add(meta->fair, meta->config.maintenance_ns);
        meta_node_refresh(meta, node, "leave");
        if (node->member.present) { /* no maintenance time: it was evicted just now, and that is journaled */
            meta_node_record(meta, node, &record);
            meta_append_group(meta);
            meta_append(meta, META_RECORD_NODE, &record);
        }
    }
    meta_reply_status(meta, peer, request, DFS_OK, NULL);
}
