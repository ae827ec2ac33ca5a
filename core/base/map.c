#include "core/base/map.h"

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <string.h>

#define MAP_CAPACITY_MIN 16

/* Slots of the old table that one insertion or removal moves, and then on to the end of the run. The new table has
 * room for half as many more as the old one has slots, so two would do; eight are over sooner and are two cache lines. */
#define MAP_MOVE_SLOTS 8

void dfs_map_init(struct dfs_map *map, size_t key_offset, size_t key_bytes, uint64_t seed)
{
    *map = (struct dfs_map){.key_offset = key_offset, .key_bytes = key_bytes, .seed = seed};
}

void dfs_map_close(struct dfs_map *map)
{
    dfs_free(map->table.slots);
    dfs_free(map->old.slots);
    dfs_map_init(map, map->key_offset, map->key_bytes, map->seed);
}

static const void *key_of(const struct dfs_map *map, const void *value)
{
    return (const uint8_t *)value + map->key_offset;
}

static inline uint64_t word_of(const void *bytes, size_t place)
{
    uint64_t word;

    memcpy(&word, (const uint8_t *)bytes + 8 * place, sizeof word);
    return word;
}

/* Ids, blocks and numbers are nearly all keys there are: for those the compiler knows how long they are. */
static inline bool same_key(const struct dfs_map *map, const void *value, const void *key, size_t key_bytes)
{
    const void *own = key_of(map, value);

    switch (key_bytes) {
    case 8:
        return word_of(own, 0) == word_of(key, 0);
    case 16:
        return ((word_of(own, 0) ^ word_of(key, 0)) | (word_of(own, 1) ^ word_of(key, 1))) == 0;
    case 24:
        return ((word_of(own, 0) ^ word_of(key, 0)) | (word_of(own, 1) ^ word_of(key, 1)) |
                (word_of(own, 2) ^ word_of(key, 2))) == 0;
    default:
        return memcmp(own, key, key_bytes) == 0;
    }
}

__extension__ typedef unsigned __int128 wide;

