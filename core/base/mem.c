#include "core/base/mem.h"

#include "core/base/assert.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* glibc keeps chunks up to this size at hand, but gives calloc none of them: that takes five times as long. Above it, fresh pages are zero already. */
#define ZEROED_BY_HAND_MAX 1032

static size_t at_least_one(size_t bytes)
{
    return bytes > 0 ? bytes : 1;
}

static size_t product(size_t count, size_t size)
{
    DFS_ASSERT(size == 0 || count <= SIZE_MAX / size);
    return count * size;
}

void *dfs_alloc(size_t bytes)
{
    void *memory = malloc(at_least_one(bytes));

    DFS_ASSERT(memory != NULL);
    return memory;
}

void *dfs_alloc_zero(size_t bytes)
{
    void *memory;

    if (bytes <= ZEROED_BY_HAND_MAX)
        return memset(dfs_alloc(bytes), 0, bytes);
    memory = calloc(1, bytes);
    DFS_ASSERT(memory != NULL);
    return memory;
}

void *dfs_alloc_zero_array(size_t count, size_t size)
{
    return dfs_alloc_zero(product(count, size));
}

void *dfs_alloc_aligned(size_t alignment, size_t bytes)
{
    void *memory;

    DFS_ASSERT(alignment > 0 && (alignment & (alignment - 1)) == 0 && bytes % alignment == 0);
    memory = aligned_alloc(alignment, bytes > 0 ? bytes : alignment);
    DFS_ASSERT(memory != NULL);
    return memory;
}

void *dfs_realloc_array(void *array, size_t count, size_t size)
{
    void *memory = realloc(array, at_least_one(product(count, size)));

    DFS_ASSERT(memory != NULL);
    return memory;
}

void dfs_free(void *memory)
{
    if (memory != NULL) /* common, and an allocator may take the long way to find nothing to do */
        free(memory);
}
