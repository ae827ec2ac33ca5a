/*
 * bounds.h - the machines' bounds (core/base/bounds.h) as a scenario's "cluster": {"bounds": {...}}, and as the swarm draws them.
 *
 * One key a bound, ROLE_NAME, from its `least` to its `most`; what is not named is what a daemon has. The keys come from the roles' own lists.
 */
#ifndef DFS_SIM_BOUNDS_H
#define DFS_SIM_BOUNDS_H

#include "core/auth/bounds.h"
#include "core/client/bounds.h"
#include "core/conf/keytable.h"
#include "core/data/bounds.h"
#include "core/meta/bounds.h"

struct sim_bounds {
#define X(name, most, least, reason) int64_t auth_##name;
    DFS_AUTH_BOUND_MAP(X)
#undef X
#define X(name, most, least, reason) int64_t meta_##name;
    DFS_META_BOUND_MAP(X)
#undef X
#define X(name, most, least, reason) int64_t data_##name;
    DFS_DATA_BOUND_MAP(X)
#undef X
#define X(name, most, least, reason) int64_t client_##name;
    DFS_CLIENT_BOUND_MAP(X)
#undef X
};

/* All rows are whole numbers. */
extern const struct dfs_keytable sim_bounds_table;

/* A role's part of it. */
void sim_bounds_auth(const struct sim_bounds *bounds, struct dfs_auth_bounds *ret_bounds);
void sim_bounds_meta(const struct sim_bounds *bounds, struct dfs_meta_bounds *ret_bounds);
void sim_bounds_data(const struct sim_bounds *bounds, struct dfs_data_bounds *ret_bounds);
void sim_bounds_client(const struct sim_bounds *bounds, struct dfs_client_bounds *ret_bounds);

#endif
