#include "core/wire/grant.h"

#include "core/base/assert.h"
#include "core/base/hash.h"

/* Of an order; asserted below. */
#define SIGNED_BYTES_MAX 256

enum purpose {
    PURPOSE_GRANT = 1,
    PURPOSE_RECEIPT,
    PURPOSE_ORDER_SOURCE,
    PURPOSE_ORDER_TARGET,
    PURPOSE_NODE_KEY,
    PURPOSE_HEARTBEAT_KEY
};

static void derive(const struct dfs_key *root, enum purpose purpose, const struct dfs_id *node, uint64_t incarnation,
                   uint32_t key_id, struct dfs_key *ret_key)
{
    uint8_t info[1 + DFS_ID_BYTES + 8 + 4];
    struct dfs_wr w = dfs_wr_make(info, sizeof info);

    dfs_wr_be(&w, purpose, 1);
    dfs_wr_bytes(&w, node->bytes, DFS_ID_BYTES);
    dfs_wr_be(&w, incarnation, 8);
    dfs_wr_be(&w, key_id, 4);
    DFS_ASSERT(!w.bad && w.at == w.end);
    dfs_key_derive(root->bytes, sizeof root->bytes, info, sizeof info, ret_key);
}

void dfs_node_key_derive(const struct dfs_key *root, const struct dfs_id *node, uint64_t incarnation, uint32_t key_id,
                         struct dfs_key *ret_key)
{
    derive(root, PURPOSE_NODE_KEY, node, incarnation, key_id, ret_key);
}

void dfs_heartbeat_key_derive(const struct dfs_key *root, const struct dfs_id *node, uint64_t incarnation,
                              struct dfs_key *ret_key)
{
    derive(root, PURPOSE_HEARTBEAT_KEY, node, incarnation, 0, ret_key);
}

#define BLOCK_BYTES (DFS_ID_BYTES + 4 + 4)

static inline void put_block(uint8_t ret_bytes[BLOCK_BYTES], const struct dfs_w_block *block)
{
    memcpy(ret_bytes, block->file.bytes, DFS_ID_BYTES);
    dfs_store_be32(ret_bytes + DFS_ID_BYTES, block->index);
    dfs_store_be32(ret_bytes + DFS_ID_BYTES + 4, block->generation);
}

/* Grants ---------------------------------------------------------------------------------------------------------- */

/* What a grant's tags cover: first what many grants share, each part of it in whole sections. */
#define LIST_SECTIONS_MAX SECTIONS(1 + 2 + 4 + DFS_REPLICAS_MAX * REPLICA_BYTES)
#define BEARER_SECTIONS 1
#define REQUEST_BYTES (BLOCK_BYTES + 4 + 1)

#define SECTIONS(bytes) (((bytes) + DFS_MAC_SECTION_BYTES - 1) / DFS_MAC_SECTION_BYTES)
#define REPLICA_BYTES (DFS_ID_BYTES + 8 + 16 + 2)

/* Who shall have the block, under which key, in up to LIST_SECTIONS_MAX sections: they are counted. */
static size_t put_list(const struct dfs_w_grant *grant, uint8_t *ret_bytes)
{
    struct dfs_wr w = dfs_wr_make(ret_bytes, LIST_SECTIONS_MAX * DFS_MAC_SECTION_BYTES);
    size_t count;

    DFS_ASSERT(grant->replicas_count <= DFS_REPLICAS_MAX);
    dfs_wr_be(&w, PURPOSE_GRANT, 1);
    dfs_wr_be(&w, grant->replicas_count, 2);
    dfs_wr_be(&w, grant->key_id, 4);
    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        const struct dfs_w_replica *replica = &grant->replicas[i];

        dfs_wr_bytes(&w, replica->node.bytes, DFS_ID_BYTES);
        dfs_wr_be(&w, replica->incarnation, 8);
        dfs_wr_bytes(&w, replica->addr.ip, sizeof replica->addr.ip);
        dfs_wr_be(&w, replica->addr.port, 2);
    }
    DFS_ASSERT(!w.bad);
    count = dfs_wr_count(&w);
    memset(ret_bytes + count, 0, SECTIONS(count) * DFS_MAC_SECTION_BYTES - count);
    return SECTIONS(count);
}

/* Who may ask, and when it was. */
static void put_bearer(const struct dfs_w_grant *grant, uint8_t *ret_bytes)
{
    memset(ret_bytes, 0, BEARER_SECTIONS * DFS_MAC_SECTION_BYTES);
    memcpy(ret_bytes, grant->bearer, sizeof grant->bearer);
    dfs_store_be64(ret_bytes + sizeof grant->bearer, grant->epoch);
}

