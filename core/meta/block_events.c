/*
 * block_events.c - BLOCK_EVENTS: what a node published, removed or found bad, numbered without gaps within
 * its incarnation.
 */
#include "core/meta/nodes.h"

#include "core/base/mem.h"

/* A change, and what the map knows of it. */
struct told {
    const struct dfs_w_change *change;
    struct dfs_block_id id;
    meta_block_no block; /* 0: of no file */
    meta_copy_no copy;   /* of this node; 0: none */
};

static void added(struct dfs_meta *meta, struct meta_node *node, const struct told *told)
{
    const struct dfs_w_change *change = told->change;
    const struct meta_block *block = told->block == 0 ? NULL : meta_blockmap_block(&meta->map, told->block);

    if (block == NULL)
        meta_orphan_here(meta, node, &told->id, change->length_bytes, false);
    else if (block->length_bytes == change->length_bytes && block->crc32c == change->crc32c)
        meta_copy_here(meta, node, told->block, 0);
    else
        meta_copy_is_bad(meta, node, told->block, DFS_BLOCK_CORRUPT);
}

static void removed(struct dfs_meta *meta, struct meta_node *node, const struct told *told)
{
    if (told->block == 0)
        meta_upload_lost(meta, &told->id, node->index);
    else if (told->copy != 0)
        meta_copy_gone(meta, told->copy, META_REPAIR_NEWS);
}

static void bad(struct dfs_meta *meta, struct meta_node *node, const struct told *told)
{
    if (told->block == 0)
        meta_upload_lost(meta, &told->id, node->index);
    else if (told->copy != 0)
        meta_copy_is_bad(meta, node, told->block, DFS_BLOCK_CORRUPT);
}

/* Had the node this block when it published it? Then it has put a good copy in the place of a bad one, and
 * its digest is as before. */
static bool replaces_bad(const struct dfs_meta *meta, const struct told *told)
{
    return told->copy != 0 && (meta_blockmap_copy(&meta->map, told->copy)->flags & META_COPY_BAD) != 0;
}

void meta_change_apply(struct dfs_meta *meta, struct meta_node *node, const struct dfs_w_change *change,
                       uint64_t number)
{
    const uint64_t digest = dfs_block_digest(&change->block, change->length_bytes);
    struct told told = {.change = change, .id = meta_block_of_wire(&change->block)};

    DFS_ASSERT(number == node->applied + 1);
    node->applied = number;
    meta->nodes->counters.events++;
    told.block = meta_block_find(meta, &told.id);
    told.copy = told.block == 0 ? 0 : meta_blockmap_find(&meta->map, told.block, node->index);
    switch ((enum dfs_change)change->kind) {
    case DFS_CHANGE_ADDED:
        if (replaces_bad(meta, &told)) {
            meta_copy_gone(meta, told.copy, META_REPAIR_NEWS);
        } else {
            node->digest ^= digest;
            node->blocks++;
        }
        added(meta, node, &told);
        return;
    case DFS_CHANGE_REMOVED:
        node->digest ^= digest;
        node->blocks -= node->blocks > 0;
        removed(meta, node, &told);
        return;
    case DFS_CHANGE_BAD:
        bad(meta, node, &told);
        return;
    }
    dfs_unreachable("meta_change_apply");
}

static void start_over(struct dfs_meta *meta, struct meta_node *node, const char *words)
{
    meta->nodes->counters.events_bad++;
    meta_node_ask_rejoin(meta, node, words);
}

/* Before the inventory is complete they are kept: it says as of which change it is. */
static void keep_early(struct dfs_meta *meta, struct meta_node *node, const struct dfs_m_block_events *events)
{
    struct meta_inventory *inventory = node->inventory;
    const uint32_t count = inventory->early_count + events->changes_count;

    if (inventory->early_count == 0)
        inventory->early_first = events->first;
    if (events->first != inventory->early_first + inventory->early_count) {
        start_over(meta, node, "changes are missing");
        return;
    }
    if (count > meta->config.bounds.early_changes) {
        start_over(meta, node, "too many changes before the end of the inventory");
        return;
    }
    if (count > inventory->early_room) {
        inventory->early_room = count > 64 ? DFS_META_MOST_early_changes : 64;
        inventory->early = dfs_realloc_array(inventory->early, inventory->early_room, sizeof inventory->early[0]);
    }
    memcpy(inventory->early + inventory->early_count, events->changes,
           events->changes_count * sizeof events->changes[0]);
    inventory->early_count = count;
}

void meta_on_block_events(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                          const struct dfs_m_block_events *events)
{
    struct meta_node *node = meta_node_of_peer(meta, peer, request);

    if (node == NULL || events->changes_count == 0)
        return;
    if (events->first == 0 || events->first + events->changes_count < events->first) {
        meta_peer_close(meta, peer, DFS_BAD_REQUEST, "block_events");
        return;
    }
    if (!node->member.told) {
        keep_early(meta, node, events);
        return;
    }
    if (events->first > node->applied + 1) {
        start_over(meta, node, "changes are missing");
        return;
    }
    for (uint32_t i = 0; i < events->changes_count; i++) {
        if (events->first + i > node->applied)
            meta_change_apply(meta, node, &events->changes[i], events->first + i);
    }
}
