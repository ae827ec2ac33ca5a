/*
 * heap.h - intrusive 4-ary min-heap by (time, order): timers of a machine, events of the simulator.
 *
 * Ties are broken by `order`, so that equal times leave in a defined sequence (determinism). Pushes and removals cost O(log n); the key lies
 * beside the pointer, so that sifting touches the items of the path only when they move.
 */
#ifndef DFS_CORE_BASE_HEAP_H
#define DFS_CORE_BASE_HEAP_H

#include "core/base/time.h"

#include <stdbool.h>
#include <stddef.h>

#define DFS_HEAP_NONE UINT32_MAX

struct dfs_heap_item {
    uint32_t position; /* DFS_HEAP_NONE when not in a heap */
};

struct dfs_heap_entry {
    dfs_time_ns at;
    uint64_t order;
    struct dfs_heap_item *item;
};

struct dfs_heap {
    struct dfs_heap_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t order_next;
    dfs_time_ns next; /* entries[0].at, DFS_NEVER when empty: who only asks needs no more */
};

static inline void dfs_heap_item_init(struct dfs_heap_item *item)
{
    item->position = DFS_HEAP_NONE;
}

static inline bool dfs_heap_has(const struct dfs_heap_item *item)
{
    return item->position != DFS_HEAP_NONE;
}

void dfs_heap_init(struct dfs_heap *heap);
void dfs_heap_close(struct dfs_heap *heap); /* forgets the items, frees the array */

/* Inserts or moves: an item that is already in takes the new time and a new order. */
void dfs_heap_set(struct dfs_heap *heap, struct dfs_heap_item *item, dfs_time_ns at);
void dfs_heap_remove(struct dfs_heap *heap, struct dfs_heap_item *item); /* harmless when not in */

/* DFS_NEVER when empty. */
static inline dfs_time_ns dfs_heap_next(const struct dfs_heap *heap)
{
    return heap->next;
}

/* The earliest item, taken out; NULL when empty. */
struct dfs_heap_item *dfs_heap_take(struct dfs_heap *heap);

/* The same if its time is <= now; NULL otherwise. */
static inline struct dfs_heap_item *dfs_heap_pop(struct dfs_heap *heap, dfs_time_ns now)
{
    return heap->next > now ? NULL : dfs_heap_take(heap);
}

/* The time under which an item is in. Asserts that it is. */
dfs_time_ns dfs_heap_time(const struct dfs_heap *heap, const struct dfs_heap_item *item);

#endif
