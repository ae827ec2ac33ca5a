/*
 * resume.c - RESUME: the control connection broke, the incarnation lives. It goes on where the node's changes
 * were last applied, without a new inventory.
 */
#include "core/meta/nodes.h"

static enum dfs_status test(const struct dfs_meta *meta, const struct meta_peer *peer, const struct meta_node *node,
                            const struct dfs_m_resume *resume)
{
    const struct dfs_peer *proved = &peer->link.peer;

    if (proved->kind != DFS_PEER_NODE || proved->role != DFS_ROLE_DATA || !dfs_id_equal(&proved->node, &resume->node))
        return DFS_DENIED;
    if (!dfs_id_equal(&resume->cluster, &meta->config.cluster))
        return DFS_WRONG_CLUSTER;
    if (node == NULL || !node->member.present)
        return DFS_STALE_INCARNATION;
    if (meta_control_is_late(node, peer))
        return DFS_STALE_INCARNATION;
    if (!dfs_id_equal(&node->boot, &resume->boot))
        return DFS_SUPERSEDED;
    if (node->member.incarnation != resume->incarnation || !node->member.told || node->member.opening ||
        node->member.leaving || node->rejoin_asked)
        return DFS_STALE_INCARNATION;
    /* Changes that we have applied and the node does not know of: it is not who it was. */
    return resume->change < node->applied ? DFS_STALE_INCARNATION : DFS_OK;
}

void meta_on_resume(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_resume *resume)
{
    struct meta_node *node = meta_node_by_id(meta, &resume->node);
    const enum dfs_status status = test(meta, peer, node, resume);
    struct dfs_m_resumed resumed = {.status = (uint8_t)status};

    if (status != DFS_OK) {
        meta->nodes->counters.resumes_refused++;
        dfs_link_send(&peer->link, request, DFS_MSG_RESUMED, &resumed);
        return;
    }
    meta->nodes->counters.resumes++;
    resumed.applied = node->applied;
    /* Orders that were under way on the old connection may never have arrived. */
    meta_repair_end_from(&meta->nodes->repair, node->index, meta->fair);
    meta_verify_node_lost(meta, node);
    meta_node_link(meta, node, peer);
    dfs_link_send(&peer->link, request, DFS_MSG_RESUMED, &resumed);
    meta_node_send_keys(meta, node); /* new ones may have missed it */
    meta_removals_resend(meta, node);
    meta_node_refresh(meta, node, "resume");
}
