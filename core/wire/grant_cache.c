#include "core/wire/grant_cache.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

/* Four lines where a list may stand, the one used last in front. A cluster of five servers has sixty lists of three, and a server is in thirty-six of
 * them: hardly one pushes out another. A line of three replicas takes 256 bytes at a server and 704 at metadata. */
#define SETS_BITS 6
#define SETS (1u << SETS_BITS)
#define WAYS 4

/* Clients that share a list at about the same time. */
#define BEARERS 6

/* A cache line: a server's look-up finds list and numbers in one, the state in one more. */
#define LINE_ALIGNMENT 64

/* Replicas and bearers that are known by a number. When there is no room for one more, everything begins anew. */
#define NAMES_MAX 120
#define PLACES_BITS 8
#define PLACES (1u << PLACES_BITS) /* twice as many: the next free place is near */

/* Of a replica: all but its tag. */
#define REPLICA_BYTES offsetof(struct dfs_w_replica, mac)
_Static_assert(REPLICA_BYTES == DFS_ID_BYTES + sizeof(uint64_t) + 16 + sizeof(uint16_t),
               "a replica is compared byte by byte: no padding in it");

#define BEARER_BYTES (DFS_FINGERPRINT_BYTES + sizeof(uint64_t)) /* fingerprint and epoch */

#define NAME_BYTES_MAX 47
_Static_assert(REPLICA_BYTES <= NAME_BYTES_MAX && BEARER_BYTES <= NAME_BYTES_MAX && BEARER_BYTES != REPLICA_BYTES,
               "the length of a name says what it is of");

struct name {
    uint8_t bytes[NAME_BYTES_MAX];
    uint8_t count;
};

/* The numbers of a list's replicas, zeros behind them. */
struct list {
    uint64_t words[2];
};
_Static_assert(DFS_REPLICAS_MAX <= sizeof(struct list) && NAMES_MAX <= UINT8_MAX, "a byte for each replica");

struct dfs_grant_line {
    struct list list;
    uint32_t key_id;
    uint8_t keys_count;
    uint8_t bearers_count;
    uint8_t bearer_next; /* whose place the next one takes */
    uint8_t bearers[BEARERS];
    struct dfs_mac_state states[]; /* keys_count behind the list, as many behind each bearer */
};

struct dfs_grant_known {
    struct dfs_grant_line *lines[SETS * WAYS];
    uint32_t names_count;
    uint8_t places[PLACES]; /* by hash: the number of a name; 0: free */
    struct name names[NAMES_MAX];
};

void dfs_grant_cache_init(struct dfs_grant_cache *cache)
{
    *cache = (struct dfs_grant_cache){0};
}

static size_t line_bytes(uint32_t keys_count)
{
    const size_t bytes =
        sizeof(struct dfs_grant_line) + (size_t)(1 + BEARERS) * keys_count * sizeof(struct dfs_mac_state);

    return (bytes + LINE_ALIGNMENT - 1) / LINE_ALIGNMENT * LINE_ALIGNMENT;
}

static void line_free(struct dfs_grant_line *line)
{
    if (line != NULL)
        dfs_wipe(line, line_bytes(line->keys_count));
    dfs_free(line);
}

void dfs_grant_cache_close(struct dfs_grant_cache *cache)
{
    for (size_t i = 0; cache->known != NULL && i < SETS * WAYS; i++)
        line_free(cache->known->lines[i]);
    dfs_free(cache->known);
    dfs_grant_cache_init(cache);
}

/* Names ------------------------------------------------------------------------------------------------------------------ */

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

/* Where the search for a name begins: ids and fingerprints are random, so their first bytes spread well. */
static inline size_t place_of(const uint8_t *bytes)
{
    uint64_t words[2];

    memcpy(words, bytes, sizeof words);
    return (words[0] ^ words[1]) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PLACES_BITS);
}

/* Its number; 0: not known. *ret_place is where it stands, or may. */
static inline uint8_t name_find(const struct dfs_grant_known *known, const uint8_t *bytes, size_t count,
                                size_t *ret_place)
{
    size_t place = place_of(bytes);

    for (; known->places[place] != 0; place = (place + 1) % PLACES) {
        const struct name *name = &known->names[known->places[place] - 1];

        if (name->count == count && same_bytes(name->bytes, bytes, count))
            break;
    }
    *ret_place = place;
    return known->places[place];
}

static uint8_t name_add(struct dfs_grant_known *known, const uint8_t *bytes, size_t count)
{
    size_t place;
    const uint8_t number = name_find(known, bytes, count, &place);

    if (number != 0)
        return number;
    DFS_ASSERT(known->names_count < NAMES_MAX);

    struct name *name = &known->names[known->names_count++];

    memcpy(name->bytes, bytes, count);
    name->count = (uint8_t)count;
    known->places[place] = (uint8_t)known->names_count;
    return known->places[place];
}

