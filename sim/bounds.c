#include "sim/bounds.h"

#define ROW(role, bound, most, least, reason) \
    {.name = #role "_" #bound, \
     .type = DFS_KEY_COUNT, \
     .offset = offsetof(struct sim_bounds, role##_##bound), \
     .min = (least), \
     .max = (most), \
     .default_text = #most, \
     .help = (reason)},

static const struct dfs_conf_key rows[] = {
#define X(name, most, least, reason) ROW(auth, name, most, least, reason)
    DFS_AUTH_BOUND_MAP(X)
#undef X
#define X(name, most, least, reason) ROW(meta, name, most, least, reason)
        DFS_META_BOUND_MAP(X)
#undef X
#define X(name, most, least, reason) ROW(data, name, most, least, reason)
            DFS_DATA_BOUND_MAP(X)
#undef X
#define X(name, most, least, reason) ROW(client, name, most, least, reason)
                DFS_CLIENT_BOUND_MAP(X)
#undef X
};

const struct dfs_keytable sim_bounds_table = {
    .name = "machine_bounds",
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .help = "Queues, batches and windows of the machines. No setting of a daemon: only scenarios make them shorter.",
};

void sim_bounds_auth(const struct sim_bounds *bounds, struct dfs_auth_bounds *ret_bounds)
{
#define X(name, most, least, reason) ret_bounds->name = (uint32_t)bounds->auth_##name;
    DFS_AUTH_BOUND_MAP(X)
#undef X
}

void sim_bounds_meta(const struct sim_bounds *bounds, struct dfs_meta_bounds *ret_bounds)
{
#define X(name, most, least, reason) ret_bounds->name = (uint32_t)bounds->meta_##name;
    DFS_META_BOUND_MAP(X)
#undef X
}

void sim_bounds_data(const struct sim_bounds *bounds, struct dfs_data_bounds *ret_bounds)
{
#define X(name, most, least, reason) ret_bounds->name = (uint32_t)bounds->data_##name;
    DFS_DATA_BOUND_MAP(X)
#undef X
}

void sim_bounds_client(const struct sim_bounds *bounds, struct dfs_client_bounds *ret_bounds)
{
#define X(name, most, least, reason) ret_bounds->name = (uint32_t)bounds->client_##name;
    DFS_CLIENT_BOUND_MAP(X)
#undef X
}
