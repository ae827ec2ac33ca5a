/*
 * auth_internal.h - the authorization server from inside: shared by auth.c (door, connections), login.c (messages) and command.c (changes).
 */
#ifndef DFS_CORE_AUTH_AUTH_INTERNAL_H
#define DFS_CORE_AUTH_AUTH_INTERNAL_H

#include "core/auth/accounts.h"
#include "core/auth/auth.h"
#include "core/auth/keys.h"
#include "core/auth/rate.h"
#include "core/auth/store.h"
#include "core/auth/token.h"
#include "core/wire/link.h"

/* login_rate is per minute. */
#define DFS_AUTH_RATE_WINDOW_NS (60 * DFS_SECONDS)

/* Many users may sit behind one address (a cluster's login host, NAT), each with login_rate. */
#define DFS_AUTH_RATE_ADDRESS_FACTOR 8

/* Commands that wait for the disk: people and scripts type them, one at a time. */
#define DFS_AUTH_COMMANDS_MAX 256

/* Two pieces of 256 KiB (accounts, keys), and their slack. */
#define DFS_AUTH_POOL_BYTES (1024 * 1024)

/* Tokens of the two stores on the one disk. */
#define DFS_AUTH_DISK_ACCOUNTS (UINT64_C(1) << 32)
#define DFS_AUTH_DISK_KEYS (UINT64_C(2) << 32)

/* What happened since the start: name, help for /metrics. */
#define DFS_AUTH_COUNTERS(X) \
    X(logins, "Logins that got a token") \
    X(logins_failed, "Logins with a wrong user or password") \
    X(logins_limited, "Logins refused because there were too many") \
    X(refreshes, "Tokens renewed") \
    X(refreshes_refused, "Renewals refused") \
    X(keys_served, "Answers with the public keys") \
    X(frames_bad, "Messages that did not decode or made no sense here") \
    X(conns_accepted, "Connections accepted") \
    X(conns_refused, "Connections refused because there were too many") \
    X(conns_idle, "Connections closed because they were silent") \
    X(saves, "Changes of accounts and keys made durable") \
    X(saves_failed, "Changes of accounts and keys that the disk refused") \
    X(stalls, "Steps that came late by our own fault")

struct dfs_auth_counters {
#define X(name, help) uint64_t name;
    DFS_AUTH_COUNTERS(X)
#undef X
};

struct auth_conn {
    struct dfs_list link; /* in auth->conns, the longest silent first */
    struct dfs_link wire;
    struct dfs_addr from;
    dfs_time_ns heard_at;
    bool closing; /* the peer made no sense: closed at the end of the step */
};

/* A command that waits for the disk, with copies of its texts. */
struct auth_job {
    struct dfs_list link;
    uint64_t id;
    enum dfs_auth_command code;
    bool started;
    char *user;
    char *password;
    char *scope;
};

struct dfs_auth {
    struct dfs_auth_config config;
    struct dfs_env env;
    char audience[DFS_ID_TEXT_BYTES];
    struct dfs_stall stall;
    dfs_time_ns now; /* mono without our own stalls: all deadlines are on this clock */
    dfs_wall_ns wall;
    struct dfs_buf_pool pool;
    struct dfs_links links;
    struct dfs_list conns;
    size_t conns_count;
    struct dfs_auth_rate users;
    struct dfs_auth_rate addresses;
    struct dfs_auth_counters counters;
    const char *failure; /* accounts or keys cannot be read: never ready, this is why */

    struct dfs_auth_store accounts_store;
    struct dfs_auth_store keys_store;
    bool accounts_loaded;
    bool keys_loaded;
    struct dfs_accounts accounts;
    struct dfs_signing_keys keys;
    struct dfs_verifier *verifier; /* of tokens shown for renewal */

    struct dfs_list jobs; /* the first is under way */
    size_t jobs_count;
    struct dfs_accounts accounts_next; /* what the job under way writes */
    struct dfs_signing_keys keys_next;
    bool stopping;
    uint64_t stop_command;
};

static inline uint64_t dfs_auth_now_s(const struct dfs_auth *auth)
{
    return auth->wall / DFS_SECONDS;
}

/* login.c: handlers of messages ------------------------------------------------------------------------------------------ */

void dfs_auth_on_login(struct dfs_auth *auth, struct auth_conn *conn, uint32_t request, const struct dfs_m_login *m);
void dfs_auth_on_refresh(struct dfs_auth *auth, struct auth_conn *conn, uint32_t request,
                         const struct dfs_m_refresh *m);
void dfs_auth_on_keys_get(struct dfs_auth *auth, struct auth_conn *conn, uint32_t request);

/* Gives the verifier the public halves of `auth->keys` that still count. */
void dfs_auth_keys_changed(struct dfs_auth *auth);

/* command.c: what people change ------------------------------------------------------------------------------------------- */

/* Begins to read accounts and keys. */
void dfs_auth_load(struct dfs_auth *auth);
void dfs_auth_on_disk(struct dfs_auth *auth, const struct dfs_disk_done *done);
void dfs_auth_on_command(struct dfs_auth *auth, uint64_t id, uint32_t code, const void *argument);
void dfs_auth_jobs_close(struct dfs_auth *auth);

#endif
