/*
 * data_status.c - STATUS from a data server: what it could not do with a message of ours. Orders have answers
 * of their own and deadlines, so nothing depends on it; it is shown to people.
 */
#include "core/meta/nodes.h"

void meta_on_status(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_status *body)
{
    (void)request;
    if (body->status == DFS_OK || peer->node == META_NODE_NONE)
        return;
    meta->nodes->counters.complaints++;
    dfs_trace_note(&meta->env, (enum dfs_status)body->status, "a data server refused a message of ours");
}
