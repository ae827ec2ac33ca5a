/*
 * placement.h - which nodes shall hold a block.
 *
 * The walk clockwise from the hash of the block's id over distinct nodes, in distinct zones as long as there
 * are enough of them. Pure: the answer depends only on the arguments. Nodes are reached through the KeyRing
 * alone.
 */
#ifndef DFS_CORE_META_PLACEMENT_H
#define DFS_CORE_META_PLACEMENT_H

#include "core/meta/keyring.h"

/* Who may take a copy, and who has one already. */
struct dfs_placement_rule {
    void *ctx;
    /* Is this member to be asked? (ACTIVE, not fenced, room left, not excluded) */
    bool (*eligible)(void *ctx, uint16_t index);
    /* Nodes that hold the block already: never chosen again, and their zones count as used. */
    const uint16_t *holders;
    uint32_t holders_count;
};

/* Where a block's walk begins. */
uint64_t dfs_placement_hash(const struct dfs_id *file, uint32_t block_index, uint32_t generation);

/*
 * Fills ret_nodes with up to `count` distinct eligible nodes (the first is the primary) and returns how many
 * it found. Zones not yet used come first; only when no eligible node is left in an unused zone are zones
 * used again, in the order of the walk. Fewer than `count`: there are not enough eligible nodes; the caller
 * decides whether that is enough and may try again after the next change of membership.
 */
uint32_t dfs_placement_choose(const struct dfs_keyring *ring, uint64_t hash, uint32_t count,
                              const struct dfs_placement_rule *rule, uint16_t ret_nodes[DFS_REPLICAS_MAX]);

#endif
