/*
 * buf.h - reference-counted bulk buffers out of a bounded pool.
 *
 * Block bytes live in these from the socket to the disk and to the next socket: received in place, written and forwarded from there. A
 * buffer is filled by one owner and read-only afterwards. One pool a machine; its limit is what bounds the machine's memory and, through
 * the framer that finds no buffer, what makes the transport stop reading.
 *
 * Single-threaded: references are taken and dropped on the thread that steps the machine. Other threads (disk) touch bytes only, while
 * the loop holds a reference for them.
 */
#ifndef DFS_CORE_BASE_BUF_H
#define DFS_CORE_BASE_BUF_H

#include "core/base/assert.h"
#include "core/base/list.h"

#include <stddef.h>
#include <stdint.h>

#define DFS_BUF_CLASSES 12 /* 512 B ... 1 MiB, each with DFS_BULK_SLACK_BYTES on top */

struct dfs_buf_pool;

struct dfs_buf {
    struct dfs_list link; /* in the pool's free list; the holder's to use while the buffer is out */
    struct dfs_buf_pool *pool;
    uint8_t *bytes;  /* page aligned for classes of 4 KiB and more */
    size_t capacity; /* at least what was asked for, plus slack */
    size_t count;    /* the holder's: bytes that mean something */
    uint32_t references;
    uint32_t class_index;
};

/* A machine that found the pool empty waits here; see dfs_buf_pool_wait. */
struct dfs_buf_waiter {
    struct dfs_list link;
    void (*ready)(struct dfs_buf_waiter *waiter);
};

static inline void dfs_buf_waiter_init(struct dfs_buf_waiter *waiter, void (*ready)(struct dfs_buf_waiter *waiter))
{
    dfs_list_init(&waiter->link);
    waiter->ready = ready;
}

struct dfs_buf_pool {
    struct dfs_list waiters;
    size_t bytes_max;  /* what may be out and kept together */
    size_t bytes_out;  /* referenced */
    size_t bytes_kept; /* in the free lists */
    size_t bytes_peak; /* largest bytes_out so far */
    struct dfs_list free[DFS_BUF_CLASSES];
};

void dfs_buf_pool_init(struct dfs_buf_pool *pool, size_t bytes_max);

/* Frees the kept buffers and forgets who waits. Asserts that no buffer is out. */
void dfs_buf_pool_close(struct dfs_buf_pool *pool);

/* A buffer with room for `bytes` plus DFS_BULK_SLACK_BYTES, one reference, count 0; NULL when the pool's limit is reached. `bytes` at most
 * DFS_FRAME_BULK_BYTES_MAX. Contents are undefined (never zeroed: bulk is written before it is read). */
struct dfs_buf *dfs_buf_new(struct dfs_buf_pool *pool, size_t bytes);

static inline struct dfs_buf *dfs_buf_ref(struct dfs_buf *buf)
{
    DFS_ASSERT(buf->references > 0);
    buf->references++;
    return buf;
}

/* NULL is fine. The last reference puts the buffer back, or frees it if it is small (it hangs in no list of the holder any more), and calls all waiters, in
 * order of waiting: they must only note the fact (for example: remember that net.resume is due), not take the buffer. There may
 * not be room for each: who then finds none waits again. */
void dfs_buf_unref(struct dfs_buf *buf);

/* Waits for room; called once, then the waiter has left the list. Waiting twice is harmless. So is unwait without wait. */
void dfs_buf_pool_wait(struct dfs_buf_pool *pool, struct dfs_buf_waiter *waiter);
void dfs_buf_pool_unwait(struct dfs_buf_waiter *waiter);

#endif
