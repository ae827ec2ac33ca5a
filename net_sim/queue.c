#include "net_sim/queue.h"

#include "core/base/mem.h"

#include <string.h>

#define HEAP_CAPACITY_FIRST 1024
#define CACHE_LINE 64

/* The children of entry i are 4i+1 ... 4i+4: with entry 1 at the start of a line, so are they all. */
static void place(struct sim_queue *queue, size_t capacity)
{
    const size_t bytes = ((capacity + 4) * sizeof *queue->heap + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct sim_queue_entry *memory = dfs_alloc_aligned(CACHE_LINE, bytes);

    if (queue->heap_count > 0)
        memcpy(memory + 3, queue->heap, queue->heap_count * sizeof *queue->heap);
    dfs_free(queue->memory);
    queue->memory = memory;
    queue->heap = memory + 3;
    queue->heap_capacity = capacity;
}

static struct sim_queue_entry *row_begin(struct sim_queue *queue)
{
    return queue->places + SIM_QUEUE_ROW_FRONT;
}

void sim_queue_init(struct sim_queue *queue)
{
    *queue = (struct sim_queue){.first = row_begin(queue), .end = row_begin(queue)};
    place(queue, HEAP_CAPACITY_FIRST);
}

void sim_queue_close(struct sim_queue *queue)
{
    dfs_free(queue->memory);
    *queue = (struct sim_queue){0};
}

static bool is_before(const struct sim_queue_entry *a, const struct sim_queue_entry *b)
{
    return a->at < b->at || (a->at == b->at && a->item->order < b->item->order);
}

static void heap_push(struct sim_queue *queue, struct sim_queue_entry entry)
{
    struct sim_queue_entry *const heap = queue->heap;
    size_t i = queue->heap_count;

    while (i > 0) {
        const size_t parent = (i - 1) / 4;

        if (!is_before(&entry, &heap[parent]))
            break;
        heap[i] = heap[parent];
        i = parent;
    }
    heap[i] = entry;
    if (++queue->heap_count == queue->heap_capacity)
        place(queue, queue->heap_capacity * 2);
}

/* The place of the earliest of the four entries that stand at `first`. Their times are compared without a branch that would be guessed wrong every other
 * time; equal ones are rare. */
static size_t least_of_four(const struct sim_queue_entry four[4], size_t first)
{
    size_t low = four[1].at < four[0].at;
    size_t high = 2 + (size_t)(four[3].at < four[2].at);

    if (four[0].at == four[1].at)
        low = is_before(&four[1], &four[0]);
    if (four[2].at == four[3].at)
        high = 2 + (size_t)is_before(&four[3], &four[2]);
    if (four[low].at == four[high].at)
        return first + (is_before(&four[high], &four[low]) ? high : low);
    return first + (four[high].at < four[low].at ? high : low);
}

static struct sim_queue_entry heap_pop(struct sim_queue *queue)
{
    struct sim_queue_entry *const heap = queue->heap;
    const struct sim_queue_entry top = heap[0];
    const size_t count = --queue->heap_count;
    const struct sim_queue_entry last = heap[count];
    size_t i = 0;

    for (;;) {
        const size_t first = i * 4 + 1;
        size_t least = first;

        if (first + 3 < count) {
            least = least_of_four(&heap[first], first);
        } else if (first < count) {
            for (size_t k = first + 1; k < count; k++)
                if (is_before(&heap[k], &heap[least]))
                    least = k;
        } else {
            break;
        }
        if (!is_before(&heap[least], &last))
            break;
        heap[i] = heap[least];
        i = least;
    }
    heap[i] = last;
    return top;
}

/* Half of it, so that what comes next finds room. */
void sim_queue_row_fill(struct sim_queue *queue)
{
    queue->first = row_begin(queue);
    queue->end = queue->first;
    while (queue->heap_count > 0 && queue->end - queue->first < SIM_QUEUE_ROW_MAX / 2)
        *queue->end++ = heap_pop(queue);
}

/* Back to the first place. */
static void row_move(struct sim_queue *queue)
{
    const size_t count = (size_t)(queue->end - queue->first);

    memmove(row_begin(queue), queue->first, count * sizeof *queue->first);
    queue->first = row_begin(queue);
    queue->end = queue->first + count;
}

/* A new item has the highest order: it goes behind what has its time. Four are moved at once, and which of the last three move is worked out without a branch,
 * which would be guessed wrong every other time. */
static void row_insert(struct sim_queue *queue, struct sim_queue_entry entry)
{
    struct sim_queue_entry *place = queue->end++;

    for (; place[-4].at > entry.at; place -= 4) {
        place[0] = place[-1];
        place[-1] = place[-2];
        place[-2] = place[-3];
        place[-3] = place[-4];
    }
    const size_t last = place[-1].at > entry.at;
    const size_t second = place[-2].at > entry.at;
    const size_t third = place[-3].at > entry.at;

    place[0] = *(place - last);
    place[-1] = *(place - 1 - second);
    place[-2] = *(place - 2 - third);
    *(place - last - second - third) = entry;
}

/* Apart: it is called at many places, and would take the room of each in the cache of instructions. */
__attribute__((noinline)) void sim_queue_push(struct sim_queue *queue, struct sim_item *item, dfs_time_ns at)
{
    const struct sim_queue_entry entry = {.at = at, .item = item};
    const bool is_full = queue->end - queue->first == SIM_QUEUE_ROW_MAX;

    item->order = queue->order_next++;
    queue->count++;
    if ((is_full || queue->heap_count > 0) && at >= queue->end[-1].at) {
        heap_push(queue, entry);
        return;
    }
    if (is_full)
        heap_push(queue, *--queue->end);
    else if (queue->end == row_begin(queue) + SIM_QUEUE_ROW_PLACES)
        row_move(queue);
    row_insert(queue, entry);
}
