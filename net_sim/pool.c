#include "net_sim/pool.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <sys/mman.h>

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
    if (class_index < SIM_POOL_SMALL)
        return (class_index + 1u) * SIM_POOL_STEP;
    const unsigned quarters = class_index - SIM_POOL_SMALL;
    const size_t octave = (size_t)8192 << quarters / 4;

    return octave + octave / 4 * (quarters % 4 + 1);
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
void *sim_pool_take_new(struct sim_pool *pool, size_t bytes, unsigned class_index)
{
    if (class_index < SIM_POOL_SMALL && (!SIM_POOL_PLAIN || class_index == 0))
        return from_slab(pool, class_bytes(class_index));
    return dfs_alloc(SIM_POOL_PLAIN || class_index == SIM_POOL_BEYOND ? bytes : class_bytes(class_index));
}

void sim_pool_give_plain(void *piece)
{
    dfs_free(piece);
}
