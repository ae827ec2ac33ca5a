#include "core/meta/keyring.h"

#include "core/base/assert.h"
#include "core/base/cursor.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/base/mem.h"

#define POSITION_BYTES 64
_Static_assert(sizeof(struct dfs_keyring_position) == POSITION_BYTES, "a position is one cache line");

static const struct dfs_keyring_position *position_of(const struct dfs_avl_node *node)
{
    return dfs_container_of_const(node, struct dfs_keyring_position, tree);
}

/* By hash; equal hashes (2^-64, but a seed may find one) by node and number, so that the order is total. */
static int position_compare(const struct dfs_avl_node *left, const struct dfs_avl_node *right)
{
    const struct dfs_keyring_position *a = position_of(left);
    const struct dfs_keyring_position *b = position_of(right);

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    const int order = dfs_id_compare(&a->node, &b->node);

    if (order != 0)
        return order;
    return a->number == b->number ? 0 : a->number < b->number ? -1 : 1;
}

void dfs_keyring_init(struct dfs_keyring *ring, uint32_t unit)
{
    DFS_ASSERT(unit > 0);
    memset(ring, 0, sizeof *ring);
    dfs_avl_init(&ring->tree, position_compare);
    ring->unit = unit;
}

void dfs_keyring_close(struct dfs_keyring *ring)
{
    for (uint32_t i = 0; i < ring->members_room; i++)
        dfs_free(ring->members[i].positions);
    dfs_free(ring->members);
    ring->members = NULL;
    ring->members_room = 0;
}

static uint64_t position_hash(const struct dfs_id *node, uint32_t number)
{
    uint8_t bytes[DFS_ID_BYTES + 4];
    struct dfs_wr w = dfs_wr_make(bytes, sizeof bytes);

    dfs_wr_bytes(&w, node->bytes, DFS_ID_BYTES);
    dfs_wr_be(&w, number, 4);
    return dfs_hash64(0, bytes, sizeof bytes);
}

static uint32_t positions_for(const struct dfs_keyring *ring, uint64_t capacity_bytes)
{
    /* capacity / share * unit, in parts small enough not to overflow */
    const uint64_t whole = capacity_bytes / ring->share_bytes;
    const uint64_t rest = capacity_bytes % ring->share_bytes;
    uint64_t count;

    if (whole >= DFS_KEYRING_POSITIONS_MAX)
        return DFS_KEYRING_POSITIONS_MAX;
    count = whole * ring->unit;
    if (rest > 0)
        count += rest / (ring->share_bytes / ring->unit + 1);
    if (count < DFS_KEYRING_POSITIONS_MIN)
        return DFS_KEYRING_POSITIONS_MIN;
    return count > DFS_KEYRING_POSITIONS_MAX ? DFS_KEYRING_POSITIONS_MAX : (uint32_t)count;
}

static void members_grow(struct dfs_keyring *ring, uint16_t index)
{
    uint32_t room = ring->members_room == 0 ? 16 : ring->members_room;

    DFS_ASSERT(index < DFS_NODES_MAX);
    while (room <= index)
        room *= 2;
    if (room == ring->members_room)
        return;
    ring->members = dfs_realloc_array(ring->members, room, sizeof *ring->members);
    memset(ring->members + ring->members_room, 0, (room - ring->members_room) * sizeof *ring->members);
    ring->members_room = room;
}

void dfs_keyring_add(struct dfs_keyring *ring, uint16_t index, const struct dfs_id *node, uint16_t zone,
                     uint64_t capacity_bytes)
{
    members_grow(ring, index);
    struct dfs_keyring_member *member = &ring->members[index];

    DFS_ASSERT(member->positions == NULL && zone < DFS_ZONES_MAX);
    if (ring->members_count == 0)
        ring->share_bytes = capacity_bytes == 0 ? 1 : capacity_bytes;
    member->zone = zone;
    member->positions_count = positions_for(ring, capacity_bytes);
    /* Each in a cache line of its own: a search reads one a level. */
    member->positions = dfs_alloc_aligned(POSITION_BYTES, member->positions_count * sizeof *member->positions);
    memset(member->positions, 0, member->positions_count * sizeof *member->positions);
    for (uint32_t i = 0; i < member->positions_count; i++) {
        struct dfs_keyring_position *position = &member->positions[i];

        position->hash = position_hash(node, i);
        position->node = *node;
        position->number = i;
        position->index = index;
        const struct dfs_avl_node *other = dfs_avl_insert(&ring->tree, &position->tree);

        DFS_ASSERT(other == NULL);
    }
    ring->members_count++;
    if (ring->zone_members[zone]++ == 0)
        ring->zones_count++;
}

void dfs_keyring_remove(struct dfs_keyring *ring, uint16_t index)
{
    DFS_ASSERT(dfs_keyring_has(ring, index));
    struct dfs_keyring_member *member = &ring->members[index];

    for (uint32_t i = 0; i < member->positions_count; i++)
        dfs_avl_remove(&ring->tree, &member->positions[i].tree);
    dfs_free(member->positions);
    member->positions = NULL;
    member->positions_count = 0;
    ring->members_count--;
    if (--ring->zone_members[member->zone] == 0)
        ring->zones_count--;
}

bool dfs_keyring_has(const struct dfs_keyring *ring, uint16_t index)
{
    return index < ring->members_room && ring->members[index].positions != NULL;
}

/* By the hash alone: among equal ones the first in the order of the tree, since the way goes left there. */
const struct dfs_keyring_position *dfs_keyring_at(const struct dfs_keyring *ring, uint64_t hash)
{
    const struct dfs_avl_node *at = ring->tree.root;
    const struct dfs_avl_node *found = NULL;

    while (at != NULL) {
        if (position_of(at)->hash >= hash) {
            found = at;
            at = at->left;
        } else {
            at = at->right;
        }
    }
    if (found == NULL)
        found = dfs_avl_first(&ring->tree);
    return found == NULL ? NULL : position_of(found);
}

const struct dfs_keyring_position *dfs_keyring_next(const struct dfs_keyring *ring,
                                                    const struct dfs_keyring_position *position)
{
    const struct dfs_avl_node *next = dfs_avl_next(&position->tree);

    return position_of(next != NULL ? next : dfs_avl_first(&ring->tree));
}

bool dfs_keyring_is_sound(const struct dfs_keyring *ring)
{
    size_t positions = 0;
    uint32_t members = 0;

    if (!dfs_avl_is_sound(&ring->tree))
        return false;
    for (uint32_t i = 0; i < ring->members_room; i++) {
        const struct dfs_keyring_member *member = &ring->members[i];

        if (member->positions == NULL)
            continue;
        members++;
        positions += member->positions_count;
        for (uint32_t k = 0; k < member->positions_count; k++) {
            if (dfs_avl_find(&ring->tree, &member->positions[k].tree) != &member->positions[k].tree)
                return false;
        }
    }
    return members == ring->members_count && positions == ring->tree.count;
}
