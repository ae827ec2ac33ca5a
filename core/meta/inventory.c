/*
 * inventory.c - INVENTORY: a page of what a joining node has on its disk.
 *
 * What the map knows and the page names is marked; what is new to the map and fits a committed block is
 * adopted at once. Only the end of a complete inventory takes anything away (inventory_end.c): a lost page
 * must not read as lost blocks (SeaweedFS #10640).
 */
#include "core/meta/nodes.h"

#include "core/base/mem.h"

void meta_inventory_free(struct meta_node *node)
{
    if (node->inventory == NULL)
        return;
    dfs_free(node->inventory->strays);
    dfs_free(node->inventory->early);
    dfs_free(node->inventory);
    node->inventory = NULL;
}

static void stray_add(const struct dfs_meta *meta, struct meta_inventory *inventory, const struct dfs_block_id *block,
                      uint32_t length_bytes)
{
    if (inventory->strays_count >= meta->config.bounds.strays) {
        inventory->strays_left = true; /* the next inventory names it again */
        return;
    }
    if (inventory->strays_count == inventory->strays_room) {
        inventory->strays_room = inventory->strays_room == 0 ? 64 : 2 * inventory->strays_room;
        inventory->strays = dfs_realloc_array(inventory->strays, inventory->strays_room, sizeof inventory->strays[0]);
    }
    inventory->strays[inventory->strays_count++] = (struct meta_stray){.block = *block, .length_bytes = length_bytes};
}

static void met(struct dfs_meta *meta, struct meta_node *node, const struct dfs_w_stored *stored)
{
    const struct dfs_block_id id = meta_block_of_wire(&stored->block);
    const meta_block_no block = meta_block_find(meta, &id);

    node->inventory->count++;
    node->inventory->digest ^= dfs_block_digest(&stored->block, stored->length_bytes);
    if (block == 0) {
        stray_add(meta, node->inventory, &id, stored->length_bytes);
    } else if (meta_blockmap_block(&meta->map, block)->length_bytes != stored->length_bytes) {
        meta_copy_is_bad(meta, node, block, DFS_BLOCK_CORRUPT);
        (void)meta_blockmap_put(&meta->map, block, node->index, META_COPY_SEEN);
    } else {
        meta_copy_here(meta, node, block, META_COPY_SEEN);
    }
}

void meta_on_inventory(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                       const struct dfs_m_inventory *page)
{
    struct meta_node *node = meta_node_of_peer(meta, peer, request);

    if (node == NULL)
        return;
    if (node->inventory == NULL || node->inventory->ended || page->page != node->inventory->pages) {
        meta->nodes->counters.inventories_bad++;
        node->rejoin_asked = true;
        dfs_link_send_status(&peer->link, request, DFS_STALE_INCARNATION, "a page of the inventory is out of order");
        return;
    }
    node->inventory->pages++;
    for (uint32_t i = 0; i < page->blocks_count; i++)
        met(meta, node, &page->blocks[i]);
    /* It goes on telling: its old copies count a while longer. */
    node->counts_until = meta->fair + META_JOINING_INTERVALS * meta->config.heartbeat_interval_ns;
    meta_node_refresh(meta, node, "inventory");
    dfs_link_send_status(&peer->link, request, DFS_OK, NULL);
}
