/*
 * orphans.c - blocks on nodes that no committed file has.
 *
 * They belong to an upload that goes on (left alone), or to one that has ended for good, or to a file that
 * was deleted while the node was away. The order to remove them waits in the node's queue until warm-up and
 * brake are over, and is tested once more when it leaves (removals.c).
 */
#include "core/meta/nodes.h"

void meta_orphan_met(struct dfs_meta *meta, struct meta_node *node, const struct dfs_block_id *id,
                     uint32_t length_bytes, bool confirmed)
{
    const meta_block_no block = meta_block_find(meta, id);

    if (block != 0) {
        /* Committed since the node's inventory named it. */
        if (meta_blockmap_block(&meta->map, block)->length_bytes == length_bytes)
            meta_copy_here(meta, node, block, 0);
        else
            meta_copy_is_bad(meta, node, block, DFS_BLOCK_CORRUPT);
        return;
    }
    meta_orphan_here(meta, node, id, length_bytes, confirmed);
}

void meta_orphan_here(struct dfs_meta *meta, struct meta_node *node, const struct dfs_block_id *id,
                      uint32_t length_bytes, bool confirmed)
{
    if (meta_upload_has(meta, id, node->index, length_bytes, confirmed))
        return;
    meta->nodes->counters.orphans++;
    meta_removal_add(meta, node, id, DFS_REMOVE_ORPHAN);
}
