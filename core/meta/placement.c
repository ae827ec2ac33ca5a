#include "core/meta/placement.h"

#include "core/base/assert.h"
#include "core/base/cursor.h"
#include "core/base/hash.h"

/* One bit a node index: who was seen on this walk. */
struct seen {
    uint64_t bits[DFS_NODES_MAX / 64];
};

/* As far as there are members: a small ring shall not pay for the largest. */
static void seen_nobody(struct seen *seen, const struct dfs_keyring *ring)
{
    memset(seen->bits, 0, (ring->members_room + 63) / 64 * sizeof seen->bits[0]);
}

static bool seen_before(struct seen *seen, uint16_t index)
{
    const uint64_t bit = UINT64_C(1) << (index % 64);
    const bool was = (seen->bits[index / 64] & bit) != 0;

    seen->bits[index / 64] |= bit;
    return was;
}

uint64_t dfs_placement_hash(const struct dfs_id *file, uint32_t block_index, uint32_t generation)
{
    uint8_t bytes[DFS_ID_BYTES + 8];
    struct dfs_wr w = dfs_wr_make(bytes, sizeof bytes);

    dfs_wr_bytes(&w, file->bytes, DFS_ID_BYTES);
    dfs_wr_be(&w, block_index, 4);
    dfs_wr_be(&w, generation, 4);
    return dfs_hash64(1, bytes, sizeof bytes);
}

struct walk {
    const struct dfs_keyring *ring;
    uint64_t zones_used[DFS_ZONES_MAX / 64];
    uint32_t zones_used_count;
    uint16_t second[DFS_REPLICAS_MAX]; /* eligible, but in a zone that is used */
    uint32_t second_count;
};

/* true when the zone was free until now */
static bool zone_take(struct walk *walk, uint16_t zone)
{
    const uint64_t bit = UINT64_C(1) << (zone % 64);

    if ((walk->zones_used[zone / 64] & bit) != 0)
        return false;
    walk->zones_used[zone / 64] |= bit;
    if (walk->ring->zone_members[zone] > 0)
        walk->zones_used_count++;
    return true;
}

uint32_t dfs_placement_choose(const struct dfs_keyring *ring, uint64_t hash, uint32_t count,
                              const struct dfs_placement_rule *rule, uint16_t ret_nodes[DFS_REPLICAS_MAX])
{
    struct seen seen;
    struct walk walk = {.ring = ring};
    uint32_t chosen = 0;
    uint32_t members_left = ring->members_count;

    DFS_ASSERT(count <= DFS_REPLICAS_MAX);
    seen_nobody(&seen, ring);
    for (uint32_t i = 0; i < rule->holders_count; i++) {
        const uint16_t index = rule->holders[i];

        if (!dfs_keyring_has(ring, index) || seen_before(&seen, index))
            continue;
        members_left--;
        (void)zone_take(&walk, ring->members[index].zone);
    }
    const struct dfs_keyring_position *at = dfs_keyring_at(ring, hash);

    /* Ends when enough are chosen, when every member was seen, or when no zone is left that could still be
     * better than what waits in `second`. */
    while (at != NULL && chosen < count && members_left > 0 &&
           (walk.zones_used_count < ring->zones_count || chosen + walk.second_count < count)) {
        const uint16_t index = at->index;

        at = dfs_keyring_next(ring, at);
        if (seen_before(&seen, index))
            continue;
        members_left--;
        if (!rule->eligible(rule->ctx, index))
            continue;
        if (zone_take(&walk, ring->members[index].zone))
            ret_nodes[chosen++] = index;
        else if (walk.second_count < DFS_REPLICAS_MAX)
            walk.second[walk.second_count++] = index;
    }
    for (uint32_t i = 0; i < walk.second_count && chosen < count; i++)
        ret_nodes[chosen++] = walk.second[i];
    return chosen;
}
