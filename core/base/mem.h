/*
 * mem.h - memory that is there, or the process ends.
 *
 * Running out of memory is a panic, not a status: what a machine holds is bounded by named limits, so an
 * allocation that fails means that the host is smaller than its configuration says. No caller checks for NULL.
 */
#ifndef DFS_CORE_BASE_MEM_H
#define DFS_CORE_BASE_MEM_H

#include <stddef.h>

/* `bytes` undefined bytes; zeroed by dfs_alloc_zero. Never NULL, not even for 0 bytes. */
void *dfs_alloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *dfs_alloc_zero(size_t bytes) __attribute__((malloc, returns_nonnull));

/* Room for `count` elements of `size` bytes, zeroed. A product that overflows is memory that is not there. */
void *dfs_alloc_zero_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* `alignment` is a power of two, `bytes` a multiple of it. */
void *dfs_alloc_aligned(size_t alignment, size_t bytes) __attribute__((malloc, returns_nonnull));

/* Makes `array` (or NULL) hold `count` elements of `size` bytes; new ones are undefined. The old pointer is void. */
void *dfs_realloc_array(void *array, size_t count, size_t size) __attribute__((warn_unused_result, returns_nonnull));

/* Of any of the above; NULL is fine. */
void dfs_free(void *memory);

#endif
