#include "core/wire/grant_cache.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

/* Two lines where a list may stand, the one used last in front. A server of a small cluster meets some dozens of lists, one of a large cluster some
 * hundreds; a line of three replicas takes 0.5 KB at a server and 0.9 KB at metadata. */
#define SETS_BITS 6
#define SETS (1u << SETS_BITS)
#define WAYS 2

/* Clients that share a list at about the same time. */
#define BEARERS 4

/* Of a replica: all but its tag. */
#define REPLICA_BYTES offsetof(struct dfs_w_replica, mac)
_Static_assert(REPLICA_BYTES == DFS_ID_BYTES + sizeof(uint64_t) + 16 + sizeof(uint16_t),
               "a replica is compared byte by byte: no padding in it");

struct bearer {
    uint8_t fingerprint[DFS_FINGERPRINT_BYTES];
    uint64_t epoch;
};

struct dfs_grant_line {
    uint32_t key_id;
    uint32_t replicas_count;
    uint32_t keys_count;
    uint16_t bearers_count;
    uint16_t bearer_next; /* whose place the next one takes */
    struct bearer bearers[BEARERS];
    struct dfs_mac_state states[]; /* keys_count behind the list, as many behind each bearer; then the replicas */
};

static const uint8_t *replicas_of(const struct dfs_grant_line *line)
{
    return (const uint8_t *)&line->states[(size_t)(1 + BEARERS) * line->keys_count];
}

static size_t line_bytes(uint32_t keys_count, uint32_t replicas_count)
{
    return sizeof(struct dfs_grant_line) + (size_t)(1 + BEARERS) * keys_count * sizeof(struct dfs_mac_state) +
           replicas_count * REPLICA_BYTES;
}

void dfs_grant_cache_init(struct dfs_grant_cache *cache)
{
    *cache = (struct dfs_grant_cache){0};
}

static void line_free(struct dfs_grant_line *line)
{
    if (line != NULL)
        dfs_wipe(line, line_bytes(line->keys_count, line->replicas_count));
    dfs_free(line);
}

void dfs_grant_cache_close(struct dfs_grant_cache *cache)
{
    for (size_t i = 0; cache->lines != NULL && i < SETS * WAYS; i++)
        line_free(cache->lines[i]);
    dfs_free(cache->lines);
    dfs_grant_cache_init(cache);
}

/* Ids are random: who is meant is spread well by them alone. */
static size_t set_of(const struct dfs_w_grant *grant)
{
    uint64_t mix = grant->key_id;

    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        uint64_t halves[2];

        memcpy(halves, grant->replicas[i].node.bytes, sizeof halves);
        mix = (mix ^ halves[0] ^ halves[1]) * UINT64_C(0x9e3779b97f4a7c15);
        mix ^= mix >> 32;
    }
    return mix * UINT64_C(0xc2b2ae3d27d4eb4f) >> (64 - SETS_BITS);
}

/* `bytes` of at least eight: the last word overlaps the one before. */
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    uint64_t differ = 0;

    for (size_t at = 0; at < bytes; at += 8) {
        const size_t from = at + 8 <= bytes ? at : bytes - 8;
        uint64_t left;
        uint64_t right;

        memcpy(&left, a + from, sizeof left);
        memcpy(&right, b + from, sizeof right);
        differ |= left ^ right;
    }
    return differ == 0;
}

static bool is_of(const struct dfs_grant_line *line, const struct dfs_w_grant *grant)
{
    const uint8_t *replicas = replicas_of(line);

    if (line->key_id != grant->key_id || line->replicas_count != grant->replicas_count)
        return false;
    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        if (!same_bytes(replicas + i * REPLICA_BYTES, (const uint8_t *)&grant->replicas[i], REPLICA_BYTES))
            return false;
    }
    return true;
}

struct dfs_grant_line *dfs_grant_cache_find(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant)
{
    struct dfs_grant_line **set;

    if (cache->lines == NULL)
        return NULL;
    set = &cache->lines[set_of(grant) * WAYS];
    for (size_t way = 0; way < WAYS && set[way] != NULL; way++) {
        struct dfs_grant_line *line = set[way];

        if (is_of(line, grant)) {
            set[way] = set[0];
            set[0] = line;
            return line;
        }
    }
    return NULL;
}

struct dfs_grant_line *dfs_grant_cache_add(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant,
                                           const struct dfs_mac_state *list, uint32_t keys_count)
{
    struct dfs_grant_line *line = dfs_alloc(line_bytes(keys_count, grant->replicas_count));
    struct dfs_grant_line **set;
    uint8_t *replicas = (uint8_t *)&line->states[(size_t)(1 + BEARERS) * keys_count];

    *line = (struct dfs_grant_line){
        .key_id = grant->key_id, .replicas_count = grant->replicas_count, .keys_count = keys_count};
    memcpy(line->states, list, keys_count * sizeof *list);
    for (uint32_t i = 0; i < grant->replicas_count; i++)
        memcpy(replicas + i * REPLICA_BYTES, &grant->replicas[i], REPLICA_BYTES);
    if (cache->lines == NULL)
        cache->lines = dfs_alloc_zero_array(SETS * WAYS, sizeof(struct dfs_grant_line *));
    set = &cache->lines[set_of(grant) * WAYS];
    line_free(set[WAYS - 1]);
    memmove(&set[1], &set[0], (WAYS - 1) * sizeof(struct dfs_grant_line *));
    set[0] = line;
    return line;
}

const struct dfs_mac_state *dfs_grant_line_list(const struct dfs_grant_line *line)
{
    return line->states;
}

const struct dfs_mac_state *dfs_grant_line_find(const struct dfs_grant_line *line, const struct dfs_w_grant *grant)
{
    for (size_t i = 0; i < line->bearers_count; i++) {
        const struct bearer *bearer = &line->bearers[i];

        if (bearer->epoch == grant->epoch && same_bytes(bearer->fingerprint, grant->bearer, sizeof grant->bearer))
            return &line->states[(1 + i) * line->keys_count];
    }
    return NULL;
}

void dfs_grant_line_add(struct dfs_grant_line *line, const struct dfs_w_grant *grant,
                        const struct dfs_mac_state *bearer)
{
    const size_t place = line->bearer_next;

    line->bearer_next = (uint16_t)((place + 1) % BEARERS);
    if (place == line->bearers_count)
        line->bearers_count++;
    line->bearers[place].epoch = grant->epoch;
    memcpy(line->bearers[place].fingerprint, grant->bearer, sizeof grant->bearer);
    memcpy(&line->states[(1 + place) * line->keys_count], bearer, line->keys_count * sizeof *bearer);
}