/* What for. */
static void put_request(const struct dfs_w_grant *grant, uint8_t ret_bytes[REQUEST_BYTES])
{
    put_block(ret_bytes, &grant->block);
    dfs_store_be32(ret_bytes + BLOCK_BYTES, grant->length_max_bytes);
    ret_bytes[BLOCK_BYTES + 4] = grant->operation;
}

/* Where the hash of a grant stands behind its list and its bearer: for each of some keys. */
struct begun {
    const struct dfs_mac_state *behind; /* the cache's, or our own */
    struct dfs_mac_state own[DFS_REPLICAS_MAX];
};

static void begin(const struct dfs_grant_cache *cache, const struct dfs_w_grant *grant, struct dfs_mac *const *keys,
                  uint32_t keys_count, struct begun *ret_begun)
{
    uint8_t sections[(LIST_SECTIONS_MAX + BEARER_SECTIONS) * DFS_MAC_SECTION_BYTES];
    size_t count;

    ret_begun->behind = cache == NULL ? NULL : dfs_grant_cache_find(cache, grant);
    if (ret_begun->behind != NULL)
        return;
    count = put_list(grant, sections);
    put_bearer(grant, sections + count * DFS_MAC_SECTION_BYTES);
    for (uint32_t i = 0; i < keys_count; i++) {
        dfs_mac_begin(keys[i], &ret_begun->own[i]);
        dfs_mac_go_on(&ret_begun->own[i], sections, count + BEARER_SECTIONS);
    }
    ret_begun->behind = ret_begun->own;
}

static void keep(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant, uint32_t keys_count,
                 const struct begun *begun)
{
    if (cache != NULL && begun->behind == begun->own)
        dfs_grant_cache_add(cache, grant, begun->own, keys_count);
}

static size_t sections_before(const struct dfs_w_grant *grant)
{
    return SECTIONS(1 + 2 + 4 + grant->replicas_count * REPLICA_BYTES) + BEARER_SECTIONS;
}

void dfs_grant_sign(struct dfs_w_grant *grant, uint32_t hop, struct dfs_mac *key)
{
    uint8_t request[REQUEST_BYTES];
    struct begun begun;

    DFS_ASSERT(hop < grant->replicas_count);
    begin(NULL, grant, &key, 1, &begun);
    put_request(grant, request);
    dfs_mac_end(key, begun.behind, sections_before(grant), request, sizeof request, grant->replicas[hop].mac);
}

/* The rare one, when a replica has left: one by one. */
static void sign_some(struct dfs_w_grant *grant, struct dfs_mac *const *keys)
{
    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        if (keys[i] != NULL)
            dfs_grant_sign(grant, i, keys[i]);
    }
}

void dfs_grant_sign_all(struct dfs_grant_cache *cache, struct dfs_w_grant *grant, struct dfs_mac *const *keys)
{
    uint8_t request[REQUEST_BYTES];
    struct begun begun;
    uint32_t missing = 0;

    for (uint32_t i = 0; i < grant->replicas_count; i++)
        missing += keys[i] == NULL;
    if (missing > 0) {
        sign_some(grant, keys);
        return;
    }
    begin(cache, grant, keys, grant->replicas_count, &begun);
    put_request(grant, request);
    for (uint32_t i = 0; i < grant->replicas_count; i++)
        dfs_mac_end(keys[i], &begun.behind[i], sections_before(grant), request, sizeof request, grant->replicas[i].mac);
    keep(cache, grant, grant->replicas_count, &begun);
}

bool dfs_grant_check(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant, uint32_t hop, struct dfs_mac *key)
{
    uint8_t request[REQUEST_BYTES];
    struct begun begun;

    if (hop >= grant->replicas_count)
        return false;
    begin(cache, grant, &key, 1, &begun);
    put_request(grant, request);
    if (!dfs_mac_end_check(key, begun.behind, sections_before(grant), request, sizeof request,
                           grant->replicas[hop].mac))
        return false;
    keep(cache, grant, 1, &begun);
    return true;
}

/* Receipts and orders --------------------------------------------------------------------------------------------- */

/* All that the key does not say: short enough for one block of SHA-256. */
#define RECEIPT_BYTES (1 + BLOCK_BYTES + 4 + 4 + 8 + 1)

