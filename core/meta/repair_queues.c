/*
 * repair_queues.c - where blocks wait for their turn: lists through their records, O(1) to enter, to leave and to change.
 */
#include "core/meta/repair_inside.h"

#include "core/base/assert.h"

const char *meta_queue_words(enum meta_queue_name queue)
{
    static const char *const words_of[META_QUEUE_COUNT] = {
#define X(name, words) [META_QUEUE_##name] = (words),
        META_QUEUE_MAP(X)
#undef X
    };

    return words_of[queue];
}

/* Lists --------------------------------------------------------------------------------------------------- */

/* The due time of a parked block says where. */
static struct meta_queue *parked_at(const struct meta_repair *repair, dfs_time_ns due)
{
    return &repair->nodes[due & 0xffff]->parked[due >> 16 & 1][due >> 17];
}

static struct meta_queue *queue_of(struct meta_repair *repair, meta_block_no number)
{
    const uint8_t queue = meta_repair_block(repair, number)->queue;

    return queue == META_QUEUE_PARKED ? parked_at(repair, meta_repair_queued(repair, number)->due)
                                      : &repair->queues[queue];
}

void meta_queue_leave(struct meta_repair *repair, meta_block_no number)
{
    struct meta_block *block = meta_repair_block(repair, number);
    const struct meta_queued *queued;
    struct meta_queue *queue;

    if (block->queue == META_QUEUE_NONE)
        return;
    repair->stirred = true;
    queued = meta_repair_queued(repair, number);
    queue = queue_of(repair, number);
    if (block->queue == META_QUEUE_UNPLACED && repair->unplaced_left > 0 && queue->count == repair->unplaced_left)
        repair->unplaced_left--;
    if (queued->prev == 0)
        queue->first = queued->next;
    else
        meta_repair_queued(repair, queued->prev)->next = queued->next;
    if (queued->next == 0)
        queue->last = queued->prev;
    else
        meta_repair_queued(repair, queued->next)->prev = queued->prev;
    queue->count--;
    meta_pool_give(&repair->queued, block->queued);
    block->queued = 0;
    block->queue = META_QUEUE_NONE;
}

/* A block that is in no queue: its record. */
static struct meta_queued *queue_enter(struct meta_repair *repair, meta_block_no number, enum meta_queue_name name,
                                       dfs_time_ns due)
{
    struct meta_block *block = meta_repair_block(repair, number);

    DFS_ASSERT(block->queued == 0);
    repair->stirred = true;
    block->queued = meta_pool_take(&repair->queued);
    block->queue = (uint8_t)name;
    meta_repair_queued(repair, number)->due = due;
    return meta_repair_queued(repair, number);
}

void meta_queue_append(struct meta_repair *repair, meta_block_no number, enum meta_queue_name name, dfs_time_ns due)
{
    struct meta_queued *queued = queue_enter(repair, number, name, due);
    struct meta_queue *queue = queue_of(repair, number);

    queued->prev = queue->last;
    if (queue->last == 0)
        queue->first = number;
    else
        meta_repair_queued(repair, queue->last)->next = number;
    queue->last = number;
    queue->count++;
}

void meta_queue_move(struct meta_repair *repair, meta_block_no number, enum meta_queue_name to, dfs_time_ns due)
{
    if (meta_repair_block(repair, number)->queue == to)
        return;
    meta_queue_leave(repair, number);
    if (to != META_QUEUE_NONE)
        meta_queue_append(repair, number, to, due);
}

enum meta_queue_name meta_queue_ready(uint32_t live)
{
    DFS_ASSERT(live > 0);
    return (enum meta_queue_name)(META_QUEUE_READY_1 + (live < 8 ? live : 8) - 1);
}

uint32_t meta_queue_level(uint32_t live)
{
    return (live < META_PARK_LEVELS ? live : META_PARK_LEVELS) - 1;
}

void meta_repair_trim_back(struct meta_repair *repair, meta_block_no number)
{
    struct meta_queue *queue = &repair->queues[META_QUEUE_EXCESS];

    DFS_ASSERT(meta_repair_block(repair, number)->queue == META_QUEUE_TRIMMING);
    meta_queue_leave(repair, number);
    queue_enter(repair, number, META_QUEUE_EXCESS, 0)->next = queue->first;
    if (queue->first == 0)
        queue->last = number;
    else
        meta_repair_queued(repair, queue->first)->prev = number;
    queue->first = number;
    queue->count++;
}

/* Time ---------------------------------------------------------------------------------------------------- */

bool meta_queue_is_timed(uint32_t queue)
{
    return queue == META_QUEUE_GRACE || (queue >= META_QUEUE_BACKOFF_0 && queue <= META_QUEUE_BACKOFF_5);
}

dfs_time_ns meta_queue_due(const struct meta_repair *repair, uint32_t queue)
{
    const meta_block_no first = repair->queues[queue].first;

    if (first == 0)
        return DFS_NEVER;
    return queue == META_QUEUE_AWAY ? repair->away_until : meta_repair_queued(repair, first)->due;
}

/* For people and tests ------------------------------------------------------------------------------------ */

uint64_t meta_repair_position(const struct meta_repair *repair, meta_block_no number, uint64_t at_most)
{
    const struct meta_block *block = meta_repair_block(repair, number);
    uint64_t position = 1;

    if (block->queue == META_QUEUE_NONE)
        return 0;
    if (meta_queue_is_ready(block->queue)) {
        for (uint32_t queue = META_QUEUE_READY_1; queue < block->queue; queue++)
            position += repair->queues[queue].count;
    }
    for (meta_block_no at = meta_repair_queued(repair, number)->prev; at != 0 && at_most > 0; at_most--) {
        position++;
        at = meta_repair_queued(repair, at)->prev;
    }
    return position;
}

bool meta_queue_is_sound(const struct meta_repair *repair, const struct meta_queue *queue, uint32_t name)
{
    meta_block_no previous = 0;
    uint32_t count = 0;

    for (meta_block_no at = queue->first; at != 0; at = meta_repair_queued(repair, at)->next) {
        const struct meta_block *block = meta_repair_block(repair, at);

        if (block->file == NULL || block->queue != name || meta_repair_queued(repair, at)->prev != previous ||
            count++ > queue->count)
            return false;
        if (name == META_QUEUE_PARKED && parked_at(repair, meta_repair_queued(repair, at)->due) != queue)
            return false;
        previous = at;
    }
    return count == queue->count && queue->last == previous;
}
