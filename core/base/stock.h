/*
 * stock.h - memory for objects of one size that come and go by the thousand: what is given back is taken next, still in a cache.
 *
 * Objects above a kilobyte are what this is for: below, the C library's own caches do as well. At most DFS_STOCK_KEPT_MAX objects are kept, so a burst
 * gives its memory back. Belongs to one machine.
 */
#ifndef DFS_CORE_BASE_STOCK_H
#define DFS_CORE_BASE_STOCK_H

#include <stddef.h>
#include <stdint.h>

/* More than a busy machine has of one kind between two steps, and a quarter of a megabyte at most. */
#define DFS_STOCK_KEPT_MAX 64

struct dfs_stock {
    void *kept; /* each begins with a pointer to the next */
    size_t bytes;
    uint32_t kept_count;
};

void dfs_stock_init(struct dfs_stock *stock, size_t bytes); /* of one object, at least a pointer's */
void dfs_stock_close(struct dfs_stock *stock);              /* frees what is kept; harmless on a zeroed one */

/* An object of undefined bytes; zeroed by dfs_stock_take_zero. Never NULL. Whoever has one may also dfs_free it. */
void *dfs_stock_take(struct dfs_stock *stock) __attribute__((malloc, returns_nonnull));
void *dfs_stock_take_zero(struct dfs_stock *stock) __attribute__((malloc, returns_nonnull));

void dfs_stock_give(struct dfs_stock *stock, void *object);

#endif
