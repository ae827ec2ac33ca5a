/*
 * How files rest (files.h) as far as copies are concerned: copies.h says when, and what is left out.
 */
#include "core/base/assert.h"
#include "sim/copies_internal.h"

#include <string.h>

/* What is kept of it while the file rests. */
enum {
    RESTING_HAS_BLOCK = 1,
    RESTING_BLOCK_COUNTS = 2,
    RESTING_BLOCK_KNOWN = 4,
    RESTING_BAD = 8,
    RESTING_UNCERTAIN = 16
};

struct resting {
    uint32_t length_bytes;
    uint32_t crc32c;
    uint16_t holders[SIM_HOLDERS_OWN];
    uint8_t holders_count;
    uint8_t generation;
    uint8_t flags;
};

void sim_copies_tire(struct sim_copies *copies, const struct dfs_id *file)
{
    struct sim_about *record = sim_files_find(copies->files, file);
    const struct sim_copies_about *about = record == NULL ? NULL : sim_about_part(record, copies->part);

    if (about != NULL && about->is_heard_of && about->version.committed && about->version.removed &&
        about->block.holding == 0)
        sim_files_tire(copies->files, record);
}

static bool block_can_rest(const struct sim_block *block)
{
    if (block->holding != 0 || block->id.index != 0 || block->id.generation > UINT8_MAX ||
        (block->holders != NULL && block->holders != block->holders_own))
        return false;
    DFS_ASSERT(block->holders != NULL || block->holders_count == 0);
    DFS_ASSERT(block->risk.copies == 0 && !block->risk.live && !block->risk.is_under && !block->risk.is_one);
    for (uint32_t i = 0; i < block->holders_count; i++) {
        if (block->holders[i].data > UINT16_MAX)
            return false;
    }
    return true;
}

static bool version_can_rest(const struct sim_copies_about *about)
{
    const struct sim_version *version = &about->version;

    return about->is_heard_of && version->committed && version->removed && !dfs_list_linked(&version->of_path) &&
           version->blocks_count <= 1 &&
           (version->blocks_count == 0 || version->blocks[0] == NULL || version->blocks[0] == &about->block);
}

static enum sim_rest rest(void *arg, const void *part, uint8_t *ret_bytes)
{
    const struct sim_copies *copies = arg;
    const struct sim_copies_about *about = part;
    const struct sim_version *version = &about->version;
    const struct sim_block *block = &about->block;
    struct resting resting = {.length_bytes = block->length_bytes,
                              .crc32c = block->crc32c,
                              .holders_count = (uint8_t)block->holders_count,
                              .generation = (uint8_t)block->id.generation};

    if (about->has_blocks || !version_can_rest(about) || !block_can_rest(block))
        return SIM_REST_NO;
    if (version->removed_at >= sim_ledger_asked_from(&copies->run->ledger))
        return SIM_REST_LATER;
    resting.flags =
        (uint8_t)((about->has_block ? RESTING_HAS_BLOCK : 0) | (version->blocks_count > 0 ? RESTING_BLOCK_COUNTS : 0) |
                  (version->blocks_count > 0 && version->blocks[0] != NULL ? RESTING_BLOCK_KNOWN : 0) |
                  (block->found_bad ? RESTING_BAD : 0) | (version->uncertain ? RESTING_UNCERTAIN : 0));
    for (uint32_t i = 0; i < block->holders_count; i++)
        resting.holders[i] = (uint16_t)block->holders[i].data;
    memcpy(ret_bytes, &resting, sizeof resting);
    return SIM_REST_YES;
}

static void leave(void *arg, void *part)
{
    struct sim_copies_about *about = part;

    (void)arg;
    sim_version_blocks_free(&about->version);
    dfs_list_remove(&about->version.of_all);
}

static void block_wake(struct sim_block *block, const struct dfs_id *file, const struct resting *resting)
{
    block->id = (struct dfs_block_id){*file, 0, resting->generation};
    block->length_bytes = resting->length_bytes;
    block->crc32c = resting->crc32c;
    block->found_bad = (resting->flags & RESTING_BAD) != 0;
    if (resting->holders_count > 0)
        sim_block_holders_grow(block);
    for (uint32_t i = 0; i < resting->holders_count; i++)
        block->holders[block->holders_count++].data = resting->holders[i];
}

/* It was removed before anything was asked that could still ask when. */
static void wake(void *arg, const struct dfs_id *file, void *part, const uint8_t *bytes)
{
    struct sim_copies *copies = arg;
    struct sim_copies_about *about = part;
    struct resting resting;

    memcpy(&resting, bytes, sizeof resting);
    about->is_heard_of = true;
    about->has_block = (resting.flags & RESTING_HAS_BLOCK) != 0;
    if (about->has_block)
        block_wake(&about->block, file, &resting);
    sim_version_init(copies, &about->version, file);
    about->version.committed = true;
    about->version.removed = true;
    about->version.uncertain = (resting.flags & RESTING_UNCERTAIN) != 0;
    if ((resting.flags & RESTING_BLOCK_COUNTS) != 0)
        sim_version_blocks_count(&about->version, 1);
    if ((resting.flags & RESTING_BLOCK_KNOWN) != 0)
        about->version.blocks[0] = &about->block;
}

size_t sim_copies_part(struct sim_copies *copies)
{
    return sim_files_part(
        copies->files, sizeof(struct sim_copies_about),
        &(struct sim_resting){
            .bytes = sizeof(struct resting), .arg = copies, .rest = rest, .leave = leave, .wake = wake});
}
