#include "core/meta/pool.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <string.h>

#define CHUNKS_ROOM_FIRST 4

void meta_pool_init(struct meta_pool *pool, size_t entry_bytes)
{
    DFS_ASSERT(entry_bytes >= sizeof(uint32_t));
    *pool = (struct meta_pool){.entry_bytes = entry_bytes};
}

void meta_pool_close(struct meta_pool *pool)
{
    for (uint32_t i = 0; i < pool->chunks_count; i++)
        dfs_free(pool->chunks[i]);
    dfs_free(pool->chunks);
    *pool = (struct meta_pool){.entry_bytes = pool->entry_bytes};
}

static uint8_t *link_of(const struct meta_pool *pool, uint32_t number)
{
    return (uint8_t *)meta_pool_at(pool, number) + pool->entry_bytes - sizeof(uint32_t);
}

static void grow(struct meta_pool *pool)
{
    if (pool->chunks_count == pool->chunks_room) {
        const uint32_t room = pool->chunks_room == 0 ? CHUNKS_ROOM_FIRST : pool->chunks_room * 2;

        DFS_ASSERT(room <= UINT32_MAX / META_POOL_CHUNK); /* numbers have 32 bits */
        pool->chunks = dfs_realloc_array(pool->chunks, room, sizeof *pool->chunks);
        pool->chunks_room = room;
    }
    pool->chunks[pool->chunks_count++] = dfs_alloc_zero_array(META_POOL_CHUNK, pool->entry_bytes);
}

uint32_t meta_pool_take(struct meta_pool *pool)
{
    const uint32_t number = pool->free;

    pool->count++;
    if (number != 0) {
        memcpy(&pool->free, link_of(pool, number), sizeof(uint32_t));
        memset(link_of(pool, number), 0, sizeof(uint32_t));
        return number;
    }
    if (pool->used == pool->chunks_count * META_POOL_CHUNK)
        grow(pool);
    return ++pool->used;
}

void meta_pool_give(struct meta_pool *pool, uint32_t number)
{
    DFS_ASSERT(pool->count > 0);
    memset(meta_pool_at(pool, number), 0, pool->entry_bytes);
    memcpy(link_of(pool, number), &pool->free, sizeof(uint32_t));
    pool->free = number;
    pool->count--;
}

uint64_t meta_pool_bytes(const struct meta_pool *pool)
{
    return (uint64_t)pool->chunks_count * META_POOL_CHUNK * pool->entry_bytes +
           (uint64_t)pool->chunks_room * sizeof *pool->chunks;
}
