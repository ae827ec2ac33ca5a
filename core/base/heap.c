#include "core/base/heap.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#define HEAP_ARITY 4 /* four entries are 96 bytes: the children of one parent lie in two cache lines */
#define HEAP_CAPACITY_MIN 16

void dfs_heap_init(struct dfs_heap *heap)
{
    *heap = (struct dfs_heap){.next = DFS_NEVER};
}

void dfs_heap_close(struct dfs_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        dfs_heap_item_init(heap->entries[i].item);
    dfs_free(heap->entries);
    dfs_heap_init(heap);
}

static bool is_before(const struct dfs_heap_entry *a, const struct dfs_heap_entry *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct dfs_heap *heap, size_t position, const struct dfs_heap_entry *entry)
{
    heap->entries[position] = *entry;
    entry->item->position = (uint32_t)position;
}

/* `hole` is a free place; entry goes there or nearer to the top. */
static void sift_up(struct dfs_heap *heap, size_t hole, struct dfs_heap_entry entry)
{
    while (hole > 0) {
        const size_t parent = (hole - 1) / HEAP_ARITY;

        if (!is_before(&entry, &heap->entries[parent]))
            break;
        put(heap, hole, &heap->entries[parent]);
        hole = parent;
    }
    put(heap, hole, &entry);
}

/* `hole` is a free place; entry goes there or farther from the top. */
static void sift_down(struct dfs_heap *heap, size_t hole, struct dfs_heap_entry entry)
{
    for (;;) {
        const size_t first = hole * HEAP_ARITY + 1;
        const size_t end = first + HEAP_ARITY < heap->count ? first + HEAP_ARITY : heap->count;
        size_t least = first;

        if (first >= heap->count)
            break;
        for (size_t child = first + 1; child < end; child++) {
            if (is_before(&heap->entries[child], &heap->entries[least]))
                least = child;
        }
        if (!is_before(&heap->entries[least], &entry))
            break;
        put(heap, hole, &heap->entries[least]);
        hole = least;
    }
    put(heap, hole, &entry);
}

static void sift(struct dfs_heap *heap, size_t hole, struct dfs_heap_entry entry)
{
    if (hole > 0 && is_before(&entry, &heap->entries[(hole - 1) / HEAP_ARITY]))
        sift_up(heap, hole, entry);
    else
        sift_down(heap, hole, entry);
}

static void grow(struct dfs_heap *heap)
{
    const size_t capacity = heap->capacity == 0 ? HEAP_CAPACITY_MIN : heap->capacity * 2;

    heap->entries = dfs_realloc_array(heap->entries, capacity, sizeof heap->entries[0]);
    heap->capacity = capacity;
}

/* The place of an item that is in; asserts that it is in this heap. */
static size_t place_of(const struct dfs_heap *heap, const struct dfs_heap_item *item)
{
    DFS_ASSERT(item->position < heap->count && heap->entries[item->position].item == item);
    return item->position;
}

void dfs_heap_set(struct dfs_heap *heap, struct dfs_heap_item *item, dfs_time_ns at)
{
    const struct dfs_heap_entry entry = {.at = at, .order = heap->order_next++, .item = item};

    if (dfs_heap_has(item)) {
        sift(heap, place_of(heap, item), entry);
    } else {
        DFS_ASSERT(heap->count < DFS_HEAP_NONE);
        if (heap->count == heap->capacity)
            grow(heap);
        sift_up(heap, heap->count++, entry);
    }
    heap->next = heap->entries[0].at;
}

void dfs_heap_remove(struct dfs_heap *heap, struct dfs_heap_item *item)
{
    size_t hole;

    if (!dfs_heap_has(item))
        return;
    hole = place_of(heap, item);
    heap->count--;
    if (hole < heap->count)
        sift(heap, hole, heap->entries[heap->count]);
    heap->next = heap->count == 0 ? DFS_NEVER : heap->entries[0].at;
    dfs_heap_item_init(item);
}

struct dfs_heap_item *dfs_heap_take(struct dfs_heap *heap)
{
    struct dfs_heap_item *item;

    if (heap->count == 0)
        return NULL;
    item = heap->entries[0].item;
    dfs_heap_remove(heap, item);
    return item;
}

dfs_time_ns dfs_heap_time(const struct dfs_heap *heap, const struct dfs_heap_item *item)
{
    return heap->entries[place_of(heap, item)].at;
}
