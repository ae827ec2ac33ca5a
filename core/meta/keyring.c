#include "core/meta/keyring.h"

#include "core/base/assert.h"
#include "core/base/cursor.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/base/mem.h"

/* Of the fingers of a small ring: 2 KB, enough for four nodes. */
#define FINGERS_BITS_MIN 8

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
    const int order = dfs_id_compare(a->node, b->node);

    if (order != 0)
        return order;
    return a->number == b->number ? 0 : a->number < b->number ? -1 : 1;
}

/* The id stands in a line of its own in front of them: there it stays, and positions find it when two have one hash. */
static struct dfs_keyring_position *positions_new(uint32_t count, const struct dfs_id *node)
{
    uint8_t *memory = dfs_alloc_aligned(POSITION_BYTES, (size_t)(1 + count) * POSITION_BYTES);

    memset(memory, 0, (size_t)(1 + count) * POSITION_BYTES);
    memcpy(memory, node, sizeof *node);
    return (struct dfs_keyring_position *)(void *)(memory + POSITION_BYTES);
}

static void positions_free(struct dfs_keyring_position *positions)
{
    if (positions != NULL)
        dfs_free((uint8_t *)positions - POSITION_BYTES);
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
        positions_free(ring->members[i].positions);
    dfs_free(ring->fingers);
    ring->fingers = NULL;
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

/* Threads and fingers ------------------------------------------------------------------------------------------ */

static struct dfs_keyring_position *position_at(struct dfs_avl_node *node)
{
    return node == NULL ? NULL : dfs_container_of(node, struct dfs_keyring_position, tree);
}

/* Every finger up to that of `last` which points nowhere, or behind `last`, or at `old`: they are one run that ends there. */
static void fingers_set(struct dfs_keyring *ring, const struct dfs_keyring_position *last,
                        const struct dfs_keyring_position *old, struct dfs_keyring_position *to)
{
    for (uint64_t i = (last->hash >> ring->fingers_shift) + 1; i-- > 0;) {
        const struct dfs_keyring_position *at = ring->fingers[i];

        if (at != old && at != NULL && position_compare(&at->tree, &last->tree) < 0)
            return;
        ring->fingers[i] = to;
    }
}

/* Twice as many, from the last position to the first. */
static void fingers_grow(struct dfs_keyring *ring)
{
    const unsigned shift = ring->fingers == NULL ? 64 - FINGERS_BITS_MIN : ring->fingers_shift - 1;
    struct dfs_keyring_position *at = position_at(dfs_avl_first(&ring->tree));
    uint64_t i = 0;

    dfs_free(ring->fingers);
    ring->fingers = dfs_alloc_zero_array((size_t)1 << (64 - shift), sizeof(struct dfs_keyring_position *));
    ring->fingers_shift = shift;
    for (; at != NULL; at = at->next) {
        while (i <= at->hash >> shift)
            ring->fingers[i++] = at;
    }
}

static void position_enter(struct dfs_keyring *ring, struct dfs_keyring_position *position)
{
    const struct dfs_avl_node *other = dfs_avl_insert(&ring->tree, &position->tree);
    struct dfs_keyring_position *before = position_at(dfs_avl_prev(&position->tree));

    DFS_ASSERT(other == NULL);
    position->next = position_at(dfs_avl_next(&position->tree));
    if (before != NULL)
        before->next = position;
    if (ring->fingers == NULL || ring->tree.count > (uint64_t)1 << (64 - ring->fingers_shift))
        fingers_grow(ring);
    else
        fingers_set(ring, position, NULL, position);
}

static void position_leave(struct dfs_keyring *ring, struct dfs_keyring_position *position)
{
    struct dfs_keyring_position *before = position_at(dfs_avl_prev(&position->tree));

    if (before != NULL)
        before->next = position->next;
    fingers_set(ring, position, position, position->next);
    dfs_avl_remove(&ring->tree, &position->tree);
}

/* Members ------------------------------------------------------------------------------------------------------ */

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
    member->positions = positions_new(member->positions_count, node);
    for (uint32_t i = 0; i < member->positions_count; i++) {
        struct dfs_keyring_position *position = &member->positions[i];

        position->hash = position_hash(node, i);
        position->node = (const struct dfs_id *)(const void *)((const uint8_t *)member->positions - POSITION_BYTES);
        position->number = i;
        position->index = index;
        position_enter(ring, position);
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
        position_leave(ring, &member->positions[i]);
    positions_free(member->positions);
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

/* Walks ---------------------------------------------------------------------------------------------------------- */

static const struct dfs_keyring_position *first_of(const struct dfs_keyring *ring)
{
    return ring->fingers == NULL ? NULL : ring->fingers[0];
}

/* By the hash alone: among equal ones the first in the order of the tree. */
const struct dfs_keyring_position *dfs_keyring_at(const struct dfs_keyring *ring, uint64_t hash)
{
    const struct dfs_keyring_position *at;

    if (ring->fingers == NULL)
        return NULL;
    at = ring->fingers[hash >> ring->fingers_shift];
    while (at != NULL && at->hash < hash)
        at = at->next;
    return at != NULL ? at : first_of(ring);
}

const struct dfs_keyring_position *dfs_keyring_next(const struct dfs_keyring *ring,
                                                    const struct dfs_keyring_position *position)
{
    return position->next != NULL ? position->next : first_of(ring);
}

/* The thread is the order of the tree, and each finger is what a walk along it meets first. */
static bool threads_are_sound(const struct dfs_keyring *ring)
{
    const struct dfs_keyring_position *at = first_of(ring);
    uint64_t finger = 0;

    if (ring->fingers == NULL)
        return ring->tree.count == 0;
    for (struct dfs_avl_node *node = dfs_avl_first(&ring->tree); node != NULL; node = dfs_avl_next(node)) {
        if (at != position_of(node))
            return false;
        for (; finger <= at->hash >> ring->fingers_shift; finger++) {
            if (ring->fingers[finger] != at)
                return false;
        }
        at = at->next;
    }
    for (; finger < (uint64_t)1 << (64 - ring->fingers_shift); finger++) {
        if (ring->fingers[finger] != NULL)
            return false;
    }
    return at == NULL;
}

bool dfs_keyring_is_sound(const struct dfs_keyring *ring)
{
    size_t positions = 0;
    uint32_t members = 0;

    if (!dfs_avl_is_sound(&ring->tree) || !threads_are_sound(ring))
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
