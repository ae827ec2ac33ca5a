/*
 * read.h - what the messages share that only read.
 */
#ifndef DFS_CORE_META_READ_H
#define DFS_CORE_META_READ_H

#include "core/meta/meta_internal.h"

/* Bytes of a page's list: what a frame holds, less the message's other fields. */
#define META_PAGE_BYTES_MAX (DFS_FRAME_BODY_BYTES_MAX - 2048)

/* The version of a path that a request names (0: the current one); NULL when there is none, which was
 * answered (NOT_FOUND), or the scope does not cover it. */
struct meta_version *meta_version_asked(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                                        struct dfs_text path, uint64_t number);

/* Nodes that can be asked for a block now, the best first: good copies, then doubted ones, then those on
 * their way out. At most DFS_REPLICAS_MAX. */
uint32_t meta_block_readable(const struct dfs_meta *meta, meta_block_no block, uint16_t ret_nodes[DFS_REPLICAS_MAX]);

/* Copies of a block that count: good, on nodes whose copies are not lost. */
uint32_t meta_block_live(const struct dfs_meta *meta, meta_block_no block);

/* Where block `index` begins in the file. */
uint64_t meta_version_offset(const struct meta_version *version, uint32_t index);

#endif
