#include "core/meta/put.h"

#include "core/base/assert.h"

#include <string.h>

const struct meta_excluded meta_excluded_none = {.count = 0};

uint32_t meta_grant_make(struct dfs_meta *meta, struct dfs_w_grant *ret_grant, const struct dfs_block_id *block,
                         uint32_t length_max_bytes, enum dfs_grant_operation operation,
                         const uint8_t bearer[DFS_FINGERPRINT_BYTES], const uint16_t *nodes, uint32_t nodes_count)
{
    struct dfs_mac *macs[DFS_REPLICAS_MAX] = {NULL};
    struct dfs_w_grant grant = {
        .block = {.file = block->file, .index = block->index, .generation = block->generation},
        .length_max_bytes = length_max_bytes,
        .operation = (uint8_t)operation,
        .epoch = meta->epoch,
        .key_id = meta_nodes_key_id(meta),
        .replicas = dfs_arena_take(&meta->scratch, nodes_count, sizeof *grant.replicas),
    };

    DFS_ASSERT(nodes_count <= DFS_REPLICAS_MAX && grant.replicas != NULL);
    memcpy(grant.bearer, bearer, sizeof grant.bearer);
    for (uint32_t i = 0; i < nodes_count; i++) {
        struct dfs_mac *mac = meta_nodes_grant_mac(meta, nodes[i]);
        const bool present = meta_nodes_replica(meta, nodes[i], &grant.replicas[grant.replicas_count]) && mac != NULL;

        /* Evicted since it was chosen. The primary of a block never changes: it is named all the same, without a tag, and the writer that finds
         * nobody there asks for the next generation. */
        if (!present && !(operation == DFS_GRANT_WRITE && i == 0))
            continue;
        macs[grant.replicas_count++] = present ? mac : NULL;
    }
    dfs_grant_sign_all(&meta->grants, &grant, macs);
    *ret_grant = grant;
    return grant.replicas_count;
}

struct meta_upload *meta_upload_of(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                                   const struct dfs_id *file, uint64_t epoch)
{
    struct meta_upload *upload = meta_uploads_find(&meta->uploads, file);

    if (upload == NULL) {
        meta_reply_status(meta, peer, request, epoch != meta->epoch ? DFS_UPLOAD_LOST : DFS_LEASE_EXPIRED, NULL);
        return NULL;
    }
    if (memcmp(upload->bearer, peer->link.peer.fingerprint, sizeof upload->bearer) != 0) {
        meta->counters.denied++;
        meta_reply_status(meta, peer, request, DFS_DENIED, "the upload belongs to another client");
        return NULL;
    }
    if (!meta_claims_allow(meta, peer, request, 'w', upload->path, upload->path_bytes))
        return NULL;
    upload->heard_at = meta->fair;
    return upload;
}

uint32_t meta_upload_length(const struct meta_upload *upload, uint32_t index)
{
    if (upload->size_bytes == DFS_SIZE_UNKNOWN)
        return upload->block_size_bytes;
    return (uint32_t)(dfs_block_offset(upload->size_bytes, upload->blocks, index + 1) -
                      dfs_block_offset(upload->size_bytes, upload->blocks, index));
}

/* NO_SPACE is final: the client goes on asking only as long as time may help. */
static enum dfs_status why_too_few(const struct dfs_meta *meta, uint32_t needed, uint32_t length_bytes,
                                   const struct meta_excluded *excluded)
{
    if (!meta_nodes_have_told(meta))
        return DFS_UNAVAILABLE;
    if (meta_nodes_placeable(meta) < needed)
        return DFS_NOT_ENOUGH_NODES;
    /* Of those who may take writes too few have room. Has one that is suspected just now? */
    return meta_nodes_with_room(meta, length_bytes, excluded->nodes, excluded->full) < needed ? DFS_NO_SPACE
                                                                                              : DFS_NOT_ENOUGH_NODES;
}

enum dfs_status meta_upload_place(struct dfs_meta *meta, struct meta_upload *upload, uint32_t index,
                                  uint32_t generation, const struct meta_excluded *excluded)
{
    const struct dfs_block_id id = {.file = upload->file, .index = index, .generation = generation};
    const uint32_t needed = meta_copies_needed(upload->ack, upload->copies_wanted);
    const uint32_t length = meta_upload_length(upload, index);
    uint16_t nodes[DFS_REPLICAS_MAX];
    uint32_t count =
        meta_nodes_place(meta, &id, length, upload->copies_wanted, excluded->nodes, excluded->count, nodes);
    struct meta_placed_copy *copies;

    if (count < needed && excluded->count > excluded->full)
        count = meta_nodes_place(meta, &id, length, upload->copies_wanted, excluded->nodes, excluded->full, nodes);
    if (count < needed)
        return why_too_few(meta, needed, length, excluded);
    meta_upload_grow(&meta->uploads, upload, index);
    upload->placed[index] = (struct meta_placed_block){.generation = generation, .copies_count = (uint16_t)count};
    copies = meta_upload_copies(upload, index);
    for (uint32_t i = 0; i < count; i++)
        copies[i] = (struct meta_placed_copy){.node = nodes[i]};
    return DFS_OK;
}

void meta_upload_grant(struct dfs_meta *meta, const struct meta_upload *upload, uint32_t index,
                       struct dfs_w_grant *ret_grant)
{
    const struct meta_placed_block *placed = &upload->placed[index];
    const struct meta_placed_copy *copies = meta_upload_copies(upload, index);
    const struct dfs_block_id id = {.file = upload->file, .index = index, .generation = placed->generation};
    uint16_t nodes[DFS_REPLICAS_MAX];

    for (uint32_t i = 0; i < placed->copies_count; i++)
        nodes[i] = copies[i].node;
    (void)meta_grant_make(meta, ret_grant, &id, meta_upload_length(upload, index), DFS_GRANT_WRITE, upload->bearer,
                          nodes, placed->copies_count);
}

/* What nodes say of an upload's blocks ------------------------------------------------------------------- */

bool meta_upload_has(struct dfs_meta *meta, const struct dfs_block_id *block, uint16_t node, uint32_t length_bytes,
                     bool confirmed)
{
    struct meta_upload *upload = meta_uploads_find(&meta->uploads, &block->file);
    struct meta_placed_copy *copy;
    struct dfs_w_replica replica;

    if (upload == NULL)
        return false;
    /* What a server publishes, somebody has sent. That it lies there says nothing: a server that joins again and
     * again would keep what a dead client has left. */
    if (!confirmed)
        upload->heard_at = meta->fair;
    copy = meta_upload_copy(upload, block->index, block->generation, node);
    if (copy == NULL)
        return true; /* an older generation: removed when the upload ends */
    copy->flags |= META_PLACED_STORED;
    copy->length_bytes = length_bytes;
    if (confirmed && meta_nodes_replica(meta, node, &replica))
        copy->confirmed = replica.incarnation;
    return true;
}

void meta_upload_lost(struct dfs_meta *meta, const struct dfs_block_id *block, uint16_t node)
{
    struct meta_upload *upload = meta_uploads_find(&meta->uploads, &block->file);
    struct meta_placed_copy *copy =
        upload == NULL ? NULL : meta_upload_copy(upload, block->index, block->generation, node);

    if (copy != NULL)
        *copy = (struct meta_placed_copy){.node = node};
}
