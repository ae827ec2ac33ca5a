/*
 * remove_done.c - REMOVE_DONE: which of a batch are gone, and which the node keeps.
 */
#include "core/meta/nodes.h"

void meta_on_remove_done(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                         const struct dfs_m_remove_done *done)
{
    struct meta_node *node = meta_node_of_peer(meta, peer, request);

    if (node != NULL)
        meta_removals_done(meta, node, done);
}
