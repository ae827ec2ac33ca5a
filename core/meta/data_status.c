/*
 * data_status.c - STATUS from a data server: OK says that it has its keys (control.c); otherwise, what it could not do with a
 * message of ours. Orders have answers of their own and deadlines, so nothing depends on that; it is shown to people.
 */
#include "core/meta/nodes.h"

void meta_on_status(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_status *body)
{
    if (peer->node == META_NODE_NONE)
        return;
    if (body->status == DFS_OK) {
        meta_control_answered(meta, meta_node_at(meta, peer->node), request);
        return;
    }
    meta->nodes->counters.complaints++;
    dfs_trace_note(&meta->env, (enum dfs_status)body->status, "a data server refused a message of ours");
}
