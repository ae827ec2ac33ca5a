/*
 * grant_cache.h - how far the hash of a grant's tags goes for what many grants share, so that a tag costs its last two blocks.
 *
 * The same few lists of replicas come again and again, asked for by the same clients. A line holds one list with the states behind it, and behind the few
 * bearers that came last. Replicas (compared in full: node, life, address) and bearers (fingerprint, epoch) are few, lines are many: so each replica and each
 * bearer has a number here, and lines hold numbers. It saves work and decides nothing: a grant that is not found is hashed from
 * its beginning. A checker keeps only what has proved genuine, so strangers push nothing out.
 *
 * One cache serves one machine, and there either signing (a state for each replica's key) or checking (for the machine's own key): close it whenever the
 * machine is given other keys under ids that it knows. For grant.c alone, but for the struct, its init and its close.
 */
#ifndef DFS_CORE_WIRE_GRANT_CACHE_H
#define DFS_CORE_WIRE_GRANT_CACHE_H

#include "core/base/mac.h"
#include "core/wire/message.h"

struct dfs_grant_line;
struct dfs_grant_known;

struct dfs_grant_cache {
    struct dfs_grant_known *known; /* NULL until the first */
};

void dfs_grant_cache_init(struct dfs_grant_cache *cache);
void dfs_grant_cache_close(struct dfs_grant_cache *cache); /* empty, and fit for use again; wiped */

/* The line of the grant's list, or NULL. */
struct dfs_grant_line *dfs_grant_cache_find(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant);

/* For a list that was not found; another one may have to leave. list: the states behind it, one for each key. */
struct dfs_grant_line *dfs_grant_cache_add(struct dfs_grant_cache *cache, const struct dfs_w_grant *grant,
                                           const struct dfs_mac_state *list, uint32_t keys_count);

/* One for each key, as they were added. Valid until the next addition. */
const struct dfs_mac_state *dfs_grant_line_list(const struct dfs_grant_line *line);
/* Those behind the grant's bearer and epoch; NULL: not among the last ones. */
const struct dfs_mac_state *dfs_grant_line_find(const struct dfs_grant_cache *cache, const struct dfs_grant_line *line,
                                                const struct dfs_w_grant *grant);
/* For a bearer that was not found. May empty the cache, and the line is gone with it. */
void dfs_grant_line_add(struct dfs_grant_cache *cache, struct dfs_grant_line *line, const struct dfs_w_grant *grant,
                        const struct dfs_mac_state *bearer);

#endif
