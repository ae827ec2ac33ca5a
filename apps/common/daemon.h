/*
 * daemon.h - what the three daemons share: options, start, signals, log, metrics, stop.
 *
 *     SIGTERM, SIGINT   the machine's stop command, answered within DFS_DAEMON_STOP_MS; a second signal ends at once
 *     SIGHUP            reads the configuration again: log level, certificates and keys, and what the role reloads
 *
 * Exit codes: 0 stopped by a signal; 2 what was typed or configured is wrong; 3 the world (a disk, an identity that was taken over).
 */
#ifndef DFS_APPS_COMMON_DAEMON_H
#define DFS_APPS_COMMON_DAEMON_H

#include "apps/common/config.h"
#include "core/env/env.h"

#include <signal.h>

struct dfs_ask;
struct dfs_control;
struct dfs_real;
struct dfs_real_config;

/* A clean stop: a data server finishes its writes, metadata writes a checkpoint. Below the ten seconds after which supervisors kill. */
#define DFS_DAEMON_STOP_MS 8000

/* What a role's machine is made from, beside its settings. Lent for the call of `make`. */
struct dfs_daemon_start {
    const struct dfs_daemon_config *config;
    struct dfs_addr addr; /* data: as told to others */
    struct dfs_addr auth;
    struct dfs_addr metadata;
    struct dfs_key root; /* metadata */
    bool fresh_store;
    bool accept_older_journal;
};

typedef void (*dfs_daemon_emit)(void *ctx, const char *name, const char *help, uint64_t value);

struct dfs_daemon_role {
    enum dfs_role role;
    const char *program;
    const char *about;         /* for --help: a sentence, and what else can be typed; ends with a line end */
    const char *metric_prefix; /* put in front of metrics that do not begin with "dfs_" */
    uint32_t stop_command;
    uint32_t reload_command; /* 0: none */
    void *(*make)(const struct dfs_daemon_start *start, const struct dfs_env *env);
    void (*free)(void *machine);
    dfs_time_ns (*step)(void *machine, const struct dfs_event *event);
    bool (*is_ready)(const void *machine);
    /* Not OK: the machine has given up for good. NULL: never does. */
    enum dfs_status (*failure)(const void *machine, const char **ret_words);
    void (*metrics)(const void *machine, dfs_daemon_emit emit, void *ctx);
    /* Status and words of the answer to a command. */
    enum dfs_status (*answered)(const void *result, const char **ret_words);
    /* A line of the control socket; NULL: the role has none. Ends in dfs_ask_done, perhaps by way of an answer. */
    struct dfs_control *(*control_new)(struct dfs_real *real);
    void (*control_free)(struct dfs_control *control);
    void (*control_line)(void *control, struct dfs_ask *ask, const char *line);
    void (*control_answer)(struct dfs_control *control, uint64_t command, const void *result);
};

/* Ids of commands from this file; those of a control socket are above. */
#define DFS_DAEMON_COMMANDS_MAX 16

/* main of a daemon: the exit code. */
int dfs_daemon_main(const struct dfs_daemon_role *role, int argc, char **argv);

/* The host's configuration from the daemon's: certificates, disk, cluster and node. `listens` and what follows is left to the caller. */
void dfs_daemon_real_config(const struct dfs_daemon_config *config, enum dfs_role role,
                            struct dfs_real_config *ret_config);

#endif
