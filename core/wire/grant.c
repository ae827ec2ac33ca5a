#include "core/wire/grant.h"

#include "core/base/assert.h"
#include "core/base/hash.h"

/* Nine replicas of 42 bytes each and the fixed part; asserted below. */
#define SIGNED_BYTES_MAX 1024

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

static void put_block(struct dfs_wr *w, const struct dfs_w_block *block)
{
    dfs_wr_bytes(w, block->file.bytes, DFS_ID_BYTES);
    dfs_wr_be(w, block->index, 4);
    dfs_wr_be(w, block->generation, 4);
}

/* The whole grant but the tags. */
static void grant_digest(const struct dfs_w_grant *grant, uint8_t ret_digest[32])
{
    uint8_t bytes[SIGNED_BYTES_MAX];
    struct dfs_wr w = dfs_wr_make(bytes, sizeof bytes);

    DFS_ASSERT(grant->replicas_count <= DFS_REPLICAS_MAX);
    dfs_wr_be(&w, PURPOSE_GRANT, 1);
    put_block(&w, &grant->block);
    dfs_wr_be(&w, grant->length_max_bytes, 4);
    dfs_wr_be(&w, grant->operation, 1);
    dfs_wr_bytes(&w, grant->bearer, sizeof grant->bearer);
    dfs_wr_be(&w, grant->epoch, 8);
    dfs_wr_be(&w, grant->key_id, 4);
    dfs_wr_be(&w, grant->replicas_count, 2);
    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        const struct dfs_w_replica *replica = &grant->replicas[i];

        dfs_wr_bytes(&w, replica->node.bytes, DFS_ID_BYTES);
        dfs_wr_be(&w, replica->incarnation, 8);
        dfs_wr_bytes(&w, replica->addr.ip, sizeof replica->addr.ip);
        dfs_wr_be(&w, replica->addr.port, 2);
    }
    DFS_ASSERT(!w.bad);
    dfs_sha256(bytes, dfs_wr_count(&w), ret_digest);
}

void dfs_grant_sign(struct dfs_w_grant *grant, uint32_t hop, struct dfs_mac *key)
{
    uint8_t digest[32];

    DFS_ASSERT(hop < grant->replicas_count);
    grant_digest(grant, digest);
    dfs_mac_make(key, digest, sizeof digest, grant->replicas[hop].mac);
}

void dfs_grant_sign_all(struct dfs_w_grant *grant, struct dfs_mac *const *keys)
{
    uint8_t digest[32];

    grant_digest(grant, digest);
    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        if (keys[i] != NULL)
            dfs_mac_make(keys[i], digest, sizeof digest, grant->replicas[i].mac);
    }
}

bool dfs_grant_check(const struct dfs_w_grant *grant, uint32_t hop, struct dfs_mac *key)
{
    uint8_t digest[32];

    if (hop >= grant->replicas_count)
        return false;
    grant_digest(grant, digest);
    return dfs_mac_check(key, digest, sizeof digest, grant->replicas[hop].mac);
}

/* All that the key does not say: short enough for one block of SHA-256. */
static size_t receipt_bytes(const struct dfs_w_receipt *receipt, uint8_t bytes[SIGNED_BYTES_MAX])
{
    struct dfs_wr w = dfs_wr_make(bytes, SIGNED_BYTES_MAX);

    dfs_wr_be(&w, PURPOSE_RECEIPT, 1);
    put_block(&w, &receipt->block);
    dfs_wr_be(&w, receipt->length_bytes, 4);
    dfs_wr_be(&w, receipt->crc32c, 4);
    dfs_wr_be(&w, receipt->change, 8);
    dfs_wr_be(&w, receipt->durable, 1);
    DFS_ASSERT(!w.bad);
    return dfs_wr_count(&w);
}

void dfs_receipt_sign(struct dfs_w_receipt *receipt, struct dfs_mac *key)
{
    uint8_t bytes[SIGNED_BYTES_MAX];
    const size_t count = receipt_bytes(receipt, bytes);

    dfs_mac_make(key, bytes, count, receipt->mac);
}

bool dfs_receipt_check(const struct dfs_w_receipt *receipt, struct dfs_mac *key)
{
    uint8_t bytes[SIGNED_BYTES_MAX];
    const size_t count = receipt_bytes(receipt, bytes);

    return dfs_mac_check(key, bytes, count, receipt->mac);
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
    uint8_t bytes[DFS_ID_BYTES + 12];
    struct dfs_wr w = dfs_wr_make(bytes, sizeof bytes);

    put_block(&w, block);
    dfs_wr_be(&w, length_bytes, 4);
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
