/*
 * keyring.h - the KeyRing: a balanced binary search tree of positions on a hash ring (consistent hashing,
 * Karger et al. 1997).
 *
 * A node holds positions in proportion to its capacity: `unit` of them for the capacity of the first node
 * that joined the empty ring, at least DFS_KEYRING_POSITIONS_MIN, at most DFS_KEYRING_POSITIONS_MAX. A
 * position is the hash of (node id, number), so a node that returns takes its old places and only blocks near
 * them move. Placement reaches nodes only by walking this tree; the block map stays the truth, the ring only
 * proposes.
 *
 * The tree is threaded, so the way on is one step, and fingers point into it: one for each part of the circle, as many parts as positions or more. A search
 * begins at the finger and goes on from there, where a descent would read a cold line a level; from the root it finds the same, and dfs_keyring_is_sound
 * compares.
 *
 * Pure: the ring depends on nothing but the order of calls; equal members give equal walks, whatever the
 * order they joined in (but for the share of the first). Losing one node spreads its load over all others,
 * since its positions lie between those of everybody.
 */
#ifndef DFS_CORE_META_KEYRING_H
#define DFS_CORE_META_KEYRING_H

#include "core/base/avl.h"
#include "core/base/id.h"
#include "core/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fewer than this and one node's neighbours would take all of its load. */
#define DFS_KEYRING_POSITIONS_MIN 4
/* A node 16 times the first one's size, at the default unit of 64; more positions only cost memory. */
#define DFS_KEYRING_POSITIONS_MAX 1024

struct dfs_keyring_position {
    struct dfs_avl_node tree;
    uint64_t hash;
    struct dfs_keyring_position *next; /* in the order of the tree; NULL: the last */
    const struct dfs_id *node;         /* in front of its member's positions */
    uint32_t number;
    uint16_t index; /* the node's, in the caller's table */
};

struct dfs_keyring_member {
    struct dfs_keyring_position *positions; /* owned; NULL: not a member */
    uint32_t positions_count;
    uint16_t zone;
};

struct dfs_keyring {
    struct dfs_avl tree;
    /* By the upper bits of a hash: the first position at or after all hashes of these; NULL: none. */
    struct dfs_keyring_position **fingers;
    unsigned fingers_shift;             /* of a hash, to its finger */
    struct dfs_keyring_member *members; /* by node index */
    uint32_t members_room;
    uint32_t members_count;
    uint32_t zone_members[DFS_ZONES_MAX];
    uint32_t zones_count; /* zones with at least one member */
    uint32_t unit;
    uint64_t share_bytes; /* capacity that gets `unit` positions; 0: ring was never filled */
};

void dfs_keyring_init(struct dfs_keyring *ring, uint32_t unit);
void dfs_keyring_close(struct dfs_keyring *ring);

/* Adds the node under `index` (< DFS_NODES_MAX) in `zone` (< DFS_ZONES_MAX). Asserts that it is no member.
 * O(p log n). */
void dfs_keyring_add(struct dfs_keyring *ring, uint16_t index, const struct dfs_id *node, uint16_t zone,
                     uint64_t capacity_bytes);

/* Takes all of its positions out. Asserts that it is a member. O(p log n). */
void dfs_keyring_remove(struct dfs_keyring *ring, uint16_t index);

bool dfs_keyring_has(const struct dfs_keyring *ring, uint16_t index);

/* The first position at or after `hash`, wrapping at the end; NULL when the ring is empty. */
const struct dfs_keyring_position *dfs_keyring_at(const struct dfs_keyring *ring, uint64_t hash);

/* The next one clockwise (wraps). */
const struct dfs_keyring_position *dfs_keyring_next(const struct dfs_keyring *ring,
                                                    const struct dfs_keyring_position *position);

/* For checkers and tests: the tree is ordered and balanced, and holds exactly the members' positions.
 * O(n). */
bool dfs_keyring_is_sound(const struct dfs_keyring *ring);

#endif
