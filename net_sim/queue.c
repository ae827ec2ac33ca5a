#include "net_sim/queue.h"

#include "core/base/mem.h"

#include <string.h>

#define QUEUE_CAPACITY_FIRST 1024
#define CACHE_LINE 64

/* The children of entry i are 4i+1 ... 4i+4: with entry 1 at the start of a line, so are they all. */
static void place(struct sim_queue *queue, size_t capacity)
{
    const size_t bytes = ((capacity + 4) * sizeof *queue->entries + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct sim_queue_entry *memory = dfs_alloc_aligned(CACHE_LINE, bytes);

    if (queue->count > 0)
        memcpy(memory + 3, queue->entries, queue->count * sizeof *queue->entries);
    dfs_free(queue->memory);
    queue->memory = memory;
    queue->entries = memory + 3;
    queue->capacity = capacity;
}

void sim_queue_init(struct sim_queue *queue)
{
    *queue = (struct sim_queue){0};
    place(queue, QUEUE_CAPACITY_FIRST);
}

void sim_queue_close(struct sim_queue *queue)
{
    dfs_free(queue->memory);
    *queue = (struct sim_queue){0};
}

void sim_queue_grow(struct sim_queue *queue)
{
    place(queue, queue->capacity * 2);
}
