#include "core/env/env.h"

const char *dfs_role_name(enum dfs_role role)
{
    static const char *const names[DFS_ROLE_COUNT] = {
        [DFS_ROLE_NONE] = "none", [DFS_ROLE_AUTH] = "auth",     [DFS_ROLE_META] = "meta",
        [DFS_ROLE_DATA] = "data", [DFS_ROLE_CLIENT] = "client",
    };

    return (unsigned)role < DFS_ROLE_COUNT ? names[role] : "?";
}

const char *dfs_disk_verb_name(enum dfs_disk_verb verb)
{
    static const char *const names[DFS_DISK_VERB_COUNT] = {
        [DFS_DISK_CREATE] = "create",   [DFS_DISK_WRITE] = "write",       [DFS_DISK_SYNC] = "sync",
        [DFS_DISK_PUBLISH] = "publish", [DFS_DISK_SYNC_DIR] = "sync_dir", [DFS_DISK_READ] = "read",
        [DFS_DISK_REMOVE] = "remove",   [DFS_DISK_LIST] = "list",         [DFS_DISK_SPACE] = "space",
        [DFS_DISK_FORGET] = "forget",
    };

    return (unsigned)verb < DFS_DISK_VERB_COUNT ? names[verb] : "?";
}

const char *dfs_trace_name(enum dfs_trace_kind kind)
{
    static const char *const names[DFS_TRACE_COUNT] = {
#define X(name, text) [DFS_TRACE_##name] = (text),
        DFS_TRACE_MAP(X)
#undef X
    };

    return (unsigned)kind < DFS_TRACE_COUNT ? names[kind] : "?";
}

const char *dfs_event_name(enum dfs_event_kind kind)
{
    static const char *const names[DFS_EV_COUNT] = {
#define X(name, text) [DFS_EV_##name] = (text),
        DFS_EVENT_MAP(X)
#undef X
    };

    return (unsigned)kind < DFS_EV_COUNT ? names[kind] : "?";
}
