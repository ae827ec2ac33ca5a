#include "net_sim/pool.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_PLAIN 1
#endif
#endif
#ifndef POOL_PLAIN
#define POOL_PLAIN 0
#endif

struct sim_pool_free {
    struct sim_pool_free *next;
};

struct sim_pool_slab {
    struct sim_pool_slab *next;
    uint8_t pad[SIM_POOL_STEP - sizeof(void *)];
};

void sim_pool_init(struct sim_pool *pool)
{
    *pool = (struct sim_pool){.slab_bytes = SIM_POOL_SLAB_BYTES_FIRST};
}

void sim_pool_close(struct sim_pool *pool)
{
    for (unsigned i = SIM_POOL_SMALL; i < SIM_POOL_CLASSES; i++) {
        while (pool->free[i] != NULL) {
            struct sim_pool_free *piece = pool->free[i];

            pool->free[i] = piece->next;
            dfs_free(piece);
        }
    }
    while (pool->slabs != NULL) {
        struct sim_pool_slab *slab = pool->slabs;

        pool->slabs = slab->next;
        dfs_free(slab);
    }
    *pool = (struct sim_pool){0};
}

static size_t class_bytes(unsigned class_index)
{
    return class_index < SIM_POOL_SMALL ? (class_index + 1u) * SIM_POOL_STEP
                                        : (size_t)2048 << (class_index - SIM_POOL_SMALL);
}

static unsigned class_of(size_t bytes)
{
    unsigned class_index = SIM_POOL_SMALL;

    if (bytes <= (size_t)SIM_POOL_SMALL * SIM_POOL_STEP)
        return bytes == 0 ? 0 : (unsigned)((bytes - 1) / SIM_POOL_STEP);
    while (class_bytes(class_index) < bytes)
        class_index++;
    DFS_ASSERT(class_index < SIM_POOL_CLASSES);
    return class_index;
}

static void *from_slab(struct sim_pool *pool, size_t bytes)
{
    uint8_t *piece;

    if (pool->slab_left < bytes) {
        const bool is_huge = pool->slab_bytes == SIM_POOL_SLAB_BYTES_MAX;
        struct sim_pool_slab *slab = dfs_alloc_aligned(is_huge ? pool->slab_bytes : SIM_POOL_STEP, pool->slab_bytes);

        if (is_huge)
            (void)madvise(slab, pool->slab_bytes, MADV_HUGEPAGE); /* only speed depends on it */
        slab->next = pool->slabs;
        pool->slabs = slab;
        pool->slab_at = (uint8_t *)slab + sizeof *slab;
        pool->slab_left = pool->slab_bytes - sizeof *slab;
        if (!is_huge)
            pool->slab_bytes *= 2;
    }
    piece = pool->slab_at;
    pool->slab_at += bytes;
    pool->slab_left -= bytes;
    return piece;
}

/* Links (class 0) are never given back one by one, so they come out of slabs under any tool. */
void *sim_pool_take(struct sim_pool *pool, size_t bytes, uint8_t *ret_class)
{
    const unsigned class_index = class_of(bytes);
    struct sim_pool_free *piece = pool->free[class_index];

    *ret_class = (uint8_t)class_index;
    if (piece != NULL) {
        pool->free[class_index] = piece->next;
        return piece;
    }
    if (class_index < SIM_POOL_SMALL && (!POOL_PLAIN || class_index == 0))
        return from_slab(pool, class_bytes(class_index));
    return dfs_alloc(POOL_PLAIN ? bytes : class_bytes(class_index));
}

void sim_pool_give(struct sim_pool *pool, void *piece, uint8_t class_index)
{
    struct sim_pool_free *entry = piece;

    if (POOL_PLAIN && class_index > 0) {
        dfs_free(piece);
        return;
    }
    entry->next = pool->free[class_index];
    pool->free[class_index] = entry;
}
