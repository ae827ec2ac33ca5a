/* keytable_internal.h - shared by keytable.c and keytable_print.c only. */
#ifndef DFS_CORE_CONF_KEYTABLE_INTERNAL_H
#define DFS_CORE_CONF_KEYTABLE_INTERNAL_H

#include "core/conf/keytable.h"

/* Is this a key for one of the roles (0: all)? */
static inline bool dfs_key_is_for(const struct dfs_conf_key *row, unsigned roles)
{
    return row->roles == 0 || roles == 0 || (row->roles & roles) != 0;
}

/* Duration, size, rate, count, share or decimal: what "between" can stand for. */
static inline bool dfs_key_is_quantity(const struct dfs_conf_key *row)
{
    return row->type <= DFS_KEY_DECIMAL;
}

/* `"50ms" to "10m"`, `1 to 9`, `at least "0s"`; "" when nothing is said by it. */
struct dfs_quoted dfs_key_range_text(const struct dfs_conf_key *row, bool is_relaxed);

/* What is expected: `a whole number such as 3`, `"all" or "quorum"`. */
struct dfs_why dfs_key_wanted(const struct dfs_conf_key *row);

/* `"1s"` or `0.4`: as in JSON. */
struct dfs_quoted dfs_key_value_json(const struct dfs_conf_key *row, int64_t value);

#endif
