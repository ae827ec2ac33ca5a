/*
 * verify_done.c - VERIFY_DONE: a copy was read whole.
 */
#include "core/meta/nodes.h"

void meta_on_verify_done(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                         const struct dfs_m_verify_done *done)
{
    const struct meta_nodes *nodes = meta->nodes;
    struct meta_node *node = meta_node_of_peer(meta, peer, request);
    struct meta_verify *verify;
    uint32_t slot;
    uint32_t generation;

    if (node == NULL || !meta_order_id_parse(meta, &done->operation, &slot, &generation) ||
        slot >= nodes->verifies_used)
        return;
    verify = nodes->verifies[slot];
    if (verify->running && verify->generation == generation && verify->node == node->index)
        meta_verify_end(meta, verify, (enum dfs_status)done->status);
}
