/*
 * BLOCK_BAD: a reader complains about a copy. It is not believed, it is looked into: the copy is used last
 * until its node has read it again.
 */
#include "core/meta/meta_internal.h"

/* What a reader can have seen that the copy itself may be to blame for. A node that is slow or away is
 * judged by its heartbeats. */
static bool blames_copy(uint8_t status)
{
    return status == DFS_BLOCK_MISSING || status == DFS_BLOCK_CORRUPT || status == DFS_IO;
}

void meta_on_block_bad(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                       const struct dfs_m_block_bad *body)
{
    const struct dfs_block_id id = {
        .file = body->block.file, .index = body->block.index, .generation = body->block.generation};
    const meta_block_no number = meta_block_find(meta, &id);
    const struct meta_version *version = meta_namespace_file(&meta->ns, &id.file);
    const struct meta_path *path;
    meta_copy_no copy;
    uint16_t node;

    if (number == 0 || !meta_nodes_find(meta, &body->node, &node)) {
        meta_reply_status(meta, peer, request, DFS_NOT_FOUND, "no such block or node");
        return;
    }
    path = meta_version_path(&meta->ns, version);
    if (!meta_claims_allow(meta, peer, request, 'r', path->text, path->text_bytes))
        return;
    copy = meta_blockmap_find(&meta->map, number, node);
    if (copy != 0 && blames_copy(body->status)) {
        meta_blockmap_flags(&meta->map, copy, META_COPY_DOUBTED, META_COPY_VERIFIED);
        meta_nodes_block_doubted(meta, number, node, body->status);
        meta_nodes_block_changed(meta, number);
    }
    meta_reply_status(meta, peer, request, DFS_OK, NULL);
}
