/*
 * local.h - a whole cluster on loopback in one directory: what `dfs local` keeps there.
 *
 *     cluster.json           the daemons: name, role, node id, ports
 *     ca.pem ca.key          the cluster's CA
 *     root.secret            what node keys are derived from
 *     admin.password         of the user "admin", who may do everything
 *     profile.json           for dfs: DFS_PROFILE=DIR/profile.json
 *     NAME.json .pem .key    configuration and certificate of a daemon: auth, meta, d1, d2, ...
 *     NAME/                  its disk
 *     NAME.log NAME.pid      its standard error, its process
 *     NAME.fault NAME.events with --faults: its fault socket and event log
 */
#ifndef DFS_APPS_CLI_LOCAL_H
#define DFS_APPS_CLI_LOCAL_H

#include "apps/common/config.h"

#include <sys/types.h>

/* More do not fit one machine. */
#define LOCAL_DATA_MAX 64
/* The account that a new cluster has; its password is in ADMIN.password. */
#define LOCAL_ADMIN "admin"

#define LOCAL_DAEMONS_MAX (LOCAL_DATA_MAX + 2)

struct local_daemon {
    char name[8]; /* "auth", "meta", "d1" */
    enum dfs_role role;
    struct dfs_id node;
    uint16_t port;
    uint16_t http;
};

struct local_cluster {
    char *directory; /* absolute */
    struct dfs_id cluster;
    struct local_daemon daemons[LOCAL_DAEMONS_MAX]; /* auth, meta, then the data servers */
    size_t count;
    int claim; /* -1, or a descriptor held while the daemons of a new cluster have not taken their ports yet */
};

void local_close(struct local_cluster *cluster);

/* "DIR/NAMESUFFIX", to be freed with dfs_free. */
char *local_path(const struct local_cluster *cluster, const char *name, const char *suffix);

/* NOT_FOUND: there is no cluster. Else OK, or BAD_CONFIG with ret_why. */
enum dfs_status local_load(struct local_cluster *cluster, struct dfs_why *ret_why) DFS_MUST_CHECK;

/* Makes everything but the processes, the account "admin" included. What a failed attempt left behind is written over. */
enum dfs_status local_make(struct local_cluster *cluster, unsigned data, struct dfs_why *ret_why) DFS_MUST_CHECK;

/* KEY=VALUE into the configurations of those whose key it is. BAD_USAGE: no such key, or the value is out of range. */
enum dfs_status local_configure(const struct local_cluster *cluster, const char *pair,
                                struct dfs_why *ret_why) DFS_MUST_CHECK;

/* The process of a daemon; 0: it does not run. */
pid_t local_pid(const struct local_cluster *cluster, const struct local_daemon *daemon);

/* Starts the daemon's program, which stands beside ours. */
enum dfs_status local_start(const struct local_cluster *cluster, const struct local_daemon *daemon, bool faults,
                            struct dfs_why *ret_why) DFS_MUST_CHECK;

#endif
