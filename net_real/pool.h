/*
 * pool.h - threads that do what may block, and strands that keep their work in order.
 *
 * A job is submitted by the loop's thread, run by a pool thread, and reported back on the loop's thread. Jobs on one strand run
 * in the order of submission; shared jobs (reads) that follow each other may run at the same time. A job may stand on two strands
 * (a rename) and then waits for both.
 *
 * Slow jobs (syncs, listings) never take the last thread, so that reads do not wait for a disk that flushes.
 *
 * Not libuv's pool: its size is an environment variable of the whole process, it knows no order, and a program that uses libdfs may
 * have filled it.
 */
#ifndef DFS_NET_REAL_POOL_H
#define DFS_NET_REAL_POOL_H

#include "core/base/list.h"

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

struct dfs_pool_job;

/* Lives in what is being ordered: a file name, a source. */
struct dfs_pool_strand {
    struct dfs_list waiting; /* of dfs_pool_place */
    unsigned shared_running;
    bool exclusive_running;
};

struct dfs_pool_place {
    struct dfs_list link;
    struct dfs_pool_job *job;
    struct dfs_pool_strand *strand;
};

struct dfs_pool_job {
    struct dfs_list link; /* the pool's */
    struct dfs_pool_place places[2];
    bool shared; /* set by the submitter, like the rest below; a shared job has at most one strand */
    bool slow;
    void (*run)(struct dfs_pool_job *job);  /* pool thread */
    void (*done)(struct dfs_pool_job *job); /* loop's thread; may free the job */
};

struct dfs_pool {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    pthread_t *threads;
    unsigned thread_count;
    unsigned slow_running;
    bool slow_next;
    struct dfs_list runnable;
    struct dfs_list runnable_slow;
    struct dfs_list finished;
    bool ending;
    unsigned pending; /* loop's thread: submitted and not yet reported */
    uv_async_t wake;
    void (*after)(void *ctx); /* after a batch of done() */
    void *ctx;
};

void dfs_pool_strand_init(struct dfs_pool_strand *strand);

/* Starts `threads` threads that block all signals. `after(ctx)` is called on the loop's thread behind each batch of reports. 0, or the
 * errno of a thread that could not be started. */
int dfs_pool_init(struct dfs_pool *pool, uv_loop_t *loop, unsigned threads, void (*after)(void *ctx), void *ctx);

/* Either strand may be NULL. A strand must live until done(). */
void dfs_pool_submit(struct dfs_pool *pool, struct dfs_pool_job *job, struct dfs_pool_strand *strand,
                     struct dfs_pool_strand *second);

/* Waits until all jobs have run, reporting each with done(). Those may submit more. */
void dfs_pool_drain(struct dfs_pool *pool);

/* Drains, ends the threads and closes the handle: the loop must run once more for that. */
void dfs_pool_close(struct dfs_pool *pool);

#endif
