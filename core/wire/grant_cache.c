#include "core/wire/grant_cache.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

/* Lists and bearers together: a cluster of five with four clients has 240. 64 bytes each at a server, 112 at metadata with three copies. */
#define SETS_BITS 7
#define SETS (1u << SETS_BITS)
#define WAYS 4

/* Known at once; the tables are twice as large, so that a search is short. */
#define REPLICAS_MAX 64
#define BEARERS_MAX 32

#define CACHE_LINE_BYTES 64

/* What is learned before it is forgotten is a few dozen grants: a few parts in a hundred of this. */
#define REST_GRANTS 1024

/* Of a replica: all but its tag. */
#define REPLICA_BYTES offsetof(struct dfs_w_replica, mac)
_Static_assert(REPLICA_BYTES == DFS_ID_BYTES + sizeof(uint64_t) + 16 + sizeof(uint16_t),
               "a replica is compared byte by byte: no padding in it");

#define BEARER_BYTES (DFS_FINGERPRINT_BYTES + sizeof(uint64_t))

/* A replica, or a bearer and an epoch. */
struct known {
    uint8_t bytes[REPLICA_BYTES];
    bool used;
};
_Static_assert(BEARER_BYTES <= REPLICA_BYTES, "one kind of place for both");

/* Which list and which bearer, by their places. */
struct name {
    uint32_t key_id;
    uint8_t replicas_count;
    uint8_t bearer;
    uint8_t replicas[DFS_REPLICAS_MAX + 1]; /* the last is not used: no padding */
};
_Static_assert(sizeof(struct name) == 16 && offsetof(struct name, replicas) + DFS_REPLICAS_MAX + 1 == 16,
               "names are compared as two words, all of their bytes");

struct record {
    struct name name;
    struct dfs_mac_state states[];
};

struct dfs_grant_table {
    struct known replicas[2 * REPLICAS_MAX];
    struct known bearers[2 * BEARERS_MAX];
    uint32_t replicas_count;
    uint32_t bearers_count;
    uint32_t keys_max; /* states of a record */
    uint32_t turn;     /* whose place the next record takes in a full set */
    size_t record_bytes;
    uint8_t *records;
    uint16_t marks[SETS][WAYS]; /* of the names' hashes; 0: free */
};

void dfs_grant_cache_init(struct dfs_grant_cache *cache)
{
    *cache = (struct dfs_grant_cache){0};
}

static struct record *record_at(const struct dfs_grant_table *table, size_t set, size_t way)
{
    return (struct record *)(void *)(table->records + (set * WAYS + way) * table->record_bytes);
}

/* Only what was written is wiped: most of a large cluster's caches never hold much. */
static void forget(struct dfs_grant_cache *cache)
{
    struct dfs_grant_table *table = cache->table;

    cache->table = NULL;
    if (table == NULL)
        return;
    for (size_t set = 0; set < SETS; set++) {
        for (size_t way = 0; way < WAYS; way++) {
            if (table->marks[set][way] != 0)
                dfs_wipe(record_at(table, set, way), table->record_bytes);
        }
    }
    dfs_free(table->records);
    dfs_free(table);
}

void dfs_grant_cache_close(struct dfs_grant_cache *cache)
{
    forget(cache);
    cache->rest = 0;
}

/* What is known ---------------------------------------------------------------------------------------------------- */

static inline uint64_t word_at(const uint8_t *bytes, size_t at)
{
    uint64_t word;

    memcpy(&word, bytes + at, sizeof word);
    return word;
}

/* `bytes` of at least eight: the last word overlaps the one before. */
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    uint64_t differ = 0;

    for (size_t at = 0; at < bytes; at += 8) {
        const size_t from = at + 8 <= bytes ? at : bytes - 8;

        differ |= word_at(a, from) ^ word_at(b, from);
    }
    return differ == 0;
}

/* Ids are random and fingerprints are hashes: spread well by themselves. Where it is or where it would go; the table is never full. */
static inline uint8_t place_of(const struct known *table, uint32_t room, const uint8_t *bytes, size_t count)
{
    uint64_t place = (word_at(bytes, 0) ^ word_at(bytes, 8)) * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    for (;; place++) {
        const struct known *known = &table[place & (room - 1)];

        if (!known->used || same_bytes(known->bytes, bytes, count))
            return (uint8_t)(place & (room - 1));
    }
}

static inline void bearer_of(const struct dfs_w_grant *grant, uint8_t ret_bytes[BEARER_BYTES])
{
    memcpy(ret_bytes, grant->bearer, DFS_FINGERPRINT_BYTES);
    memcpy(ret_bytes + DFS_FINGERPRINT_BYTES, &grant->epoch, sizeof grant->epoch);
}

static inline uint8_t replica_place(const struct dfs_grant_table *table, const struct dfs_w_replica *replica)
{
    return place_of(table->replicas, 2 * REPLICAS_MAX, (const uint8_t *)replica, REPLICA_BYTES);
}

