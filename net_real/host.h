/*
 * host.h - the inside of a real host, for the files of net_real only.
 *
 * Every callback of the loop ends with dfs_real_settle: what the machine asked for in the steps of that callback is then sent, and
 * what follows from it delivered, before the next callback. So several frames of one step, or of several steps of one callback, leave
 * together.
 */
#ifndef DFS_NET_REAL_HOST_H
#define DFS_NET_REAL_HOST_H

#include "net_real/disk_posix.h"
#include "net_real/local_table.h"
#include "net_real/net_conn.h"
#include "net_real/net_udp.h"
#include "net_real/pool.h"
#include "net_real/real.h"

#include <stdatomic.h>

#define DFS_REAL_SIGNALS 3

struct dfs_real {
    struct dfs_real_config config; /* its strings belong to the host */
    uv_loop_t loop;
    uv_timer_t timer;     /* the machine's deadline */
    uv_timer_t poll_wait; /* of dfs_real_poll */
    uv_prepare_t turn;    /* counts turns of the loop */
    uv_idle_t busy;       /* active while connections wait for their next turn: keeps the loop from sleeping */
    uv_async_t wake;      /* calls and stop, from any thread */
    uv_signal_t signals[DFS_REAL_SIGNALS];
    atomic_bool stopping;

    dfs_real_step step; /* NULL: events go nowhere */
    void *machine;
    dfs_time_ns deadline;
    dfs_time_ns armed; /* when the timer will fire, DFS_NEVER when it is off */
    bool in_step;
    bool started;
    bool polling;  /* inside dfs_real_poll */
    bool tick_due; /* something changed for the machine outside an event (a buffer came back) */

    struct dfs_pool pool;
    bool pool_open;
    struct dfs_disk_posix disk;
    struct dfs_local local;
    struct dfs_net net;
    struct dfs_udp udp;
    struct dfs_fault_table fault;
    struct dfs_real_stats stats;

    pthread_mutex_t calls_mutex;
    struct dfs_list calls;
};

/* Stamps the event and steps the machine; never from inside a step. */
void dfs_real_deliver(struct dfs_real *real, struct dfs_event *event);

/* The end of every callback. */
void dfs_real_settle(struct dfs_real *real);

void dfs_real_log(struct dfs_real *real, enum dfs_real_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
