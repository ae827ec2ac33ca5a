/*
 * copy_done.c - COPY_DONE: the source says how a copy ended. It counts by the target's own receipt only.
 */
#include "core/meta/nodes.h"

/* Does the receipt prove that the target has the block as it should be? */
static bool proves(struct dfs_meta *meta, const struct meta_copying *copying, const struct dfs_m_copy_done *done)
{
    const struct dfs_w_receipt *receipt = done->receipts;
    const struct meta_block *block = meta_blockmap_block(&meta->map, copying->block);
    struct dfs_block_id told;
    uint16_t target;

    if (done->receipts_count != 1 || !meta_nodes_receipt_check(meta, receipt, meta_nodes_key_oldest(meta), &target) ||
        target != copying->node[1] || !meta_nodes_is_present(meta, target, receipt->incarnation))
        return false;
    told = meta_block_of_wire(&receipt->block);
    return meta_block_find(meta, &told) == copying->block && receipt->length_bytes == block->length_bytes &&
           receipt->crc32c == block->crc32c;
}

/* The source could not read its copy, or found other bytes in it: it is asked to look again, not believed at
 * once. */
static void doubt_source(struct dfs_meta *meta, meta_block_no block, uint16_t source, enum dfs_status status)
{
    const meta_copy_no copy = meta_blockmap_find(&meta->map, block, source);

    if (copy == 0 || (meta_blockmap_copy(&meta->map, copy)->flags & META_COPY_BAD) != 0)
        return;
    meta_blockmap_flags(&meta->map, copy, META_COPY_DOUBTED, 0);
    meta_nodes_block_doubted(meta, block, source, status);
}

void meta_on_copy_done(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                       const struct dfs_m_copy_done *done)
{
    struct meta_node *node = meta_node_of_peer(meta, peer, request);
    const enum dfs_status status = (enum dfs_status)done->status;
    const struct meta_copying *copying;
    uint32_t slot;
    uint32_t generation;

    if (node == NULL || !meta_order_id_parse(meta, &done->operation, &slot, &generation))
        return;
    copying = meta_repair_find(&meta->nodes->repair, slot, generation);
    if (copying == NULL || copying->node[0] != node->index)
        return; /* it was given up, or has arrived by the target's own word */
    if (status == DFS_OK && proves(meta, copying, done)) {
        const uint8_t durable = done->receipts[0].durable != 0 ? META_COPY_DURABLE : 0;

        meta_copy_here(meta, meta_node_at(meta, copying->node[1]), copying->block, META_COPY_VERIFIED | durable);
        return;
    }
    if (status == DFS_OK)
        meta->nodes->counters.receipts_bad++;
    const meta_block_no block = copying->block;

    meta_repair_finish(&meta->nodes->repair, copying, status == DFS_OK ? DFS_RECEIPT_INVALID : status, meta->fair);
    if (status == DFS_BLOCK_MISSING || status == DFS_BLOCK_CORRUPT || status == DFS_EXISTS || status == DFS_IO)
        doubt_source(meta, block, node->index, status);
}
