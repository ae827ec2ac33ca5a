/*
 * client.h - the client: login, PUT and GET as machines, and the small requests.
 *
 * Everything is asked by EV_COMMAND (code, argument) and answered once by env.local.answer(command id, struct dfs_client_result). Many
 * commands may run at once; blocks of all of them share `parallel` and the pool's memory. A whole file or none: a GET finishes its sink with commit only
 * when every byte was verified.
 */
#ifndef DFS_CORE_CLIENT_CLIENT_H
#define DFS_CORE_CLIENT_CLIENT_H

#include "core/base/gate.h"
#include "core/client/bounds.h"
#include "core/env/env.h"
#include "core/wire/message.h"

struct dfs_client_config {
    struct dfs_addr auth;
    struct dfs_addr meta;
    uint32_t parallel;    /* blocks in flight */
    uint32_t frame_bytes; /* of BLOCK_DATA, a multiple of DFS_CHUNK_BYTES, or smaller than one chunk in scenarios */
    uint64_t pool_bytes;
    dfs_duration_ns request_timeout_ns; /* one request, one block's silence */
    dfs_duration_ns connect_timeout_ns;
    dfs_duration_ns hedge_after_ns; /* a replica that is silent so long gets a rival */
    dfs_duration_ns
        give_up_after_ns; /* a command without progress so long fails with what went wrong last; 30 s for one that never reached metadata */
    struct dfs_client_bounds bounds;
};

struct dfs_client;

struct dfs_client *dfs_client_new(const struct dfs_client_config *config, const struct dfs_env *env);
void dfs_client_free(struct dfs_client *client);
dfs_time_ns dfs_client_step(struct dfs_client *client, const struct dfs_event *event);

/* EV_COMMAND codes; the argument's type beside each. Strings are copied. */
enum dfs_client_command {
    DFS_CLIENT_LOGIN =
        1, /* dfs_client_login: asks auth; the token is kept and used from then on, and refreshed at half its life */
    DFS_CLIENT_SET_TOKEN, /* dfs_client_token: uses this one (profile; or a bad one, in scenarios); closes connections that showed another */
    DFS_CLIENT_PUT,      /* dfs_client_put */
    DFS_CLIENT_GET,      /* dfs_client_get */
    DFS_CLIENT_STAT,     /* dfs_client_path */
    DFS_CLIENT_LIST,     /* dfs_client_list: one page */
    DFS_CLIENT_MOVE,     /* dfs_client_move */
    DFS_CLIENT_REMOVE,   /* dfs_client_path */
    DFS_CLIENT_RESTORE,  /* dfs_client_path: version */
    DFS_CLIENT_VERSIONS, /* dfs_client_path */
    DFS_CLIENT_NODES,    /* dfs_client_nodes: one page */
    DFS_CLIENT_CANCEL,   /* dfs_client_cancel: that command ends with ABORTED; an upload is aborted at metadata */
    DFS_CLIENT_CLOSE,    /* closes all connections; running commands end with ABORTED */
    DFS_CLIENT_FSCK,     /* dfs_client_list: prefix and after; one page, the figures are the page's */
    DFS_CLIENT_EXPLAIN,  /* dfs_client_path: one page from first_block on */
    DFS_CLIENT_DRAIN,    /* dfs_client_drain; answered by a status */
    DFS_CLIENT_HEALTH    /* no argument */
};

struct dfs_client_login {
    const char *user;
    const char *password;
};
struct dfs_client_token {
    const char *token;
    uint64_t expires_s; /* 0: not known; no refresh */
};
struct dfs_client_put {
    const char *path;
    uint64_t source;     /* for env.local.pull */
    uint64_t size_bytes; /* DFS_SIZE_UNKNOWN: until the source ends */
    enum dfs_ack ack;
    enum dfs_durability durability;
    enum dfs_precondition precondition;
    uint64_t if_version;
    uint32_t block_size_bytes; /* 0: metadata's rule */
    bool
        rereadable; /* the source can be pulled again (a file): a failed block is read anew; otherwise its frames are kept until done */
};
struct dfs_client_get {
    const char *path;
    uint64_t version; /* 0: newest */
    uint64_t sink;    /* for env.local.push */
    uint64_t first;   /* range, inclusive; last DFS_SIZE_UNKNOWN: to the end */
    uint64_t last;
    bool ordered; /* pushes in ascending order (standard output) */
};
struct dfs_client_path {
    const char *path;
    uint64_t version;
    uint32_t first_block; /* STAT, EXPLAIN: where the page begins */
};
struct dfs_client_list {
    const char *prefix;
    const char *after;
    bool recursive;
    uint32_t limit;
};
struct dfs_client_move {
    const char *path;
    const char *to_path;
    bool if_absent;
};
struct dfs_client_nodes {
    struct dfs_id after;
};
struct dfs_client_drain {
    struct dfs_id node;
    bool on;
};
struct dfs_client_cancel {
    uint64_t command;
};

/* Valid during env.local.answer only. `message` is the answer's decoded struct where there is one. */
struct dfs_client_result {
    enum dfs_status status;
    const char *words; /* what, where, what to do; never NULL */
    dfs_duration_ns retry_after_ns;
    uint32_t
        number; /* of `message`: PUT_DONE, GET_PLAN (its figures), STAT_DONE, LIST_PAGE, CHANGED, NODES_PAGE, VERSIONS_PAGE, TOKEN, FSCK_PAGE, EXPLAIN_PAGE, HEALTH_DONE; 0: none */
    const void *message;
    uint64_t bytes; /* PUT, GET: of the file, or range */
};

/* Progress of a running PUT or GET, for a progress bar; false when no such command runs. */
bool dfs_client_progress(const struct dfs_client *client, uint64_t command, uint64_t *ret_done_bytes,
                         uint64_t *ret_total_bytes);

/* Commands that run now. */
size_t dfs_client_running(const struct dfs_client *client);

/* The machines of this role, with the paths that each may take; the end is NULL. For tools. */
extern const struct dfs_gate *const dfs_client_gates[];

#endif
