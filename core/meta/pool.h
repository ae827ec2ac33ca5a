/*
 * pool.h - entries of one size, named by 32-bit numbers: half of a pointer, and no header of an allocator.
 *
 * Chunks are added as they are needed and stay: an entry's address is stable while it lives, numbers that were given back are
 * given out again (the last one first). An entry comes zeroed and is zeroed when it is given back, but for its last word, which
 * links the free ones.
 */
#ifndef DFS_CORE_META_POOL_H
#define DFS_CORE_META_POOL_H

#include <stddef.h>
#include <stdint.h>

/* Entries of a chunk: what the smallest cluster pays, and beside which the array of chunks is nothing. */
#define META_POOL_CHUNK 128

struct meta_pool {
    uint8_t **chunks;
    size_t entry_bytes;
    uint32_t chunks_count;
    uint32_t chunks_room;
    uint32_t used; /* numbers 1..used were given out at least once */
    uint32_t free; /* first of the free list, 0: empty */
    uint32_t count;
};

void meta_pool_init(struct meta_pool *pool, size_t entry_bytes); /* at least four; allocates nothing */
void meta_pool_close(struct meta_pool *pool);

uint32_t meta_pool_take(struct meta_pool *pool); /* never 0 */
void meta_pool_give(struct meta_pool *pool, uint32_t number);

/* The number is one that was given out. */
static inline void *meta_pool_at(const struct meta_pool *pool, uint32_t number)
{
    return pool->chunks[(number - 1) / META_POOL_CHUNK] + (size_t)((number - 1) % META_POOL_CHUNK) * pool->entry_bytes;
}

uint64_t meta_pool_bytes(const struct meta_pool *pool); /* allocated */

#endif
