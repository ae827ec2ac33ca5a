/*
 * PUT_PLACE: the next blocks of an upload, or one block again because nodes failed.
 */
#include "core/base/assert.h"
#include "core/meta/put.h"

static void placed_send(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                        const struct meta_upload *upload, uint32_t first, uint32_t count)
{
    struct dfs_m_put_placed placed = {.first = first,
                                      .grants = dfs_arena_take(&meta->scratch, count, sizeof *placed.grants)};

    DFS_ASSERT(placed.grants != NULL);
    while (placed.grants_count < count) {
        meta_upload_grant(meta, upload, first + placed.grants_count, &placed.grants[placed.grants_count]);
        placed.grants_count++;
    }
    dfs_link_send(&peer->link, request, DFS_MSG_PUT_PLACED, &placed); /* as the plan, not held for the journal */
}

/* The next page: what is not placed yet is placed, the rest is granted again. *ret_count: how many of them
 * it became. */
static enum dfs_status place_page(struct dfs_meta *meta, struct meta_upload *upload, uint32_t first,
                                  uint32_t *ret_count)
{
    uint32_t done = 0;

    while (done < *ret_count) {
        const uint32_t index = first + done;

        if (index >= upload->placed_count || upload->placed[index].generation == 0) {
            const enum dfs_status status = meta_upload_place(meta, upload, index, 1, &meta_excluded_none);

            if (status != DFS_OK && done == 0)
                return status;
            if (status != DFS_OK)
                break; /* so far it went; the client asks for the rest */
        }
        done++;
    }
    *ret_count = done;
    return DFS_OK;
}

static void exclude(const struct dfs_meta *meta, const struct dfs_w_failure *failure, struct meta_excluded *excluded)
{
    uint16_t node;

    if (excluded->count == META_EXCLUDED_MAX || !meta_nodes_find(meta, &failure->node, &node))
        return;
    if (failure->status == DFS_NO_SPACE) {
        excluded->nodes[excluded->count++] = excluded->nodes[excluded->full];
        excluded->nodes[excluded->full++] = node;
    } else {
        excluded->nodes[excluded->count++] = node;
    }
}

static enum dfs_status place_again(struct dfs_meta *meta, struct meta_upload *upload,
                                   const struct dfs_m_put_place *body)
{
    struct meta_excluded excluded = {.count = 0};
    uint32_t generation;

    if (body->count != 1 || body->first >= upload->placed_count || upload->placed[body->first].generation == 0)
        return DFS_BAD_REQUEST;
    generation = upload->placed[body->first].generation;
    if (body->generation == generation)
        return DFS_OK; /* the answer was lost */
    if (body->generation != generation + 1)
        return DFS_BAD_REQUEST;
    for (uint32_t i = 0; i < body->excluded_count; i++)
        exclude(meta, &body->excluded[i], &excluded);
    if (!meta_upload_supersede(upload, body->first, meta->config.bounds.upload_vain))
        return DFS_TOO_LARGE;
    const enum dfs_status status = meta_upload_place(meta, upload, body->first, body->generation, &excluded);

    if (status != DFS_OK) /* asked again it is still this generation's turn */
        upload->placed[body->first] = (struct meta_placed_block){.generation = generation};
    return status;
}

void meta_on_put_place(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                       const struct dfs_m_put_place *body)
{
    struct meta_upload *upload = meta_upload_of(meta, peer, request, &body->file, body->epoch);
    uint32_t count = body->count < meta_page_of(meta) ? body->count : meta_page_of(meta);
    uint32_t end;
    enum dfs_status status;

    if (upload == NULL)
        return;
    /* An unknown size grows block by block, so that no request claims memory for what is not there. */
    end = upload->size_bytes != DFS_SIZE_UNKNOWN ? upload->blocks : DFS_BLOCKS_PER_FILE_MAX;
    if (body->first >= end || (upload->size_bytes == DFS_SIZE_UNKNOWN && body->first > upload->placed_count)) {
        meta_reply_status(meta, peer, request, DFS_BAD_REQUEST, "no such block in this upload");
        return;
    }
    if (count > end - body->first)
        count = end - body->first;
    if (meta->uploads.copies_count >= META_UPLOADS_COPIES_MAX && body->first + count > upload->placed_room)
        status = DFS_UNAVAILABLE;
    else if (body->generation == 1)
        status = place_page(meta, upload, body->first, &count);
    else
        status = place_again(meta, upload, body);
    if (status == DFS_OK)
        placed_send(meta, peer, request, upload, body->first, count);
    else
        meta_reply_status(meta, peer, request, status, NULL);
}
