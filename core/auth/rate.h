/*
 * rate.h - how often somebody may try: a credit of time per name, in a table of bounded size.
 *
 * Each try costs window/rate of credit; credit comes back with time, up to one window. Who was never seen has a full window. When the
 * table is full, the name that tried least recently is forgotten: an attacker who wants a victim's entry gone must try as many other names, which
 * the limit on his address forbids.
 */
#ifndef DFS_CORE_AUTH_RATE_H
#define DFS_CORE_AUTH_RATE_H

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/time.h"

#include <stdbool.h>

#define DFS_AUTH_RATE_KEY_BYTES 16

struct dfs_auth_rate {
    struct dfs_map entries;
    struct dfs_list order; /* the least recent first */
    size_t entries_max;
    dfs_duration_ns window_ns;
};

void dfs_auth_rate_init(struct dfs_auth_rate *rate, size_t entries_max, dfs_duration_ns window_ns, uint64_t seed);
void dfs_auth_rate_close(struct dfs_auth_rate *rate);

/* Takes `cost_ns` (at most a window) of the key's credit: true. Too little is left: false, and *ret_wait_ns is when there will be enough. */
bool dfs_auth_rate_take(struct dfs_auth_rate *rate, const uint8_t key[DFS_AUTH_RATE_KEY_BYTES], dfs_duration_ns cost_ns,
                        dfs_time_ns now, dfs_duration_ns *ret_wait_ns);

/* Gives it back: the try was a good one. */
void dfs_auth_rate_give(struct dfs_auth_rate *rate, const uint8_t key[DFS_AUTH_RATE_KEY_BYTES],
                        dfs_duration_ns cost_ns);

#endif
