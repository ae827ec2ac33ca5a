/*
 * put.h - what the messages of an upload share: placing blocks, granting them, and who may go on with an
 * upload.
 */
#ifndef DFS_CORE_META_PUT_H
#define DFS_CORE_META_PUT_H

#include "core/meta/expiry.h"
#include "core/meta/meta_internal.h"

/* Copies of a block that have to be proved at the commit: all of them, or a majority. */
static inline uint32_t meta_copies_needed(uint8_t ack, uint32_t copies_wanted)
{
    return ack == DFS_ACK_ALL ? copies_wanted : copies_wanted / 2 + 1;
}

/* Fills a grant for the nodes that have a life, with a tag for each; replicas from the scratch arena.
 * Returns how many. */
uint32_t meta_grant_make(struct dfs_meta *meta, struct dfs_w_grant *ret_grant, const struct dfs_block_id *block,
                         uint32_t length_max_bytes, enum dfs_grant_operation operation,
                         const uint8_t bearer[DFS_FINGERPRINT_BYTES], const uint16_t *nodes, uint32_t nodes_count);

/*
 * The upload that a request names, its lease renewed; NULL when it was answered instead: UPLOAD_LOST (an
 * older epoch), LEASE_EXPIRED (given up, or never there), DENIED (another bearer, or the scope no longer
 * covers the path).
 */
struct meta_upload *meta_upload_of(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                                   const struct dfs_id *file, uint64_t epoch);

/* The longest that block `index` may be (its exact length when the size is known). */
uint32_t meta_upload_length(const struct meta_upload *upload, uint32_t index);

#define META_EXCLUDED_MAX 64 /* PUT_PLACE's own limit */

/* Nodes that failed the writer of a block. */
struct meta_excluded {
    uint16_t nodes[META_EXCLUDED_MAX]; /* first those that said NO_SPACE */
    uint32_t count;
    uint32_t full; /* that said NO_SPACE */
};

/* Places a block that is not placed. The excluded nodes are taken only when there are too few others, and those that
 * are full not at all. NOT_ENOUGH_NODES; NO_SPACE: enough nodes, too few with room, suspected ones counted too;
 * UNAVAILABLE while nodes are still expected to join. */
enum dfs_status meta_upload_place(struct dfs_meta *meta, struct meta_upload *upload, uint32_t index,
                                  uint32_t generation, const struct meta_excluded *excluded) DFS_MUST_CHECK;

/* Of a first placement. */
extern const struct meta_excluded meta_excluded_none;

/* The grant of a placed block. */
void meta_upload_grant(struct dfs_meta *meta, const struct meta_upload *upload, uint32_t index,
                       struct dfs_w_grant *ret_grant);

/* Blocks a page may carry. */
static inline uint32_t meta_page_of(const struct dfs_meta *meta)
{
    const uint32_t page = meta->config.placement_page;

    return page == 0 || page > DFS_PLACEMENT_PAGE_MAX ? DFS_PLACEMENT_PAGE_MAX : page;
}

#endif