static void bearer_bytes(const struct dfs_w_grant *grant, uint8_t ret_bytes[BEARER_BYTES])
{
    memcpy(ret_bytes, grant->bearer, DFS_FINGERPRINT_BYTES);
    memcpy(ret_bytes + DFS_FINGERPRINT_BYTES, &grant->epoch, sizeof grant->epoch);
}

/* Lines ------------------------------------------------------------------------------------------------------------------ */

/* false: one of its replicas is not known. */
static bool list_find(const struct dfs_grant_known *known, const struct dfs_w_grant *grant, struct list *ret_list)
{
    uint8_t numbers[sizeof(struct list)] = {0};

    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        size_t place;

        numbers[i] = name_find(known, (const uint8_t *)&grant->replicas[i], REPLICA_BYTES, &place);
        if (numbers[i] == 0)
            return false;
    }
    memcpy(ret_list, numbers, sizeof *ret_list);
    return true;
}

static struct dfs_grant_line **set_of(struct dfs_grant_known *known, const struct list *list, uint32_t key_id)
{
    const uint64_t mix =
        (list->words[0] ^ list->words[1] << 31 ^ (uint64_t)key_id << 40) * UINT64_C(0x9e3779b97f4a7c15);

    return &known->lines[(mix >> (64 - SETS_BITS)) * WAYS];
}

struct dfs_grant_line *dfs_grant_cache_find(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant)
{
    struct dfs_grant_line **set;
    struct list list;

    if (cache->known == NULL || !list_find(cache->known, grant, &list))
        return NULL;
    set = set_of(cache->known, &list, grant->key_id);
    for (size_t way = 0; way < WAYS && set[way] != NULL; way++) {
        struct dfs_grant_line *line = set[way];

        if (line->list.words[0] == list.words[0] && line->list.words[1] == list.words[1] &&
            line->key_id == grant->key_id) {
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
    uint8_t numbers[sizeof(struct list)] = {0};
    struct dfs_grant_line *line;
    struct dfs_grant_line **set;

    if (cache->known != NULL && cache->known->names_count + grant->replicas_count > NAMES_MAX)
        dfs_grant_cache_close(cache);
    if (cache->known == NULL)
        cache->known = dfs_alloc_zero(sizeof *cache->known);
    for (uint32_t i = 0; i < grant->replicas_count; i++)
        numbers[i] = name_add(cache->known, (const uint8_t *)&grant->replicas[i], REPLICA_BYTES);
    line = dfs_alloc_aligned(LINE_ALIGNMENT, line_bytes(keys_count));
    *line = (struct dfs_grant_line){.key_id = grant->key_id, .keys_count = (uint8_t)keys_count};
    memcpy(&line->list, numbers, sizeof line->list);
    memcpy(line->states, list, keys_count * sizeof *list);
    set = set_of(cache->known, &line->list, line->key_id);
    line_free(set[WAYS - 1]);
    memmove(&set[1], &set[0], (WAYS - 1) * sizeof(struct dfs_grant_line *));
    set[0] = line;
    return line;
}

const struct dfs_mac_state *dfs_grant_line_list(const struct dfs_grant_line *line)
{
    return line->states;
}

const struct dfs_mac_state *dfs_grant_line_find(const struct dfs_grant_cache *cache, const struct dfs_grant_line *line,
                                                const struct dfs_w_grant *grant)
{
    uint8_t bytes[BEARER_BYTES];
    uint8_t number;
    size_t place;

    bearer_bytes(grant, bytes);
    number = name_find(cache->known, bytes, sizeof bytes, &place);
    for (size_t i = 0; number != 0 && i < line->bearers_count; i++) {
        if (line->bearers[i] == number)
            return &line->states[(1 + i) * line->keys_count];
    }
    return NULL;
}

void dfs_grant_line_add(struct dfs_grant_cache *cache, struct dfs_grant_line *line, const struct dfs_w_grant *grant,
                        const struct dfs_mac_state *bearer)
{
    const size_t place = line->bearer_next;
    uint8_t bytes[BEARER_BYTES];

    if (cache->known->names_count == NAMES_MAX) {
        dfs_grant_cache_close(cache);
        return;
    }
    bearer_bytes(grant, bytes);
    line->bearer_next = (uint8_t)((place + 1) % BEARERS);
    if (place == line->bearers_count)
        line->bearers_count++;
    line->bearers[place] = name_add(cache->known, bytes, sizeof bytes);
    memcpy(&line->states[(1 + place) * line->keys_count], bearer, line->keys_count * sizeof *bearer);
}
