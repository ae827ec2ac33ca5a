/*
 * PUT_COMMIT: receipts in pages, then the whole file at once. Journaled, then visible, then answered.
 *
 * Nothing of what the client says about stored bytes is believed: only receipts under the nodes' own MACs, of
 * incarnations that are present, or whose block a later complete inventory named.
 */
#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/meta/change.h"
#include "core/meta/put.h"

#include <string.h>

static void done_send(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_id *file,
                      uint64_t version, uint32_t blocks, uint8_t replicas_durable)
{
    const struct dfs_m_put_done done = {
        .status = DFS_OK, .file = *file, .version = version, .blocks = blocks, .replicas_durable = replicas_durable};

    meta_reply(meta, peer, request, DFS_MSG_PUT_DONE, &done);
}

/* Was it decided before? Then it is answered as it was then. */
static bool answer_decided(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_id *file)
{
    const struct meta_outcome *outcome = meta_outcome_find(meta, file);
    const struct meta_version *version;

    if (outcome != NULL && outcome->status != DFS_OK) {
        meta_reply_status(meta, peer, request, (enum dfs_status)outcome->status, NULL);
        return true;
    }
    if (outcome != NULL) {
        done_send(meta, peer, request, file, outcome->version, outcome->blocks, outcome->replicas_durable);
        return true;
    }
    version = meta_namespace_file(&meta->ns, file);
    if (version == NULL)
        return false;
    /* Its outcome is too old to be remembered; the version itself is not. The copies were at least what
     * the rule needs. */
    done_send(meta, peer, request, file, version->serial, version->file.blocks_count,
              (uint8_t)meta_copies_needed(version->file.ack, version->file.copies_wanted));
    return true;
}

/* Receipts ----------------------------------------------------------------------------------------------- */

static enum dfs_status receipt_take(struct dfs_meta *meta, struct meta_upload *upload,
                                    const struct dfs_w_receipt *receipt)
{
    struct meta_placed_block *block;
    struct meta_placed_copy *copy;
    uint16_t node;

    if (!dfs_id_equal(&receipt->block.file, &upload->file) || receipt->block.index >= upload->placed_count)
        return DFS_BAD_REQUEST;
    block = &upload->placed[receipt->block.index];
    if (receipt->block.generation != block->generation)
        return DFS_OK; /* of an earlier try: it proves nothing about this one */
    if (!meta_nodes_receipt_check(meta, receipt, upload->key_oldest, &node))
        return DFS_RECEIPT_INVALID;
    copy = meta_upload_copy(upload, receipt->block.index, receipt->block.generation, node);
    if (copy == NULL || receipt->length_bytes > meta_upload_length(upload, receipt->block.index))
        return DFS_RECEIPT_INVALID;
    if (block->length_bytes == 0) {
        block->length_bytes = receipt->length_bytes;
        block->crc32c = receipt->crc32c;
    } else if (block->length_bytes != receipt->length_bytes || block->crc32c != receipt->crc32c) {
        block->conflict = 1; /* two nodes hold different bytes under one name: neither is the block */
    }
    if ((copy->flags & META_PLACED_RECEIPT) != 0 && copy->incarnation > receipt->incarnation)
        return DFS_OK;
    if (copy->incarnation != receipt->incarnation)
        copy->flags &= (uint8_t)~META_PLACED_DURABLE; /* an older life's word */
    copy->flags |= META_PLACED_RECEIPT;
    if (receipt->durable != 0)
        copy->flags |= META_PLACED_DURABLE;
    copy->incarnation = receipt->incarnation;
    copy->change = receipt->change;
    return DFS_OK;
}

