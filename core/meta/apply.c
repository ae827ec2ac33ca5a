#include "core/meta/apply.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/meta/checkpoint.h"

#include <string.h>

#define STAGED_ROOM_FIRST 16

/* State -------------------------------------------------------------------------------------------------- */

/* Ours alone, and the same in every life. */
static uint64_t path_seed(const struct dfs_meta *meta)
{
    static const char info[] = "dfs index of paths";
    struct dfs_key key;
    uint64_t seed;

    dfs_key_derive(&meta->config.root, sizeof meta->config.root, info, sizeof info - 1, &key);
    memcpy(&seed, key.bytes, sizeof seed);
    dfs_wipe(&key, sizeof key);
    return seed;
}

void meta_state_init(struct dfs_meta *meta)
{
    meta_namespace_init(&meta->ns, path_seed(meta));
    meta_blockmap_init(&meta->map);
    meta->outcomes = dfs_alloc_zero(sizeof *meta->outcomes);
    dfs_map_init(&meta->outcomes->by_operation, offsetof(struct meta_outcome, operation), sizeof(struct dfs_id), 0);
    dfs_list_init(&meta->outcomes->all);
    meta->staged = dfs_alloc_zero(sizeof *meta->staged);
    meta_nodes_init(meta);
}

static void outcome_drop(struct meta_outcomes *outcomes, struct meta_outcome *outcome)
{
    dfs_map_remove(&outcomes->by_operation, outcome->operation.bytes);
    dfs_list_remove(&outcome->age);
    dfs_free(outcome);
    outcomes->count--;
}

void meta_state_close(struct dfs_meta *meta)
{
    struct meta_version *version;
    meta_version_no number = 1;

    if (meta->outcomes == NULL)
        return;
    meta_nodes_close(meta);
    while ((version = meta_namespace_walk(&meta->ns, &number)) != NULL)
        meta_blockmap_drop(&meta->map, &version->file);
    meta_namespace_close(&meta->ns);
    meta_blockmap_close(&meta->map);
    dfs_list_each(at, &meta->outcomes->all)
        outcome_drop(meta->outcomes, dfs_container_of(at, struct meta_outcome, age));
    dfs_map_close(&meta->outcomes->by_operation);
    dfs_free(meta->outcomes);
    meta->outcomes = NULL;
    dfs_free(meta->staged->extents);
    dfs_free(meta->staged);
    meta->staged = NULL;
    meta->epoch = 0;
}

/* Files -------------------------------------------------------------------------------------------------- */

static enum dfs_status apply_blocks(struct meta_staged *staged, const struct meta_r_blocks *record)
{
    if (record->first == 0) {
        staged->file = record->file;
        staged->count = 0;
    }
    if (!dfs_id_equal(&staged->file, &record->file) || record->first != staged->count ||
        record->blocks_count > DFS_BLOCKS_PER_FILE_MAX - staged->count)
        return DFS_BAD_REQUEST;
    if (staged->room < staged->count + record->blocks_count) {
        if (staged->room == 0)
            staged->room = STAGED_ROOM_FIRST;
        while (staged->room < staged->count + record->blocks_count)
            staged->room *= 2;
        staged->extents = dfs_realloc_array(staged->extents, staged->room, sizeof *staged->extents);
    }
    for (uint32_t i = 0; i < record->blocks_count; i++) {
        staged->extents[staged->count++] = (struct meta_extent){.generation = record->blocks[i].generation,
                                                                .length_bytes = record->blocks[i].length_bytes,
                                                                .crc32c = record->blocks[i].crc32c};
    }
    return DFS_OK;
}

/* When something removed at removed_ms may expire. Live that is trash_keep from now; after a restart what
 * has passed by the wall clock is taken off, within bounds, so that no jump of the clock can empty the
 * trash before its time or keep it for ever. */
static dfs_time_ns trash_due(const struct dfs_meta *meta, uint64_t removed_ms)
{
    const uint64_t wall_ms = meta->wall / DFS_MILLISECONDS;
    dfs_duration_ns keep = meta->config.trash_keep_ns;

    if (meta->phase == META_BOOTING && wall_ms > removed_ms) {
        const uint64_t passed_ms = wall_ms - removed_ms;

        keep = passed_ms > keep / DFS_MILLISECONDS ? 0 : keep - passed_ms * DFS_MILLISECONDS;
    }
    return dfs_time_add(meta->now, keep);
}

static void version_assign(struct dfs_meta *meta, struct meta_version *version, struct dfs_text path, bool current,
                           uint64_t number, uint64_t removed_ms)
{
    if (current)
        meta_namespace_place(&meta->ns, version, path.at, path.count, number);
    else
        meta_namespace_trash(&meta->ns, version, path.at, path.count, number, removed_ms, trash_due(meta, removed_ms));
}

static enum dfs_status apply_file(struct dfs_meta *meta, const struct meta_r_file *record)
{
    struct meta_version *version = meta_namespace_file(&meta->ns, &record->file);
    const struct meta_staged *staged = meta->staged;

