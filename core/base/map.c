#include "core/base/map.h"

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <string.h>

#define MAP_CAPACITY_MIN 16

void dfs_map_init(struct dfs_map *map, size_t key_offset, size_t key_bytes, uint64_t seed)
{
    *map = (struct dfs_map){.key_offset = key_offset, .key_bytes = key_bytes, .seed = seed};
}

void dfs_map_close(struct dfs_map *map)
{
    dfs_free(map->slots);
    map->slots = NULL;
    map->capacity = 0;
    map->count = 0;
}

static const void *key_of(const struct dfs_map *map, const void *value)
{
    return (const uint8_t *)value + map->key_offset;
}

/* The upper bits name the place, so that a table which doubles is read and written from front to back. */
static size_t home_of(const struct dfs_map *map, uint64_t hash)
{
    return (size_t)(hash >> map->shift);
}

static size_t after(const struct dfs_map *map, size_t place)
{
    return (place + 1) & (map->capacity - 1);
}

/* How far `place` lies behind `from`, round the end. */
static size_t distance(const struct dfs_map *map, size_t from, size_t place)
{
    return (place - from) & (map->capacity - 1);
}

/* The slot with the key, or the empty one where it would go. The table is not empty and never full. */
static size_t place_of(const struct dfs_map *map, uint64_t hash, const void *key)
{
    size_t place = home_of(map, hash);

    while (map->slots[place].value != NULL) {
        const struct dfs_map_slot *slot = &map->slots[place];

        if (slot->hash == hash && memcmp(key_of(map, slot->value), key, map->key_bytes) == 0)
            break;
        place = after(map, place);
    }
    return place;
}

static void grow(struct dfs_map *map)
{
    struct dfs_map_slot *old = map->slots;
    const size_t old_capacity = map->capacity;

    map->capacity = old_capacity == 0 ? MAP_CAPACITY_MIN : 2 * old_capacity;
    map->shift = 64 - (unsigned)__builtin_ctzll(map->capacity);
    map->slots = dfs_alloc_zero_array(map->capacity, sizeof map->slots[0]);
    for (size_t i = 0; i < old_capacity; i++) {
        size_t place = home_of(map, old[i].hash);

        if (old[i].value == NULL)
            continue;
        while (map->slots[place].value != NULL)
            place = after(map, place);
        map->slots[place] = old[i];
    }
    dfs_free(old);
}

void *dfs_map_find(const struct dfs_map *map, const void *key)
{
    if (map->count == 0)
        return NULL;
    return map->slots[place_of(map, dfs_hash64(map->seed, key, map->key_bytes), key)].value;
}

void dfs_map_insert(struct dfs_map *map, void *value)
{
    uint64_t hash;
    size_t place;

    DFS_ASSERT(value != NULL);
    if (map->count >= map->capacity / 4 * 3)
        grow(map);
    hash = dfs_hash64(map->seed, key_of(map, value), map->key_bytes);
    place = place_of(map, hash, key_of(map, value));
    DFS_ASSERT(map->slots[place].value == NULL);
    map->slots[place] = (struct dfs_map_slot){.value = value, .hash = hash};
    map->count++;
}

/* Moves back what stands behind the hole and belongs at or before it, so that no search ends too soon (Knuth,
 * TAOCP 3, 6.4, algorithm R). */
static void close_hole(struct dfs_map *map, size_t hole)
{
    for (size_t place = after(map, hole); map->slots[place].value != NULL; place = after(map, place)) {
        const size_t home = home_of(map, map->slots[place].hash);

        if (distance(map, home, place) >= distance(map, hole, place)) {
            map->slots[hole] = map->slots[place];
            hole = place;
        }
    }
    map->slots[hole] = (struct dfs_map_slot){0};
}

void *dfs_map_remove(struct dfs_map *map, const void *key)
{
    size_t place;
    void *value;

    if (map->count == 0)
        return NULL;
    place = place_of(map, dfs_hash64(map->seed, key, map->key_bytes), key);
    value = map->slots[place].value;
    if (value == NULL)
        return NULL;
    close_hole(map, place);
    map->count--;
    return value;
}
