/*
 * GET_OPEN: where a file's blocks are, and the right to read them, a page at a time.
 */
#include "core/base/assert.h"
#include "core/meta/put.h"
#include "core/meta/read.h"

/* false: it was answered that its copies are not told yet. */
static bool block_plan(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, meta_block_no number,
                       struct dfs_w_plan_block *ret_plan)
{
    const struct meta_block *block = meta_blockmap_block(&meta->map, number);
    uint16_t nodes[DFS_REPLICAS_MAX];
    const uint32_t count = meta_block_readable(meta, number, nodes);
    struct dfs_block_id id;

    if (count == 0 && !meta_nodes_have_told(meta)) {
        meta_reply_status(meta, peer, request, DFS_UNAVAILABLE, "not all data servers have told yet what they have");
        return false;
    }
    meta_block_id(meta, number, &id);
    ret_plan->length_bytes = block->length_bytes;
    ret_plan->crc32c = block->crc32c;
    /* No replica at all is an answer too: who needs this block learns that it is lost, other ranges of the
     * file can still be read. */
    ret_plan->lost = count == 0 && meta_nodes_are_all_here(meta);
    (void)meta_grant_make(meta, &ret_plan->grant, &id, block->length_bytes, DFS_GRANT_READ, peer->link.peer.fingerprint,
                          nodes, count);
    return true;
}

void meta_on_get_open(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                      const struct dfs_m_get_open *body)
{
    const struct meta_version *version = meta_version_asked(meta, peer, request, body->path, body->version);
    uint32_t page = meta_page_of(meta);
    struct dfs_m_get_plan plan;

    if (version == NULL)
        return;
    if (body->first_block > version->file.blocks_count) {
        meta_reply_status(meta, peer, request, DFS_BAD_REQUEST, "the file has no such block");
        return;
    }
    if (page > version->file.blocks_count - body->first_block)
        page = version->file.blocks_count - body->first_block;
    plan = (struct dfs_m_get_plan){
        .file = version->file.id,
        .version = version->version,
        .size_bytes = version->size_bytes,
        .blocks = version->file.blocks_count,
        .digest = version->digest,
        .first_block = body->first_block,
        .first_offset = meta_version_offset(version, body->first_block),
        .plan = dfs_arena_take(&meta->scratch, page, sizeof *plan.plan),
    };
    DFS_ASSERT(plan.plan != NULL);
    while (plan.plan_count < page) {
        if (!block_plan(meta, peer, request, meta_file_at(&version->file, body->first_block + plan.plan_count),
                        &plan.plan[plan.plan_count]))
            return;
        plan.plan_count++;
    }
    if (body->first_block == 0)
        meta->counters.reads++;
    meta_reply(meta, peer, request, DFS_MSG_GET_PLAN, &plan);
}
