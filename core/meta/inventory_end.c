/*
 * inventory_end.c - INVENTORY_END: the inventory is complete if pages, count and digest say so. Then, a slice
 * a step: copies that it did not name leave the map, blocks that no file has are looked into, changes that
 * came meanwhile are applied; and the node has told.
 */
#include "core/meta/nodes.h"

void meta_on_inventory_end(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                           const struct dfs_m_inventory_end *end)
{
    struct meta_node *node = meta_node_of_peer(meta, peer, request);
    struct meta_inventory *inventory = node == NULL ? NULL : node->inventory;

    if (node == NULL)
        return;
    if (inventory == NULL || inventory->ended || end->pages != inventory->pages || end->count != inventory->count ||
        end->digest != inventory->digest) {
        meta->nodes->counters.inventories_bad++;
        node->rejoin_asked = true;
        dfs_link_send_status(&peer->link, request, DFS_STALE_INCARNATION, "the inventory does not add up");
        return;
    }
    inventory->ended = true;
    inventory->change = end->change;
    inventory->end_request = request;
    meta_walk_begin(meta, node, META_WALK_SWEEP, META_REPAIR_NEWS);
    if (!meta_walk_slice(meta, node, meta->config.bounds.walk_slice))
        (void)meta_walk_slice(meta, node, meta->config.bounds.walk_slice); /* most inventories are done at once */
}

/* The inventory is the state as of change N: what is numbered above it comes on top, without a gap. */
static bool apply_early(struct dfs_meta *meta, struct meta_node *node, const struct meta_inventory *inventory)
{
    if (inventory->early_count > 0 && inventory->early_first > inventory->change + 1)
        return false;
    for (uint32_t i = 0; i < inventory->early_count; i++) {
        if (inventory->early_first + i > node->applied)
            meta_change_apply(meta, node, &inventory->early[i], inventory->early_first + i);
    }
    return true;
}

void meta_inventory_complete(struct dfs_meta *meta, struct meta_node *node)
{
    struct meta_inventory *inventory = node->inventory;
    bool whole;

    node->applied = inventory->change;
    node->digest = inventory->digest;
    node->blocks = inventory->count;
    node->member.told = true;
    meta->nodes->counters.inventories++;
    whole = apply_early(meta, node, inventory);
    if (node->peer != NULL)
        dfs_link_send_status(&node->peer->link, inventory->end_request, whole ? DFS_OK : DFS_STALE_INCARNATION, NULL);
    node->rejoin_asked |= !whole;
    if (inventory->strays_left)
        meta_removals_recall_later(meta, node);
    meta_inventory_free(node);
    meta_node_refresh(meta, node, "inventory_end");
}