static void put_receipt(const struct dfs_w_receipt *receipt, uint8_t ret_bytes[RECEIPT_BYTES])
{
    uint8_t *rest = ret_bytes + 1 + BLOCK_BYTES;

    ret_bytes[0] = PURPOSE_RECEIPT;
    put_block(ret_bytes + 1, &receipt->block);
    dfs_store_be32(rest, receipt->length_bytes);
    dfs_store_be32(rest + 4, receipt->crc32c);
    dfs_store_be64(rest + 8, receipt->change);
    rest[16] = receipt->durable;
}

void dfs_receipt_sign(struct dfs_w_receipt *receipt, struct dfs_mac *key)
{
    uint8_t bytes[RECEIPT_BYTES];

    put_receipt(receipt, bytes);
    dfs_mac_make(key, bytes, sizeof bytes, receipt->mac);
}

bool dfs_receipt_check(const struct dfs_w_receipt *receipt, struct dfs_mac *key)
{
    uint8_t bytes[RECEIPT_BYTES];

    put_receipt(receipt, bytes);
    return dfs_mac_check(key, bytes, sizeof bytes, receipt->mac);
}

/* The rare one: as it travels, with zeros for the tags. */
static size_t order_bytes(enum purpose purpose, const struct dfs_w_order *order, uint8_t bytes[SIGNED_BYTES_MAX])
{
    struct dfs_w_order bare = *order;

    struct dfs_wr w = dfs_wr_make(bytes, SIGNED_BYTES_MAX);

    memset(bare.source_mac, 0, sizeof bare.source_mac);
    memset(bare.target_mac, 0, sizeof bare.target_mac);
    dfs_wr_be(&w, purpose, 1);
    dfs_encode(&dfs_layout_order, &bare, &w);
    DFS_ASSERT(!w.bad);
    return dfs_wr_count(&w);
}

void dfs_order_sign_source(struct dfs_w_order *order, struct dfs_mac *key)
{
    uint8_t bytes[SIGNED_BYTES_MAX];
    const size_t count = order_bytes(PURPOSE_ORDER_SOURCE, order, bytes);

    dfs_mac_make(key, bytes, count, order->source_mac);
}

void dfs_order_sign_target(struct dfs_w_order *order, struct dfs_mac *key)
{
    uint8_t bytes[SIGNED_BYTES_MAX];
    const size_t count = order_bytes(PURPOSE_ORDER_TARGET, order, bytes);

    dfs_mac_make(key, bytes, count, order->target_mac);
}

bool dfs_order_check_source(const struct dfs_w_order *order, struct dfs_mac *key)
{
    uint8_t bytes[SIGNED_BYTES_MAX];
    const size_t count = order_bytes(PURPOSE_ORDER_SOURCE, order, bytes);

    return dfs_mac_check(key, bytes, count, order->source_mac);
}

bool dfs_order_check_target(const struct dfs_w_order *order, struct dfs_mac *key)
{
    uint8_t bytes[SIGNED_BYTES_MAX];
    const size_t count = order_bytes(PURPOSE_ORDER_TARGET, order, bytes);

    return dfs_mac_check(key, bytes, count, order->target_mac);
}

uint64_t dfs_block_digest(const struct dfs_w_block *block, uint32_t length_bytes)
{
    uint8_t bytes[BLOCK_BYTES + 4];

    put_block(bytes, block);
    dfs_store_be32(bytes + BLOCK_BYTES, length_bytes);
    return dfs_hash64(0, bytes, sizeof bytes);
}

uint32_t dfs_blocks_count(uint64_t size_bytes, uint32_t block_min_bytes, uint32_t block_max_bytes, uint32_t spread,
                          uint32_t wanted_bytes)
{
    DFS_ASSERT(block_min_bytes > 0 && block_min_bytes <= block_max_bytes);
    if (size_bytes == 0)
        return 0;
    const uint64_t fewest = (size_bytes - 1) / block_max_bytes + 1;
    uint64_t count;

    if (wanted_bytes > 0) {
        count = (size_bytes - 1) / wanted_bytes + 1;
    } else {
        count = size_bytes / block_min_bytes;
        if (count > spread)
            count = spread;
        if (count == 0)
            count = 1;
    }
    if (count < fewest)
        count = fewest;
    return count > DFS_BLOCKS_PER_FILE_MAX ? DFS_BLOCKS_PER_FILE_MAX + 1 : (uint32_t)count;
}

uint64_t dfs_block_offset(uint64_t size_bytes, uint32_t blocks, uint32_t index)
{
    DFS_ASSERT(blocks > 0 && index <= blocks);
    /* size = q * blocks + r: q * index + r * index / blocks, without overflow since r, index <= 2^20 */
    return size_bytes / blocks * index + size_bytes % blocks * index / blocks;
}
