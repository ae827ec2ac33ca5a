/*
 * drain.c - DRAIN: an operator's word that a node is to be emptied (or not any more). Its copies stay
 * readable and are sources; they no longer count towards what is wanted.
 */
#include "core/meta/nodes.h"

void meta_on_drain(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_drain *drain)
{
    struct meta_node *node;
    struct meta_r_node record;
    enum dfs_node_state before;

    if (!meta_claims_allow(meta, peer, request, 'a', "", 0))
        return;
    node = meta_node_by_id(meta, &drain->node);
    if (node == NULL) {
        meta_reply_status(meta, peer, request, DFS_NOT_FOUND, "no such node");
        return;
    }
    before = node->state;
    /* It assigns a state, so that a repetition needs no memory. */
    if (node->member.draining != (drain->on != 0)) {
        meta_node_record(meta, node, &record);
        record.draining = drain->on;
        meta_append_group(meta);
        meta_append(meta, META_RECORD_NODE, &record);
        meta_node_refresh(meta, node, "drain");
    }
    if (node->state == before)
        DFS_GATE_STAY(&meta->env, &meta_member_gate, before, "drain");
    meta_reply_status(meta, peer, request, DFS_OK, NULL);
}
