#include "core/meta/expiry.h"

#include "core/base/mem.h"
#include "core/meta/apply.h"

/* Uploads ------------------------------------------------------------------------------------------------ */

static void order_placed(struct dfs_meta *meta, const struct meta_upload *upload, uint32_t index)
{
    const struct meta_placed_copy *copies = meta_upload_copies(upload, index);
    const struct dfs_block_id id = {
        .file = upload->file, .index = index, .generation = upload->placed[index].generation};

    for (uint32_t i = 0; i < upload->placed[index].copies_count; i++)
        meta_nodes_order_removal(meta, copies[i].node, &id, DFS_REMOVE_ORPHAN);
}

void meta_upload_end(struct dfs_meta *meta, struct meta_upload *upload, bool committed)
{
    for (uint32_t i = 0; !committed && i < upload->placed_count; i++) {
        if (upload->placed[i].generation != 0)
            order_placed(meta, upload, i);
    }
    for (uint32_t i = 0; i < upload->vain_count; i++) {
        const struct meta_vain_copy *vain = &upload->vain[i];
        const struct dfs_block_id id = {.file = upload->file, .index = vain->index, .generation = vain->generation};

        meta_nodes_order_removal(meta, vain->node, &id, DFS_REMOVE_ORPHAN);
    }
    meta_uploads_end(&meta->uploads, upload);
}

/* The lease that ran out is final: the upload is gone before anything of it is removed, and later commits
 * find nothing. */
static void expire_uploads(struct dfs_meta *meta)
{
    for (uint32_t i = 0; i < meta->config.bounds.uploads_ended; i++) {
        struct meta_upload *upload = meta_uploads_expired(&meta->uploads, meta->fair, meta->config.upload_lease_ns);

        if (upload == NULL)
            return;
        meta->counters.uploads_expired++;
        meta_upload_end(meta, upload, false);
    }
}

/* Trash -------------------------------------------------------------------------------------------------- */

/* A copy to be removed, noted before its block leaves the map. */
struct leftover {
    struct dfs_block_id block;
    uint16_t node;
};

static size_t copies_of(const struct dfs_meta *meta, const struct meta_file *file)
{
    size_t count = 0;

    for (uint32_t i = 0; i < file->blocks_count; i++)
        count += meta_blockmap_block(&meta->map, meta_file_at(file, i))->copies_count;
    return count;
}

/* The EXPIRE record is on the disk: now the version goes, and its copies may be removed. */
static void expire_synced(struct dfs_meta *meta, const struct meta_after *after)
{
    struct meta_version *version = meta_namespace_file(&meta->ns, &after->id);
    struct leftover *leftovers;
    size_t count = 0;

    if (version == NULL)
        return;
    leftovers = dfs_alloc_zero_array(copies_of(meta, &version->file), sizeof *leftovers);
    for (uint32_t i = 0; i < version->file.blocks_count; i++) {
        const meta_block_no number = meta_file_at(&version->file, i);
        meta_copy_no at = meta_blockmap_first(&meta->map, number);

        for (; at != 0; at = meta_blockmap_next(&meta->map, at)) {
            meta_block_id(meta, number, &leftovers[count].block);
            leftovers[count++].node = meta_blockmap_copy(&meta->map, at)->node;
        }
    }
    meta_apply_drop(meta, version);
    meta->counters.expired++;
    for (size_t i = 0; i < count; i++)
        meta_nodes_order_removal(meta, leftovers[i].node, &leftovers[i].block, DFS_REMOVE_DELETED);
    dfs_free(leftovers);
}

/* Decided and appended here, applied when synced: until then nothing of the version is touched, only
 * nobody finds it any more. */
static void expire_version(struct dfs_meta *meta, struct meta_version *version)
{
    const struct meta_r_expire record = {.file = version->file.id};
    const struct meta_after after = {.id = version->file.id};

    meta_namespace_expiring(&meta->ns, version);
    meta_append_group(meta);
    meta_journal_append(&meta->journal, META_RECORD_EXPIRE, &record);
    meta_after_sync(meta, expire_synced, &after);
}

static dfs_time_ns expire_trash(struct dfs_meta *meta)
{
    for (uint32_t i = 0; i < meta->config.bounds.uploads_ended; i++) {
        const dfs_time_ns due = dfs_heap_next(&meta->ns.due);

        if (due > meta->now)
            return due; /* without a look at what it is */
        expire_version(meta, meta_version_at(&meta->ns, meta_namespace_due(&meta->ns)->version));
    }
    return meta->now;
}

dfs_time_ns meta_expiry_step(struct dfs_meta *meta)
{
    dfs_time_ns next;

    expire_uploads(meta);
    next = meta_journal_is_full(&meta->journal) ? DFS_NEVER : expire_trash(meta);
    return dfs_time_min(next, meta_mono(meta, meta_uploads_next(&meta->uploads)));
}
