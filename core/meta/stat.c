/*
 * STAT: a file's facts, and where the copies of its blocks are, a page at a time.
 */
#include "core/base/assert.h"
#include "core/meta/read.h"

#define BLOCKS_MAX 256 /* of a page: the message's own limit */
#define BLOCK_BYTES 18 /* on the wire, without copies */
#define COPY_BYTES 17
#define COPIES_MAX 64 /* the message's own limit */

static void block_stat(struct dfs_meta *meta, meta_block_no number, struct dfs_w_stat_block *ret_stat)
{
    const struct meta_block *block = meta_blockmap_block(&meta->map, number);
    const uint32_t room = block->copies_count < COPIES_MAX ? block->copies_count : COPIES_MAX;
    meta_copy_no at = meta_blockmap_first(&meta->map, number);

    *ret_stat = (struct dfs_w_stat_block){
        .index = block->index,
        .generation = block->generation,
        .length_bytes = block->length_bytes,
        .crc32c = block->crc32c,
        .replicas = dfs_arena_take(&meta->scratch, room, sizeof *ret_stat->replicas),
    };
    DFS_ASSERT(ret_stat->replicas != NULL);
    for (; ret_stat->replicas_count < room; at = meta_blockmap_next(&meta->map, at)) {
        const uint16_t node = meta_blockmap_copy(&meta->map, at)->node;

        ret_stat->replicas[ret_stat->replicas_count++] = (struct dfs_w_copy_state){
            .node = *meta_nodes_id(meta, node), .state = (uint8_t)meta_nodes_state(meta, node)};
    }
}

void meta_on_stat(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_stat *body)
{
    const struct meta_version *version = meta_version_asked(meta, peer, request, body->path, body->version);
    struct dfs_m_stat_done done;
    size_t bytes = 0;

    if (version == NULL)
        return;
    done = (struct dfs_m_stat_done){
        .file = version->file.id,
        .version = version->version,
        .size_bytes = version->size_bytes,
        .created_ms = version->created_ms,
        .block_size_bytes = version->block_size_bytes,
        .copies_wanted = version->file.copies_wanted,
        .ack = version->file.ack,
        .blocks_total = version->file.blocks_count,
        .first_block = body->first_block,
        .blocks = dfs_arena_take(&meta->scratch, BLOCKS_MAX, sizeof *done.blocks),
    };
    DFS_ASSERT(done.blocks != NULL);
    for (uint32_t i = body->first_block; i < version->file.blocks_count && done.blocks_count < BLOCKS_MAX; i++) {
        const meta_block_no number = meta_file_at(&version->file, i);

        bytes += BLOCK_BYTES + (size_t)meta_blockmap_block(&meta->map, number)->copies_count * COPY_BYTES;
        if (bytes > META_PAGE_BYTES_MAX)
            break;
        block_stat(meta, number, &done.blocks[done.blocks_count++]);
    }
    meta_reply(meta, peer, request, DFS_MSG_STAT_DONE, &done);
}