/* Both halves of the product with an odd number without pattern (the golden ratio): the upper bits, which name the place, depend on every bit of the word. */
static inline uint64_t fold(uint64_t word)
{
    const wide product = (wide)word * UINT64_C(0x9e3779b97f4a7c15);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A map with a seed has keys that strangers choose. Those that the system has made itself are random, or count up: a multiplication a word spreads them. */
static inline bool is_folded(const struct dfs_map *map, size_t key_bytes)
{
    return map->seed == 0 && key_bytes % 8 == 0 && key_bytes > 0 && key_bytes <= 24;
}

static inline uint64_t folded(const void *key, size_t key_bytes)
{
    uint64_t hash = fold(word_of(key, 0));

    if (key_bytes > 8)
        hash = fold(hash ^ word_of(key, 1));
    if (key_bytes > 16)
        hash = fold(hash ^ word_of(key, 2));
    return hash;
}

static inline uint64_t hash_of(const struct dfs_map *map, const void *key)
{
    return is_folded(map, map->key_bytes) ? folded(key, map->key_bytes) : dfs_hash64(map->seed, key, map->key_bytes);
}

/* One table ------------------------------------------------------------------------------------------------------- */

/* The upper bits name the place, so that a table which doubles is read and written from front to back. */
static size_t home_of(const struct dfs_map_table *table, uint64_t hash)
{
    return (size_t)(hash >> table->shift);
}

static size_t after(const struct dfs_map_table *table, size_t place)
{
    return (place + 1) & (table->capacity - 1);
}

/* How far `place` lies behind `from`, round the end. */
static size_t distance(const struct dfs_map_table *table, size_t from, size_t place)
{
    return (place - from) & (table->capacity - 1);
}

/* The slot with the key, or the empty one where its run ends. The table has slots and is never full. */
static inline struct dfs_map_slot *search(const struct dfs_map *map, const struct dfs_map_table *table, uint64_t hash,
                                          const void *key, size_t key_bytes)
{
    const size_t mask = table->capacity - 1;
    struct dfs_map_slot *const slots = table->slots;

    for (size_t place = home_of(table, hash);; place = (place + 1) & mask) {
        struct dfs_map_slot *slot = &slots[place];

        if (slot->value == NULL || (slot->hash == hash && same_key(map, slot->value, key, key_bytes)))
            return slot;
    }
}

static void put(struct dfs_map_table *table, const struct dfs_map_slot *entry)
{
    size_t place = home_of(table, entry->hash);

    while (table->slots[place].value != NULL)
        place = after(table, place);
    table->slots[place] = *entry;
}

/* Moves back what stands behind the hole and belongs at or before it, so that no search ends too soon (Knuth, TAOCP 3,
 * 6.4, algorithm R). */
static void close_hole(struct dfs_map_table *table, size_t hole)
{
    for (size_t place = after(table, hole); table->slots[place].value != NULL; place = after(table, place)) {
        const size_t home = home_of(table, table->slots[place].hash);

        if (distance(table, home, place) >= distance(table, hole, place)) {
            table->slots[hole] = table->slots[place];
            hole = place;
        }
    }
    table->slots[hole] = (struct dfs_map_slot){0};
}

/* The value, taken out of its slot; NULL for an empty one. */
static void *take(struct dfs_map_table *table, const struct dfs_map_slot *slot)
{
    void *value = slot->value;

    if (value != NULL)
        close_hole(table, (size_t)(slot - table->slots));
    return value;
}

/* Growth ---------------------------------------------------------------------------------------------------------- */

/*
 * From the first slot on, and never less than to the end of a run: so no entry that is still in the old table has its home
 * in what was left behind, and a search there ends as in any table. (A run that wraps round the end loses its tail first,
 * which nobody before it needs.) Nothing is inserted into the old table.
 */
static void move_some(struct dfs_map *map)
{
    struct dfs_map_table *old = &map->old;

    if (old->slots == NULL)
        return;
    for (unsigned i = 0; i < MAP_MOVE_SLOTS || old->slots[map->old_place].value != NULL; i++) {
        struct dfs_map_slot *slot = &old->slots[map->old_place];

        if (slot->value != NULL) {
            put(&map->table, slot);
            *slot = (struct dfs_map_slot){0};
            map->old_count--;
        }
        map->old_place = after(old, map->old_place);
    }
    if (map->old_count == 0) {
        dfs_free(old->slots);
        *old = (struct dfs_map_table){0};
    }
}

static void grow(struct dfs_map *map)
{
    const size_t capacity = map->table.capacity == 0 ? MAP_CAPACITY_MIN : 2 * map->table.capacity;

    DFS_ASSERT(map->old.slots == NULL);
    map->old = map->table;
    map->old_count = map->count;
    map->old_place = 0;
    map->table.capacity = capacity;
    map->table.shift = 64 - (unsigned)__builtin_ctzll(capacity);
    map->table.slots = dfs_alloc_zero_array(capacity, sizeof map->table.slots[0]);
}

/* The map --------------------------------------------------------------------------------------------------------- */

static void *find(const struct dfs_map *map, uint64_t hash, const void *key)
{
    void *value = search(map, &map->table, hash, key, map->key_bytes)->value;

    if (value == NULL && map->old.slots != NULL)
        value = search(map, &map->old, hash, key, map->key_bytes)->value;
    return value;
}

/* By itself, so that the usual search below calls nobody and keeps all it needs in registers. */
__attribute__((noinline)) static void *find_any(const struct dfs_map *map, const void *key)
{
    return map->count == 0 ? NULL : find(map, hash_of(map, key), key);
}

/* Ids and blocks are nearly all that is ever looked for. */
static inline void *find_folded(const struct dfs_map *map, const void *key, size_t key_bytes)
{
    void *value;

    if (map->count == 0)
        return NULL;
    value = search(map, &map->table, folded(key, key_bytes), key, key_bytes)->value;
    return value == NULL && map->old.slots != NULL ? find_any(map, key) : value;
}

void *dfs_map_find(const struct dfs_map *map, const void *key)
{
    if (map->seed == 0 && map->key_bytes == 16)
        return find_folded(map, key, 16);
    if (map->seed == 0 && map->key_bytes == 24)
        return find_folded(map, key, 24);
    return find_any(map, key);
}

void dfs_map_expect(const struct dfs_map *map, const void *key)
{
    if (map->count > 0)
        __builtin_prefetch(&map->table.slots[home_of(&map->table, hash_of(map, key))]);
}

void dfs_map_insert(struct dfs_map *map, void *value)
{
    struct dfs_map_slot entry = {.value = value};

    DFS_ASSERT(value != NULL);
    move_some(map);
    if (map->count >= map->table.capacity / 2)
        grow(map);
    entry.hash = hash_of(map, key_of(map, value));
    DFS_ASSERT(find(map, entry.hash, key_of(map, value)) == NULL);
    put(&map->table, &entry);
    map->count++;
}

void *dfs_map_remove(struct dfs_map *map, const void *key)
{
    const uint64_t hash = hash_of(map, key);
    void *value;

    if (map->count == 0)
        return NULL;
    move_some(map);
    value = take(&map->table, search(map, &map->table, hash, key, map->key_bytes));
    if (value == NULL && map->old.slots != NULL) {
        value = take(&map->old, search(map, &map->old, hash, key, map->key_bytes));
        map->old_count -= value != NULL;
    }
    map->count -= value != NULL;
    return value;
}
