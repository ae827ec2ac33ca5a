/*
 * slab.h - memory for objects of one size that live long and come by the million: cut from pages, so that an object costs no header, no search
 * and no more cache lines than it fills.
 *
 * What is given back is taken next. Pages are kept until the slab is closed: it holds what its owner had at its peak. Belongs to one machine.
 */
#ifndef DFS_CORE_BASE_SLAB_H
#define DFS_CORE_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

/* Objects are aligned to a cache line if their size is a multiple of one. */
#define DFS_SLAB_LINE_BYTES 64

/* Small, so that a machine with ten objects is small as well; large enough that the allocator is asked once for dozens. */
#define DFS_SLAB_PAGE_BYTES 4096

struct dfs_slab {
    void *given;    /* back: each begins with a pointer to the next */
    void *pages;    /* each begins with a pointer to the next */
    uint8_t *fresh; /* the rest of the newest page */
    size_t fresh_bytes;
    size_t bytes; /* of one object */
};

/* From a pointer's size to a quarter of a page, a multiple of a pointer's size. */
void dfs_slab_init(struct dfs_slab *slab, size_t bytes);

/* Everything that was taken is void, given back or not. Harmless on a zeroed one. */
void dfs_slab_close(struct dfs_slab *slab);

void *dfs_slab_take(struct dfs_slab *slab) __attribute__((malloc, returns_nonnull)); /* undefined bytes */
void dfs_slab_give(struct dfs_slab *slab, void *object);

#endif
