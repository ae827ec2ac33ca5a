/*
 * EXPLAIN: for each block of a file why it is not yet whole, and what happens next.
 */
#include "core/base/assert.h"
#include "core/meta/read.h"

#define BLOCKS_MAX 64 /* of a page: the message's own limit */

void meta_on_explain(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_explain *body)
{
    const struct meta_version *version = meta_version_asked(meta, peer, request, body->path, 0);
    struct dfs_m_explain_page page = {.more = 0};
    uint32_t i = body->first_block;

    if (version == NULL)
        return;
    page.blocks = dfs_arena_take(&meta->scratch, BLOCKS_MAX, sizeof *page.blocks);
    DFS_ASSERT(page.blocks != NULL);
    for (; i < version->file.blocks_count && page.blocks_count < BLOCKS_MAX; i++) {
        struct dfs_w_explain_block *explain = &page.blocks[page.blocks_count++];

        explain->index = i;
        explain->copies = meta_block_live(meta, meta_file_at(&version->file, i));
        explain->wanted = version->file.copies_wanted;
        meta_nodes_explain(meta, meta_file_at(&version->file, i), explain);
    }
    page.more = i < version->file.blocks_count;
    meta_reply(meta, peer, request, DFS_MSG_EXPLAIN_PAGE, &page);
}