static inline uint8_t bearer_place(const struct dfs_grant_table *table, const uint8_t bytes[BEARER_BYTES])
{
    return place_of(table->bearers, 2 * BEARERS_MAX, bytes, BEARER_BYTES);
}

/* false: a replica or the bearer is not known. */
static bool name_of(const struct dfs_grant_table *table, const struct dfs_w_grant *grant, struct name *ret_name)
{
    uint8_t bearer[BEARER_BYTES];
    bool known;

    DFS_ASSERT(grant->replicas_count <= DFS_REPLICAS_MAX);
    bearer_of(grant, bearer);
    *ret_name = (struct name){.key_id = grant->key_id,
                              .replicas_count = (uint8_t)grant->replicas_count,
                              .bearer = bearer_place(table, bearer)};
    known = table->bearers[ret_name->bearer].used;
    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        ret_name->replicas[i] = replica_place(table, &grant->replicas[i]);
        known &= table->replicas[ret_name->replicas[i]].used;
    }
    return known;
}

static void learn(struct known *known, const void *bytes, size_t count, uint32_t *counted)
{
    if (known->used)
        return;
    memcpy(known->bytes, bytes, count);
    known->used = true;
    (*counted)++;
}

/* false: there is no room for them all. */
static bool learn_all(struct dfs_grant_table *table, const struct dfs_w_grant *grant)
{
    uint8_t bearer[BEARER_BYTES];

    if (table->replicas_count + grant->replicas_count > REPLICAS_MAX || table->bearers_count == BEARERS_MAX)
        return false;
    bearer_of(grant, bearer);
    learn(&table->bearers[bearer_place(table, bearer)], bearer, sizeof bearer, &table->bearers_count);
    for (uint32_t i = 0; i < grant->replicas_count; i++)
        learn(&table->replicas[replica_place(table, &grant->replicas[i])], &grant->replicas[i], REPLICA_BYTES,
              &table->replicas_count);
    return true;
}

/* Records ---------------------------------------------------------------------------------------------------------- */

static inline uint64_t hash_of(const struct name *name)
{
    const uint8_t *bytes = (const uint8_t *)name;
    uint64_t hash = word_at(bytes, 0) * UINT64_C(0x9e3779b97f4a7c15);

    hash = (hash ^ hash >> 32 ^ word_at(bytes, 8)) * UINT64_C(0xc2b2ae3d27d4eb4f);
    return hash ^ hash >> 32;
}

static inline size_t set_of(uint64_t hash)
{
    return hash & (SETS - 1);
}

static inline uint16_t mark_of(uint64_t hash)
{
    return (uint16_t)(hash >> 16 | 1);
}

const struct dfs_mac_state *dfs_grant_cache_find(const struct dfs_grant_cache *cache, const struct dfs_w_grant *grant)
{
    const struct dfs_grant_table *table = cache->table;
    struct name name;
    uint64_t hash;

    if (table == NULL || !name_of(table, grant, &name))
        return NULL;
    hash = hash_of(&name);
    for (size_t way = 0; way < WAYS; way++) {
        const struct record *record;

        if (table->marks[set_of(hash)][way] != mark_of(hash))
            continue;
        record = record_at(table, set_of(hash), way);
        if (same_bytes((const uint8_t *)&record->name, (const uint8_t *)&name, sizeof name))
            return record->states;
    }
    return NULL;
}

static struct dfs_grant_table *table_new(uint32_t keys_max)
{
    struct dfs_grant_table *table = dfs_alloc_zero(sizeof *table);

    table->keys_max = keys_max;
    table->record_bytes = sizeof(struct record) + keys_max * sizeof(struct dfs_mac_state);
    if (table->record_bytes < CACHE_LINE_BYTES)
        table->record_bytes = CACHE_LINE_BYTES;
    table->records = dfs_alloc_aligned(CACHE_LINE_BYTES, SETS * WAYS * table->record_bytes);
    return table;
}

static size_t way_free(struct dfs_grant_table *table, size_t set)
{
    for (size_t way = 0; way < WAYS; way++) {
        if (table->marks[set][way] == 0)
            return way;
    }
    return table->turn++ % WAYS;
}

void dfs_grant_cache_add(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant,
                         const struct dfs_mac_state *states, uint32_t keys_count)
{
    struct name name;
    struct record *record;
    uint64_t hash;
    size_t way;
    bool known;

    if (cache->rest > 0) {
        cache->rest--;
        return;
    }
    if (cache->table != NULL && cache->table->keys_max < keys_count)
        forget(cache);
    if (cache->table == NULL)
        cache->table = table_new(keys_count);
    if (!learn_all(cache->table, grant)) {
        forget(cache);
        cache->rest = REST_GRANTS;
        return;
    }
    known = name_of(cache->table, grant, &name);
    DFS_ASSERT(known);
    hash = hash_of(&name);
    way = way_free(cache->table, set_of(hash));
    record = record_at(cache->table, set_of(hash), way);
    cache->table->marks[set_of(hash)][way] = mark_of(hash);
    record->name = name;
    memcpy(record->states, states, keys_count * sizeof *states);
}
