#include "core/meta/read.h"

#include "core/wire/grant.h"

struct meta_version *meta_version_asked(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                                        struct dfs_text path, uint64_t number)
{
    struct meta_version *version;

    if (!meta_claims_allow(meta, peer, request, 'r', path.at, path.count))
        return NULL;
    version = number == 0 ? meta_namespace_current(&meta->ns, path.at, path.count)
                          : meta_namespace_version(&meta->ns, path.at, path.count, number);
    if (version == NULL)
        meta_reply_status(meta, peer, request, DFS_NOT_FOUND, NULL);
    return version;
}

/* 0: the best copies to ask, 2: the last resort, 3: never. */
static uint32_t rank_of(const struct meta_copy *copy)
{
    if ((copy->flags & META_COPY_BAD) != 0)
        return 3;
    if ((copy->flags & META_COPY_EXCESS) != 0)
        return 2;
    return (copy->flags & META_COPY_DOUBTED) != 0 ? 1 : 0;
}

uint32_t meta_block_readable(const struct dfs_meta *meta, meta_block_no block, uint16_t ret_nodes[DFS_REPLICAS_MAX])
{
    uint32_t count = 0;

    for (uint32_t rank = 0; rank < 3; rank++) {
        meta_copy_no at = meta_blockmap_first(&meta->map, block);

        for (; at != 0 && count < DFS_REPLICAS_MAX; at = meta_blockmap_next(&meta->map, at)) {
            const struct meta_copy *copy = meta_blockmap_copy(&meta->map, at);

            if (rank_of(copy) == rank && meta_nodes_serves(meta, copy->node))
                ret_nodes[count++] = copy->node;
        }
    }
    return count;
}

uint32_t meta_block_live(const struct dfs_meta *meta, meta_block_no block)
{
    meta_copy_no at = meta_blockmap_first(&meta->map, block);
    uint32_t count = 0;

    for (; at != 0; at = meta_blockmap_next(&meta->map, at)) {
        const struct meta_copy *copy = meta_blockmap_copy(&meta->map, at);

        count += rank_of(copy) == 0 && meta_nodes_serves(meta, copy->node);
    }
    return count;
}

uint64_t meta_version_offset(const struct meta_version *version, uint32_t index)
{
    if (version->file.blocks_count == 0)
        return 0;
    if ((version->file.flags & META_FILE_EVEN) != 0)
        return dfs_block_offset(version->size_bytes, version->file.blocks_count, index);
    return index == version->file.blocks_count ? version->size_bytes : (uint64_t)version->block_size_bytes * index;
}