    if (!meta_path_is_valid(record->path.at, record->path.count))
        return DFS_BAD_REQUEST;
    if (version == NULL) {
        if (record->blocks > 0 && (staged->count != record->blocks || !dfs_id_equal(&staged->file, &record->file)))
            return DFS_BAD_REQUEST;
        version = meta_namespace_add(&meta->ns, &record->file, record->serial);
        version->size_bytes = record->size_bytes;
        version->created_ms = record->created_ms;
        version->digest = record->digest;
        version->block_size_bytes = record->block_size_bytes;
        version->file.copies_wanted = record->copies_wanted;
        version->file.ack = record->ack;
        version->file.durability = record->durability;
        version->file.flags = record->even != 0 ? META_FILE_EVEN : 0;
        meta_blockmap_add(&meta->map, &version->file, staged->extents, record->blocks);
        for (uint32_t i = 0; meta->phase == META_BOOTING && i < record->blocks; i++)
            meta_nodes_block_committed(
                meta, meta_file_at(&version->file, i)); /* live the commit does it, when it has added the copies */
    }
    version_assign(meta, version, record->path, record->current != 0, record->version, record->removed_ms);
    return DFS_OK;
}

static enum dfs_status apply_place(struct dfs_meta *meta, const struct meta_r_place *record)
{
    struct meta_version *version = meta_namespace_file(&meta->ns, &record->file);

    if (!meta_path_is_valid(record->path.at, record->path.count))
        return DFS_BAD_REQUEST;
    if (version != NULL) /* else it has expired since, and the checkpoint knows */
        version_assign(meta, version, record->path, record->current != 0, record->version, record->removed_ms);
    return DFS_OK;
}

void meta_apply_drop(struct dfs_meta *meta, struct meta_version *version)
{
    for (uint32_t i = 0; i < version->file.blocks_count; i++)
        meta_nodes_block_dropped(meta, meta_file_at(&version->file, i));
    meta_checkpoint_version_dropped(meta, version);
    meta_blockmap_drop(&meta->map, &version->file);
    meta_namespace_drop(&meta->ns, version);
}

/* Outcomes ----------------------------------------------------------------------------------------------- */

const struct meta_outcome *meta_outcome_find(const struct dfs_meta *meta, const struct dfs_id *operation)
{
    return dfs_map_find(&meta->outcomes->by_operation, operation->bytes);
}

static void apply_outcome(struct dfs_meta *meta, const struct meta_r_outcome *record)
{
    struct meta_outcomes *outcomes = meta->outcomes;
    struct meta_outcome *outcome;

    if (dfs_map_find(&outcomes->by_operation, record->operation.bytes) != NULL)
        return; /* a replay over a checkpoint that has it */
    outcome = dfs_alloc_zero(sizeof *outcome);
    outcome->operation = record->operation;
    outcome->status = record->status;
    outcome->version = record->version;
    outcome->blocks = record->blocks;
    outcome->replicas_durable = record->replicas_durable;
    dfs_map_insert(&outcomes->by_operation, outcome);
    dfs_list_push(&outcomes->all, &outcome->age);
    if (++outcomes->count > META_OUTCOMES_MAX) {
        outcome = dfs_container_of(dfs_list_first(&outcomes->all), struct meta_outcome, age);
        meta_checkpoint_outcome_dropped(meta, outcome);
        outcome_drop(outcomes, outcome);
    }
}

/* Nodes ----------------------------------------------------------------------------------------------------- */

/* Numbers are given in order and kept. */
static bool node_is_possible(const struct dfs_meta *meta, const struct meta_r_node *record)
{
    struct meta_r_node other;
    uint32_t at = record->number;
    uint32_t before = at == 0 ? 0 : at - 1;
    uint16_t known;

    if (meta_nodes_find(meta, &record->node, &known))
        return known == record->number;
    return !meta_nodes_record_at(meta, &at, &other) &&
           (record->number == 0 || meta_nodes_record_at(meta, &before, &other));
}

/* All ---------------------------------------------------------------------------------------------------- */

enum dfs_status meta_apply(struct dfs_meta *meta, enum meta_record_number number, const union meta_any_record *record)
{
    struct meta_version *version;

    switch (number) {
    case META_RECORD_START:
        if (!dfs_id_equal(&record->start.cluster, &meta->config.cluster))
            return DFS_WRONG_CLUSTER;
        if (record->start.epoch > meta->epoch)
            meta->epoch = record->start.epoch;
        return DFS_OK;
    case META_RECORD_BLOCKS:
        return apply_blocks(meta->staged, &record->blocks);
    case META_RECORD_FILE:
        return apply_file(meta, &record->file);
    case META_RECORD_PLACE:
        return apply_place(meta, &record->place);
    case META_RECORD_EXPIRE:
        version = meta_namespace_file(&meta->ns, &record->expire.file);
        if (version != NULL)
            meta_apply_drop(meta, version);
        return DFS_OK;
    case META_RECORD_OUTCOME:
        apply_outcome(meta, &record->outcome);
        return DFS_OK;
    case META_RECORD_NODE:
        if (!node_is_possible(meta, &record->node))
            return DFS_BAD_REQUEST;
        meta_nodes_apply_node(meta, &record->node);
        return DFS_OK;
    case META_RECORD_KEY:
        meta_nodes_apply_key(meta, &record->key);
        return DFS_OK;
    case META_RECORD_CHECKPOINT:
    case META_RECORD_CHECKPOINT_END:
        return DFS_BAD_REQUEST; /* they stand in checkpoints only, and boot reads them */
    }
    dfs_unreachable("meta_apply");
}