static enum dfs_status receipts_take(struct dfs_meta *meta, struct meta_upload *upload,
                                     const struct dfs_m_put_commit *body)
{
    for (uint32_t i = 0; i < body->receipts_count; i++) {
        const enum dfs_status status = receipt_take(meta, upload, &body->receipts[i]);

        if (status == DFS_RECEIPT_INVALID)
            meta->counters.receipts_bad++;
        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

/* Does this copy count: proved by its node, in a life that is present, or met in a complete inventory of
 * the present one? */
static bool copy_counts(const struct dfs_meta *meta, const struct meta_placed_copy *copy)
{
    if ((copy->flags & META_PLACED_RECEIPT) == 0)
        return false;
    return meta_nodes_is_present(meta, copy->node, copy->incarnation) ||
           (copy->confirmed != 0 && meta_nodes_is_present(meta, copy->node, copy->confirmed));
}

struct tally {
    uint32_t copies;
    uint32_t durable;
};

static struct tally block_tally(const struct dfs_meta *meta, const struct meta_upload *upload, uint32_t index)
{
    const struct meta_placed_block *block = &upload->placed[index];
    const struct meta_placed_copy *copies = meta_upload_copies(upload, index);
    struct tally tally = {0};

    if (block->conflict != 0 || block->lost != 0)
        return tally;
    for (uint32_t i = 0; i < block->copies_count; i++) {
        if (!copy_counts(meta, &copies[i]))
            continue;
        tally.copies++;
        tally.durable += (copies[i].flags & META_PLACED_DURABLE) != 0;
    }
    return tally;
}

static bool has_receipt(const struct meta_upload *upload, uint32_t index)
{
    const struct meta_placed_copy *copies = meta_upload_copies(upload, index);

    for (uint32_t i = 0; i < upload->placed[index].copies_count; i++) {
        if ((copies[i].flags & META_PLACED_RECEIPT) != 0)
            return true;
    }
    return false;
}

/*
 * Blocks that have to be placed again; *ret_durable: the fewest durable copies of any block. What is said to be lost stays lost, though its node may come back:
 * the client may have given up, and the same commit, sent before over a connection that stalled, may still come. (Without a receipt no such commit would do.)
 */
static uint32_t lost_find(const struct dfs_meta *meta, const struct meta_upload *upload, uint32_t blocks,
                          struct dfs_w_number *ret_lost, uint8_t *ret_durable)
{
    const uint32_t needed = meta_copies_needed(upload->ack, upload->copies_wanted);
    uint32_t count = 0;

    *ret_durable = blocks == 0 ? upload->copies_wanted : UINT8_MAX;
    for (uint32_t i = 0; i < blocks && count < meta->config.bounds.lost; i++) {
        const struct tally tally = block_tally(meta, upload, i);
        const uint32_t counted = upload->durability == DFS_DURABILITY_SYNC ? tally.durable : tally.copies;

        if (counted < needed) {
            upload->placed[i].lost |= has_receipt(upload, i);
            ret_lost[count++].value = i;
        }
        if (tally.durable < *ret_durable)
            *ret_durable = (uint8_t)tally.durable;
    }
    return count;
}

/* The whole ---------------------------------------------------------------------------------------------- */

/* Lengths and checksums of the blocks make the file that the client says it has sent. */
static const char *whole_fault(const struct meta_upload *upload, const struct dfs_m_put_commit *body)
{
    const bool known = upload->size_bytes != DFS_SIZE_UNKNOWN;
    uint64_t size = 0;
    uint32_t digest = 0;

    for (uint32_t i = 0; i < body->blocks; i++) {
        const struct meta_placed_block *block = &upload->placed[i];

        if ((known || i + 1 < body->blocks) && block->length_bytes != meta_upload_length(upload, i))
            return "a block is shorter than its place in the file";
        size += block->length_bytes;
        digest = dfs_crc32c_combine(digest, block->crc32c, block->length_bytes);
    }
    if (size != body->size_bytes)
        return "the blocks' lengths do not add up to the size";
    return digest == body->digest ? NULL : "the blocks' checksums do not add up to the digest";
}

static enum dfs_status precondition_test(const struct meta_upload *upload, const struct meta_version *current)
{
    if (upload->precondition == DFS_IF_ABSENT && current != NULL)
        return DFS_EXISTS;
    if (upload->precondition == DFS_IF_VERSION && (current == NULL || current->version != upload->if_version))
        return DFS_PRECONDITION_FAILED;
    return DFS_OK;
}

/* Visible ------------------------------------------------------------------------------------------------ */

static void blocks_append(struct dfs_meta *meta, const struct meta_upload *upload, uint32_t blocks)
{
    struct dfs_w_extent extents[DFS_META_MOST_extents];
    struct meta_r_blocks record = {.file = upload->file, .blocks = extents};

    for (uint32_t i = 0; i < blocks; i++) {
        const struct meta_placed_block *block = &upload->placed[i];

        extents[record.blocks_count++] = (struct dfs_w_extent){
            .generation = block->generation, .length_bytes = block->length_bytes, .crc32c = block->crc32c};
        if (record.blocks_count >= meta->config.bounds.extents || i + 1 == blocks) {
            meta_append(meta, META_RECORD_BLOCKS, &record);
            record.first = i + 1;
            record.blocks_count = 0;
        }
    }
}

/* The copies that were proved, and those that their nodes told of: the second kind does not count for the
 * answer, but it is there. */
static void copies_enter(struct dfs_meta *meta, const struct meta_upload *upload, const struct meta_version *version)
{
    for (uint32_t i = 0; i < version->file.blocks_count; i++) {
        const struct meta_placed_block *block = &upload->placed[i];
        const struct meta_placed_copy *copies = meta_upload_copies(upload, i);

        for (uint32_t j = 0; j < block->copies_count; j++) {
            const struct meta_placed_copy *copy = &copies[j];
            const bool told = (copy->flags & META_PLACED_STORED) != 0 && copy->length_bytes == block->length_bytes &&
                              (copy->flags & META_PLACED_RECEIPT) == 0;

            if (copy_counts(meta, copy))
                (void)meta_blockmap_put(&meta->map, meta_file_at(&version->file, i), copy->node,
                                        (copy->flags & META_PLACED_DURABLE) != 0 ? META_COPY_DURABLE : 0);
            else if (told && meta_nodes_serves(meta, copy->node))
                (void)meta_blockmap_put(&meta->map, meta_file_at(&version->file, i), copy->node, 0);
        }
        meta_nodes_block_committed(meta, meta_file_at(&version->file, i));
    }
}

static uint64_t commit(struct dfs_meta *meta, const struct meta_upload *upload, const struct dfs_m_put_commit *body,
                       uint8_t durable)
{
    struct meta_version *current = meta_namespace_current(&meta->ns, upload->path, upload->path_bytes);
    const struct dfs_text path = {.at = upload->path, .count = upload->path_bytes};
    const uint64_t number = meta->ns.sequence + 1;
    const struct meta_r_file file = {
        .file = upload->file,
        .path = path,
        .current = 1,
        .version = number,
        .serial = number,
        .created_ms = meta->wall / DFS_MILLISECONDS,
        .size_bytes = body->size_bytes,
        .digest = body->digest,
        .block_size_bytes = upload->block_size_bytes,
        .even = upload->size_bytes != DFS_SIZE_UNKNOWN,
        .blocks = body->blocks,
        .copies_wanted = upload->copies_wanted,
        .ack = upload->ack,
        .durability = upload->durability,
    };
    const struct meta_r_outcome outcome = {.operation = upload->file,
                                           .status = DFS_OK,
                                           .version = number,
                                           .blocks = body->blocks,
                                           .replicas_durable = durable};

    meta_append_group(meta);
    blocks_append(meta, upload, body->blocks);
    meta_append_group(meta);
    if (current != NULL)
        meta_version_discard(meta, current);
    meta_append(meta, META_RECORD_FILE, &file);
    meta_append(meta, META_RECORD_OUTCOME, &outcome);
    copies_enter(meta, upload, meta_namespace_file(&meta->ns, &upload->file));
    meta_trace_committed(meta, &upload->file, path, body->size_bytes, number);
    meta->counters.commits++;
    return number;
}

static void lost_send(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct meta_upload *upload,
                      struct dfs_w_number *lost, uint32_t count, uint32_t blocks)
{
    const struct dfs_m_put_done done = {
        .status = DFS_BLOCK_LOST, .file = upload->file, .blocks = blocks, .lost = lost, .lost_count = count};

    meta->counters.commits_lost++;
    meta_reply(meta, peer, request, DFS_MSG_PUT_DONE, &done);
}

/* It is over: what wanted another namespace must not be done later, in one that it would like (meta_change_refused). */
static void refuse(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, struct meta_upload *upload,
                   enum dfs_status status)
{
    meta_outcome_refused(meta, &upload->file, status, 0);
    meta_reply_status(meta, peer, request, status, NULL);
    meta_upload_end(meta, upload, false);
}

/* All pages are here. */
static void commit_last(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, struct meta_upload *upload,
                        const struct dfs_m_put_commit *body)
{
    struct dfs_w_number lost[DFS_META_MOST_lost];
    const char *fault = NULL;
    uint32_t lost_count;
    uint64_t version;
    uint8_t durable;
    enum dfs_status status;

    if (body->blocks > upload->placed_count ||
        (upload->size_bytes != DFS_SIZE_UNKNOWN && body->blocks != upload->blocks))
        fault = "the number of blocks is not that of the upload";
    if (fault == NULL) {
        lost_count = lost_find(meta, upload, body->blocks, lost, &durable);
        if (lost_count > 0) {
            lost_send(meta, peer, request, upload, lost, lost_count, body->blocks);
            return;
        }
        fault = whole_fault(upload, body);
    }
    if (fault != NULL) {
        meta_reply_status(meta, peer, request, DFS_BAD_REQUEST, fault);
        return;
    }
    status = precondition_test(upload, meta_namespace_current(&meta->ns, upload->path, upload->path_bytes));
    if (status != DFS_OK) {
        refuse(meta, peer, request, upload, status);
        return;
    }
    if (meta_journal_is_full(&meta->journal)) {
        meta_reply_status(meta, peer, request, DFS_UNAVAILABLE, NULL);
        return;
    }
    version = commit(meta, upload, body, durable);
    done_send(meta, peer, request, &upload->file, version, body->blocks, durable);
    meta_upload_end(meta, upload, true);
}

void meta_on_put_commit(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                        const struct dfs_m_put_commit *body)
{
    struct meta_upload *upload;
    enum dfs_status status;

    if (meta_uploads_find(&meta->uploads, &body->file) == NULL && answer_decided(meta, peer, request, &body->file))
        return;
    upload = meta_upload_of(meta, peer, request, &body->file, body->epoch);
    if (upload == NULL)
        return;
    status = receipts_take(meta, upload, body);
    if (status != DFS_OK) {
        meta_reply_status(meta, peer, request, status, NULL);
        return;
    }
    if (body->last != 0)
        commit_last(meta, peer, request, upload, body);
    else
        dfs_link_send_status(&peer->link, request, DFS_OK, NULL); /* tells of nothing that is journaled */
}
