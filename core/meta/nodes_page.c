/*
 * nodes_page.c - NODES: the members and those that were, in order of id, a page at a time.
 */
#include "core/meta/nodes.h"

static void fill(const struct dfs_meta *meta, const struct meta_node *node, struct dfs_w_node *ret_node)
{
    const dfs_duration_ns silent =
        node->heard_mono == 0 || node->heard_mono > meta->now ? 0 : meta->now - node->heard_mono;

    *ret_node = (struct dfs_w_node){
        .node = node->id,
        .state = (uint8_t)node->state,
        .incarnation = node->member.incarnation,
        .zone = dfs_text_of(meta->nodes->zones[node->zone]),
        .addr = node->addr,
        .capacity_bytes = node->capacity_bytes,
        .used_bytes = node->capacity_bytes > node->free_bytes ? node->capacity_bytes - node->free_bytes : 0,
        .blocks = meta_blockmap_node(&meta->map, node->index).count,
        .last_heartbeat_ms = silent / DFS_MILLISECONDS,
        .fenced = node->member.fenced,
    };
}

void meta_on_nodes(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_nodes *ask)
{
    const struct meta_nodes *nodes = meta->nodes;
    struct dfs_m_nodes_page page = {0};
    uint32_t at = 0;

    if (!meta_claims_allow(meta, peer, request, 'a', "", 0))
        return;
    page.nodes = dfs_arena_take(&meta->scratch, meta->config.bounds.nodes_page, sizeof page.nodes[0]);
    DFS_ASSERT(page.nodes != NULL);
    while (at < nodes->count && dfs_id_compare(&nodes->by_index[nodes->by_id[at]]->id, &ask->after) <= 0)
        at++;
    while (at < nodes->count && page.nodes_count < meta->config.bounds.nodes_page)
        fill(meta, nodes->by_index[nodes->by_id[at++]], &page.nodes[page.nodes_count++]);
    page.more = at < nodes->count;
    meta_reply(meta, peer, request, DFS_MSG_NODES_PAGE, &page);
}
