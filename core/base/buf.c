#include "core/base/buf.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/mem.h"

#define CLASS_BYTES_MIN 512u
#define PAGE_BYTES 4096u
#define LINE_BYTES 64u /* of the cache */

/*
 * Buffers of up to this size go back to the allocator at once: it hands out what came back last, whoever asks. A process with many machines, the
 * simulator, would otherwise fill a buffer of each in turn, none of which is cached any more. Larger ones, whose making costs, are kept.
 */
#define SMALL_BYTES 8192u

_Static_assert(CLASS_BYTES_MIN << (DFS_BUF_CLASSES - 1) == DFS_FRAME_BULK_BYTES_MAX, "the last class is a whole frame");
_Static_assert(DFS_BULK_SLACK_BYTES % PAGE_BYTES == 0, "a page aligned class stays a number of pages");

/* The smallest class with room for `bytes`. */
static uint32_t class_for(size_t bytes)
{
    uint32_t class_index = 0;

    DFS_ASSERT(bytes <= DFS_FRAME_BULK_BYTES_MAX);
    while ((size_t)CLASS_BYTES_MIN << class_index < bytes)
        class_index++;
    return class_index;
}

/* What a buffer of a class has room for and counts for. */
static size_t class_capacity(uint32_t class_index)
{
    return ((size_t)CLASS_BYTES_MIN << class_index) + DFS_BULK_SLACK_BYTES;
}

void dfs_buf_pool_init(struct dfs_buf_pool *pool, size_t bytes_max)
{
    *pool = (struct dfs_buf_pool){.bytes_max = bytes_max};
    for (size_t i = 0; i < DFS_BUF_CLASSES; i++)
        dfs_list_init(&pool->free[i]);
    dfs_list_init(&pool->waiters);
}

/* The struct and, behind it, its bytes: one piece of memory, aligned here. An allocator asked for aligned memory takes far longer over it, and a small
 * buffer lives for one message. */
static struct dfs_buf *make_buffer(struct dfs_buf_pool *pool, uint32_t class_index)
{
    const size_t capacity = class_capacity(class_index);
    const size_t alignment = capacity - DFS_BULK_SLACK_BYTES >= PAGE_BYTES ? PAGE_BYTES : LINE_BYTES;
    struct dfs_buf *buf = dfs_alloc(sizeof *buf + alignment - 1 + capacity);
    uint8_t *bytes = (uint8_t *)(buf + 1);

    bytes += -(uintptr_t)bytes & (alignment - 1);
    *buf = (struct dfs_buf){.pool = pool, .bytes = bytes, .capacity = capacity, .class_index = class_index};
    dfs_list_init(&buf->link);
    return buf;
}

/* The buffer of the class that came back last, for its bytes are the likeliest to be cached; NULL: none is kept. */
static struct dfs_buf *take_kept(struct dfs_buf_pool *pool, uint32_t class_index)
{
    struct dfs_list *link = dfs_list_pop(&pool->free[class_index]);
    struct dfs_buf *buf;

    if (link == NULL)
        return NULL;
    buf = dfs_container_of(link, struct dfs_buf, link);
    pool->bytes_kept -= buf->capacity;
    return buf;
}

/* Frees one kept buffer, of the largest class there is: few are freed for much room. */
static void free_kept(struct dfs_buf_pool *pool)
{
    struct dfs_buf *buf = NULL;

    for (uint32_t i = DFS_BUF_CLASSES; buf == NULL && i-- > 0;)
        buf = take_kept(pool, i);
    DFS_ASSERT(buf != NULL);
    dfs_free(buf);
}

void dfs_buf_pool_close(struct dfs_buf_pool *pool)
{
    DFS_ASSERT(pool->bytes_out == 0);
    while (pool->bytes_kept > 0)
        free_kept(pool);
    while (dfs_list_pop(&pool->waiters) != NULL)
        continue;
}

struct dfs_buf *dfs_buf_new(struct dfs_buf_pool *pool, size_t bytes)
{
    const uint32_t class_index = class_for(bytes);
    const size_t capacity = class_capacity(class_index);
    struct dfs_buf *buf = take_kept(pool, class_index);

    if (buf == NULL) {
        if (capacity > pool->bytes_max || pool->bytes_out > pool->bytes_max - capacity)
            return NULL;
        while (pool->bytes_kept > pool->bytes_max - capacity - pool->bytes_out)
            free_kept(pool);
        buf = make_buffer(pool, class_index);
    }
    pool->bytes_out += capacity;
    if (pool->bytes_peak < pool->bytes_out)
        pool->bytes_peak = pool->bytes_out;
    buf->count = 0;
    buf->references = 1;
    return buf;
}

/* Calls those who wait now, once each. Who waits again meanwhile waits for the next return. */
static void call_waiters(struct dfs_buf_pool *pool)
{
    struct dfs_list called;
    struct dfs_list *link;

    if (dfs_list_empty(&pool->waiters))
        return;
    dfs_list_insert(&pool->waiters, &called);
    dfs_list_remove(&pool->waiters); /* `called` is the head of the list now, and the pool's own is empty */
    while ((link = dfs_list_pop(&called)) != NULL) {
        struct dfs_buf_waiter *waiter = dfs_container_of(link, struct dfs_buf_waiter, link);

        waiter->ready(waiter);
    }
}

void dfs_buf_unref(struct dfs_buf *buf)
{
    struct dfs_buf_pool *pool;

    if (buf == NULL)
        return;
    DFS_ASSERT(buf->references > 0);
    if (--buf->references > 0)
        return;
    DFS_ASSERT(!dfs_list_linked(&buf->link)); /* it still hangs in a list of its holder */
    pool = buf->pool;
    pool->bytes_out -= buf->capacity;
    if (buf->capacity <= SMALL_BYTES) {
        dfs_free(buf);
    } else {
        pool->bytes_kept += buf->capacity;
        dfs_list_push_front(&pool->free[buf->class_index], &buf->link);
    }
    call_waiters(pool);
}

void dfs_buf_pool_wait(struct dfs_buf_pool *pool, struct dfs_buf_waiter *waiter)
{
    if (!dfs_list_linked(&waiter->link))
        dfs_list_push(&pool->waiters, &waiter->link);
}

void dfs_buf_pool_unwait(struct dfs_buf_waiter *waiter)
{
    dfs_list_remove(&waiter->link);
}
