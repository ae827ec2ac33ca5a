/*
 * grant_cache.h - how far the hash of a grant's tags goes for what many grants share, so that a tag costs its last two blocks.
 *
 * The same few lists of replicas come again and again, asked for by the same few clients. The cache knows each replica (node, life, address) and each
 * bearer (with the epoch) in full, once; a record says by their places which list and which bearer it is of, and holds the states behind them: a grant
 * that is known costs one or two cold cache lines. It saves work and decides nothing: a grant that is not found is hashed from its beginning. A checker
 * keeps only what has proved genuine, so strangers push nothing out.
 *
 * Who meets more replicas or bearers than the cache knows, as every server of a large cluster does, meets hardly any list twice: it forgets everything
 * and rests for a while, and costs nothing then.
 *
 * One cache serves one machine, and there either signing (a state for each replica's key) or checking (for the machine's own key): close it whenever the
 * machine is given other keys under ids that it knows. For grant.c alone, but for the struct, its init and its close.
 */
#ifndef DFS_CORE_WIRE_GRANT_CACHE_H
#define DFS_CORE_WIRE_GRANT_CACHE_H

#include "core/base/mac.h"
#include "core/wire/message.h"

struct dfs_grant_table;

struct dfs_grant_cache {
    struct dfs_grant_table *table; /* NULL until the first, and while it rests */
    uint32_t rest;                 /* grants that will not be kept */
};

void dfs_grant_cache_init(struct dfs_grant_cache *cache);
void dfs_grant_cache_close(struct dfs_grant_cache *cache); /* empty, and fit for use again; wiped */

/* The states behind the grant's list and bearer, one for each key, as they were added; NULL: not known. Valid until the next addition. */
const struct dfs_mac_state *dfs_grant_cache_find(const struct dfs_grant_cache *cache, const struct dfs_w_grant *grant);

/* For a grant that was not found; another one may have to leave. */
void dfs_grant_cache_add(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant,
                         const struct dfs_mac_state *states, uint32_t keys_count);

#endif
