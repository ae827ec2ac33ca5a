/*
 * PUT_OPEN: a client wants to store a file. Nothing is journaled: the answer is a promise to wait for the
 * blocks, and where to bring them.
 */
#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/meta/put.h"

#include <string.h>

/* Blocks of a file of unknown size (design, section 4). */
#define BLOCK_BYTES_UNKNOWN 4000000

/* Random ids never meet; a source of randomness that repeats itself must not overwrite. */
#define FILE_ID_DRAWS 4

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void plan_send(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct meta_upload *upload)
{
    const uint32_t page = least(meta_page_of(meta), least(upload->blocks, upload->placed_count));
    struct dfs_m_put_plan plan = {
        .file = upload->file,
        .epoch = meta->epoch,
        .lease_ns = meta->config.upload_lease_ns,
        .block_size_bytes = upload->block_size_bytes,
        .blocks = upload->blocks,
        .ack = upload->ack,
        .durability = upload->durability,
        .copies_wanted = upload->copies_wanted,
        .grants = dfs_arena_take(&meta->scratch, page, sizeof *plan.grants),
    };

    DFS_ASSERT(plan.grants != NULL);
    while (plan.grants_count < page && upload->placed[plan.grants_count].generation != 0) {
        meta_upload_grant(meta, upload, plan.grants_count, &plan.grants[plan.grants_count]);
        plan.grants_count++;
    }
    /* Not held for the journal: an upload is in memory only, and a plan tells of nothing that is journaled. */
    dfs_link_send(&peer->link, request, DFS_MSG_PUT_PLAN, &plan);
}

/* The same operation again: the plan was lost on the way. */
static void open_again(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, struct meta_upload *upload,
                       const struct dfs_m_put_open *body)
{
    if (memcmp(upload->bearer, peer->link.peer.fingerprint, sizeof upload->bearer) != 0 ||
        upload->path_bytes != body->path.count || memcmp(upload->path, body->path.at, body->path.count) != 0 ||
        upload->size_bytes != body->size_bytes) {
        meta_reply_status(meta, peer, request, DFS_BAD_REQUEST, "this operation id was used for another upload");
        return;
    }
    upload->heard_at = meta->fair;
    plan_send(meta, peer, request, upload);
}

/* Tested here to fail early; what counts is the test at the commit. */
static enum dfs_status precondition_now(const struct dfs_meta *meta, const struct dfs_m_put_open *body)
{
    const struct meta_version *current = meta_namespace_current(&meta->ns, body->path.at, body->path.count);

    if (body->precondition == DFS_IF_ABSENT && current != NULL)
        return DFS_EXISTS;
    if (body->precondition == DFS_IF_VERSION && (current == NULL || current->version != body->if_version))
        return DFS_PRECONDITION_FAILED;
    return DFS_OK;
}

/* false: no free id was drawn. */
static bool file_id_draw(struct dfs_meta *meta, struct dfs_id *ret_file)
{
    for (uint32_t i = 0; i < FILE_ID_DRAWS; i++) {
        meta_id_new(meta, ret_file);
        if (meta_namespace_file(&meta->ns, ret_file) == NULL && meta_uploads_find(&meta->uploads, ret_file) == NULL)
            return true;
    }
    return false;
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
    if (value < low)
        return low;
    return value > high ? high : value;
}

/* blocks and block_size_bytes of the upload. What a client wishes for is kept within the cluster's bounds: blocks of a few bytes would cost
 * metadata more than the file is worth. */
static void cut(const struct dfs_meta_config *config, struct meta_upload *upload, uint32_t wanted_bytes)
{
    const uint64_t size = upload->size_bytes;

    if (wanted_bytes != 0)
        wanted_bytes = clamp(wanted_bytes, config->block_min_bytes, config->block_max_bytes);
    if (size == DFS_SIZE_UNKNOWN) {
        upload->block_size_bytes = clamp(wanted_bytes != 0 ? wanted_bytes : BLOCK_BYTES_UNKNOWN,
                                         config->block_min_bytes, config->block_max_bytes);
        return;
    }
    upload->blocks =
        dfs_blocks_count(size, config->block_min_bytes, config->block_max_bytes, config->blocks_spread, wanted_bytes);
    if (upload->blocks > 0)
        upload->block_size_bytes = (uint32_t)((size + upload->blocks - 1) / upload->blocks);
}

