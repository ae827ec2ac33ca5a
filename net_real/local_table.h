/*
 * local_table.h - the inside of local_file.h, and the env's verbs on it.
 */
#ifndef DFS_NET_REAL_LOCAL_TABLE_H
#define DFS_NET_REAL_LOCAL_TABLE_H

#include "core/base/map.h"
#include "core/env/env.h"
#include "net_real/local_file.h"
#include "net_real/pool.h"

struct dfs_local {
    struct dfs_pool *pool;
    pthread_mutex_t mutex; /* of all below: registrations come from any thread */
    struct dfs_map files;  /* by number */
    struct dfs_list all;
    uint64_t made;
    int end_fd; /* readable when the host ends: nothing waits for a pipe any longer */

    /* Called on the loop's thread. */
    void (*answer)(void *ctx, bool of_sink, uint64_t token, uint64_t count, enum dfs_status status, bool finished);
    void *ctx;
};

void dfs_local_init(struct dfs_local *local, struct dfs_pool *pool);

/* The host ends: operations that wait for a pipe or terminal, or for an earlier push, are given up. */
void dfs_local_abort(struct dfs_local *local);

/* The pool has been drained. Closes everything; uncommitted sinks leave nothing behind. */
void dfs_local_close(struct dfs_local *local);

void dfs_local_pull(struct dfs_local *local, uint64_t source, uint64_t offset, struct dfs_buf *buf, size_t buf_offset,
                    size_t length, uint64_t token);
void dfs_local_push(struct dfs_local *local, uint64_t sink, uint64_t offset, struct dfs_buf *buf, size_t buf_offset,
                    size_t length, uint64_t token);
void dfs_local_finish(struct dfs_local *local, uint64_t sink, bool commit, uint64_t token);

#endif
