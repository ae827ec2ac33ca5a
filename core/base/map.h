/*
 * map.h - hash map from fixed-size keys to pointers, owned by the caller.
 *
 * Open addressing with linear probing and backward-shift deletion; the table doubles when it is half full: a key that is absent, as many are, costs
 * two slots then, and eight at three quarters. Entries move to the larger table a few at a time, so that no insertion makes a large map pause. Keys are
 * compared as bytes, so a key struct must have no padding. The hash is keyed with a per-map seed for keys that strangers choose; 0 is for those that the
 * system makes itself. There is no iteration on purpose: an order that comes from hashes or addresses must not reach a decision; what has to be walked
 * hangs in a list or a tree as well.
 */
#ifndef DFS_CORE_BASE_MAP_H
#define DFS_CORE_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct dfs_map_slot {
    void *value; /* NULL: empty; the key is read through key_offset */
    uint64_t hash;
};

struct dfs_map_table {
    struct dfs_map_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    unsigned shift;  /* of a hash, to its place */
};

struct dfs_map {
    struct dfs_map_table table; /* takes what is inserted */
    struct dfs_map_table old;   /* the one before, while its entries move */
    size_t old_place;           /* where the moving goes on */
    size_t old_count;           /* entries that have not moved yet */
    size_t count;               /* of both */
    size_t key_offset;          /* of the key inside the value's struct */
    size_t key_bytes;
    uint64_t seed;
};

void dfs_map_init(struct dfs_map *map, size_t key_offset, size_t key_bytes, uint64_t seed);
void dfs_map_close(struct dfs_map *map);

/* Changes nothing: the key will be looked for soon, and its place can come into the cache while something else takes a hundred nanoseconds. */
void dfs_map_expect(const struct dfs_map *map, const void *key);

void *dfs_map_find(const struct dfs_map *map, const void *key); /* NULL when absent */
void dfs_map_insert(struct dfs_map *map, void *value);          /* asserts that the key is new */
void *dfs_map_remove(struct dfs_map *map, const void *key);     /* the value, or NULL */

#endif
