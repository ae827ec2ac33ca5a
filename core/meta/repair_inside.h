/*
 * repair_inside.h - what repair.c (blocks, copies under way, whose turn it is), repair_queues.c and repair_choice.c share.
 */
#ifndef DFS_CORE_META_REPAIR_INSIDE_H
#define DFS_CORE_META_REPAIR_INSIDE_H

#include "core/meta/repair.h"

/* block->mark: copies under way in the low bits, the level that was counted above them. */
#define META_MARK_RUNNING 0x0fu
#define META_MARK_LEVEL_SHIFT 4

enum { META_SOURCE = 0, META_TARGET = 1 };

/* What was learned from the failed copies of one block. */
struct meta_trouble {
    struct dfs_list all;
    uint32_t attempts;
    meta_block_no block; /* the key */
    uint16_t avoid[META_PARK_SIDES];
};

/* What there is ------------------------------------------------------------------------------------------- */

static inline struct meta_repair_node *meta_repair_node(const struct meta_repair *repair, uint16_t index)
{
    return index < repair->nodes_room ? repair->nodes[index] : NULL;
}

static inline struct meta_block *meta_repair_block(const struct meta_repair *repair, meta_block_no number)
{
    return meta_blockmap_block(repair->map, number);
}

/* Of a block that is in a queue. */
static inline struct meta_queued *meta_repair_queued(const struct meta_repair *repair, meta_block_no number)
{
    return meta_pool_at(&repair->queued, meta_repair_block(repair, number)->queued);
}

static inline uint8_t meta_repair_rights_on(const struct meta_repair *repair, const struct meta_copy *copy)
{
    return meta_repair_rights_of(repair, copy->node);
}

/* Can it take one more copy on this side? A node that has lost the right says yes, so that nobody waits for it. */
bool meta_repair_side_is_free(const struct meta_repair *repair, const struct meta_repair_node *node, int side,
                              dfs_time_ns now);

/* repair_queues.c ----------------------------------------------------------------------------------------- */

/* The due time of a parked block says where. */
static inline uint32_t meta_queue_parked_level(dfs_time_ns due)
{
    return (uint32_t)(due >> 17);
}

static inline bool meta_queue_is_ready(uint8_t queue)
{
    return queue >= META_QUEUE_READY_1 && queue <= META_QUEUE_READY_8;
}

/* The queue of blocks that may be copied and have so many live copies: not 0. */
enum meta_queue_name meta_queue_ready(uint32_t live);
/* Which of a node's lists a block with so many live copies is parked in. */
uint32_t meta_queue_level(uint32_t live);

void meta_queue_leave(struct meta_repair *repair, meta_block_no number);
/* A block that is in no queue. */
void meta_queue_append(struct meta_repair *repair, meta_block_no number, enum meta_queue_name name, dfs_time_ns due);
/* To the end of a queue; nothing when it is in that one already. */
void meta_queue_move(struct meta_repair *repair, meta_block_no number, enum meta_queue_name to, dfs_time_ns due);

/* The queues whose blocks wait for a time: in each the first is due first. */
bool meta_queue_is_timed(uint32_t queue);
/* When the first of a queue is due; DFS_NEVER: it is empty. */
dfs_time_ns meta_queue_due(const struct meta_repair *repair, uint32_t queue);

/* For tests: links and counts of a queue agree with its blocks. */
bool meta_queue_is_sound(const struct meta_repair *repair, const struct meta_queue *queue, uint32_t name);

/* repair_choice.c ----------------------------------------------------------------------------------------- */

/* The target, or META_NODE_NONE and *ret_park: the node to wait for (META_NODE_NONE: there is no place at all). `trouble` may be NULL. */
uint16_t meta_repair_choose_target(const struct meta_repair *repair, meta_block_no number,
                                   const struct meta_trouble *trouble, dfs_time_ns now, uint16_t *ret_park);
/* The source with least to do; the one that failed only if there is no other. META_NODE_NONE and *ret_park as above. */
uint16_t meta_repair_choose_source(const struct meta_repair *repair, meta_block_no number,
                                   const struct meta_trouble *trouble, dfs_time_ns now, uint16_t *ret_park);
/* A bad copy (its removal not yet ordered) on a node with these rights; 0: none. */
meta_copy_no meta_repair_bad_copy(const struct meta_repair *repair, meta_block_no number, uint8_t rights);

#endif
