/*
 * bounds.h - how much the authorization server does and keeps at a time, with the reasons (base/bounds.h says what a bound is).
 */
#ifndef DFS_CORE_AUTH_BOUNDS_H
#define DFS_CORE_AUTH_BOUNDS_H

#include "core/base/bounds.h"

/* X(name, most, least, reason) */
#define DFS_AUTH_BOUND_MAP(X) \
    X(rate_entries, 16384, 1, \
      "Users, and addresses, whose logins are counted, 100 bytes each: the least recent is forgotten.") \
    X(store_piece, 262144, 64, \
      "Bytes of accounts and keys read or written in one disk operation: a quarter of the pool.")

struct dfs_auth_bounds {
    DFS_AUTH_BOUND_MAP(DFS_BOUND_FIELD)
};
#define DFS_AUTH_BOUNDS ((struct dfs_auth_bounds){DFS_AUTH_BOUND_MAP(DFS_BOUND_FULL)})

#endif
