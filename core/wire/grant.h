/*
 * grant.h - what makes grants, receipts and orders believable: keys derived per node, and the tags under them.
 *
 * Metadata holds the cluster's root secret. A node's key for a purpose is HKDF(root, purpose, node id, incarnation, key id): the node gets it in JOINED
 * and KEYS_UPDATE, so one bad node forges nothing for others and an older incarnation's key is worth nothing. A data node needs no look-up to admit a
 * request, and metadata never believes a client about what was stored. Expiry is by key id: the newest two are accepted, by no clock.
 *
 * Tags cover the fields of the part with its tags left out, behind one byte that names the purpose, so that no tag of one kind is one of another. What a
 * key itself says (its node, incarnation and key id) is not repeated in a receipt: under another node's, life's or id's key it has another tag.
 *
 * A grant has a tag for each of its replicas, all over the same bytes, which stand in the order in which grants share them, with zeros to the end of a
 * section of 64 bytes behind the list and behind the bearer:
 *     purpose 1, replicas' count 2, key id 4, for each replica: node 16, incarnation 8, address 16, port 2
 *     bearer 32, epoch 8
 *     file 16, index 4, generation 4, length 4, operation 1
 * The count says where the list ends and the rest is of one length, so no two grants are the same bytes. The tag is HMAC-SHA-256 of all of them; who keeps
 * a cache (grant_cache.h) has hashed the first two lines before.
 */
#ifndef DFS_CORE_WIRE_GRANT_H
#define DFS_CORE_WIRE_GRANT_H

#include "core/base/mac.h"
#include "core/wire/grant_cache.h"
#include "core/wire/message.h"

/* The node's grant key of `key_id` (what GRANT_KEY carries); grants, receipts and orders are all under it. */
void dfs_node_key_derive(const struct dfs_key *root, const struct dfs_id *node, uint64_t incarnation, uint32_t key_id,
                         struct dfs_key *ret_key);

/* The key of heartbeats of one incarnation. */
void dfs_heartbeat_key_derive(const struct dfs_key *root, const struct dfs_id *node, uint64_t incarnation,
                              struct dfs_key *ret_key);

/* The tag of grant.replicas[hop]: over the whole grant without the replicas' tags. */
void dfs_grant_sign(struct dfs_w_grant *grant, uint32_t hop, struct dfs_mac *key);
/* All of them, by keys[hop]: that node's key of grant.key_id (NULL: that one stays without a tag). cache: of a signer, or NULL. */
void dfs_grant_sign_all(struct dfs_grant_cache *cache, struct dfs_w_grant *grant, struct dfs_mac *const *keys);
/* By `key`: the checker's own of grant.key_id. cache: of this checker, or NULL. */
bool dfs_grant_check(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant, uint32_t hop, struct dfs_mac *key);

void dfs_receipt_sign(struct dfs_w_receipt *receipt, struct dfs_mac *key);
bool dfs_receipt_check(const struct dfs_w_receipt *receipt, struct dfs_mac *key);

/* An order carries a tag for its source and one for its target. */
void dfs_order_sign_source(struct dfs_w_order *order, struct dfs_mac *key);
void dfs_order_sign_target(struct dfs_w_order *order, struct dfs_mac *key);
bool dfs_order_check_source(const struct dfs_w_order *order, struct dfs_mac *key);
bool dfs_order_check_target(const struct dfs_w_order *order, struct dfs_mac *key);

/* One block's share of a node's digest; a digest is the exclusive-or over its blocks. */
uint64_t dfs_block_digest(const struct dfs_w_block *block, uint32_t length_bytes);

/* How a file of `size` is cut (design, section 4): n = max(1, min(spread, size / block_min)) blocks, never fewer than ceil(size / block_max); 0 for an
 * empty file. With wanted_bytes > 0 (--block-size): ceil(size / wanted_bytes), within the same bounds of a block. */
uint32_t dfs_blocks_count(uint64_t size_bytes, uint32_t block_min_bytes, uint32_t block_max_bytes, uint32_t spread,
                          uint32_t wanted_bytes);
/* Offset of block i of n, for a file of known size: size * i / n without overflow. */
uint64_t dfs_block_offset(uint64_t size_bytes, uint32_t blocks, uint32_t index);

#endif