static struct meta_upload *upload_new(struct dfs_meta *meta, const struct meta_peer *peer,
                                      const struct dfs_m_put_open *body, const struct dfs_id *file)
{
    struct meta_upload *upload = dfs_alloc_zero(sizeof *upload);

    upload->file = *file;
    upload->operation = body->operation;
    memcpy(upload->bearer, peer->link.peer.fingerprint, sizeof upload->bearer);
    upload->path = dfs_alloc(body->path.count);
    memcpy(upload->path, body->path.at, body->path.count);
    upload->path_bytes = body->path.count;
    upload->size_bytes = body->size_bytes;
    upload->precondition = body->precondition;
    upload->if_version = body->if_version;
    upload->ack = body->ack == DFS_ACK_DEFAULT ? (uint8_t)meta->config.ack : body->ack;
    upload->durability =
        body->durability == DFS_DURABILITY_DEFAULT ? (uint8_t)meta->config.durability : body->durability;
    upload->copies_wanted = (uint8_t)meta->config.replication;
    upload->key_oldest = meta_nodes_key_oldest(meta);
    cut(&meta->config, upload, body->block_size_bytes);
    meta_uploads_add(&meta->uploads, upload, meta->fair, meta->config.upload_lease_ns);
    return upload;
}

static enum dfs_status place_first(struct dfs_meta *meta, struct meta_upload *upload)
{
    const uint32_t page = meta_page_of(meta);

    for (uint32_t i = 0; i < upload->blocks && i < page; i++) {
        const enum dfs_status status = meta_upload_place(meta, upload, i, 1, &meta_excluded_none);

        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

/* Why this cannot be begun, or OK. */
static enum dfs_status refusal(const struct dfs_meta *meta, const struct dfs_m_put_open *body, const char **ret_words)
{
    const uint8_t ack = body->ack == DFS_ACK_DEFAULT ? (uint8_t)meta->config.ack : body->ack;
    const uint64_t size_max = (uint64_t)DFS_BLOCKS_PER_FILE_MAX * meta->config.block_max_bytes;

    *ret_words = NULL;
    if (!meta_path_is_valid(body->path.at, body->path.count)) {
        *ret_words =
            "not a path: UTF-8 without control characters, components separated by single '/', none \".\" or \"..\"";
        return DFS_BAD_REQUEST;
    }
    if (body->size_bytes != DFS_SIZE_UNKNOWN && body->size_bytes > size_max) {
        *ret_words = "the file would need more blocks than a file may have";
        return DFS_TOO_LARGE;
    }
    if (meta_uploads_is_full(&meta->uploads, meta->config.bounds.uploads)) {
        *ret_words = "too many uploads are open";
        return DFS_UNAVAILABLE;
    }
    if (body->size_bytes != 0 && meta_nodes_placeable(meta) < meta_copies_needed(ack, meta->config.replication))
        return meta_nodes_have_told(meta) ? DFS_NOT_ENOUGH_NODES : DFS_UNAVAILABLE;
    return precondition_now(meta, body);
}

void meta_on_put_open(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                      const struct dfs_m_put_open *body)
{
    struct meta_upload *upload = meta_uploads_find_operation(&meta->uploads, &body->operation);
    const char *words;
    enum dfs_status status;
    struct dfs_id file;

    if (!meta_claims_allow(meta, peer, request, 'w', body->path.at, body->path.count))
        return;
    if (upload != NULL) {
        open_again(meta, peer, request, upload, body);
        return;
    }
    status = refusal(meta, body, &words);
    if (status == DFS_OK && !file_id_draw(meta, &file)) {
        status = DFS_INTERNAL;
        words = "the random source repeats itself";
    }
    if (status != DFS_OK) {
        meta_reply_status(meta, peer, request, status, words);
        return;
    }
    upload = upload_new(meta, peer, body, &file);
    if (upload->blocks > DFS_BLOCKS_PER_FILE_MAX)
        status = DFS_TOO_LARGE; /* --block-size was too small for it */
    else
        status = place_first(meta, upload);
    if (status != DFS_OK) {
        meta_uploads_end(&meta->uploads, upload); /* nobody was told of any block */
        meta_reply_status(meta, peer, request, status, NULL);
        return;
    }
    plan_send(meta, peer, request, upload);
}
