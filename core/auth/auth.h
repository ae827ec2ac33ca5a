/*
 * auth.h - the authorization server: accounts, login over the stream, tokens.
 *
 * Disk (one flat directory): `accounts` (JSON lines: user, scope, scrypt parameters, salt, hash, disabled) and `keys` (JSON lines: kid, private key PEM,
 * created, retired). Both are read at START and at the command RELOAD and replaced whole (write temporary, sync, remove, publish is never
 * atomic over an old name, so: versions `accounts-N`, the newest valid one counts, older ones are removed after). When no key exists one is made.
 *
 * Messages: LOGIN, REFRESH -> TOKEN or STATUS; KEYS_GET -> KEYS (any node of the cluster). Login is rate-limited per user and per address
 * (RATE_LIMITED with retry_after_ns); an unknown user costs the same scrypt time as a wrong password.
 */
#ifndef DFS_CORE_AUTH_AUTH_H
#define DFS_CORE_AUTH_AUTH_H

#include "core/auth/bounds.h"
#include "core/base/gate.h"
#include "core/env/env.h"

struct dfs_auth_config {
    struct dfs_id cluster;
    char issuer[64];
    dfs_duration_ns token_lifetime_ns;
    dfs_duration_ns request_timeout_ns; /* idle and half-open peers */
    uint64_t scrypt_n;
    uint32_t login_rate; /* per user and minute */
    uint32_t conns_max;
    struct dfs_auth_bounds bounds;
};

struct dfs_auth;

struct dfs_auth *dfs_auth_new(const struct dfs_auth_config *config, const struct dfs_env *env);
void dfs_auth_free(struct dfs_auth *auth); /* NULL is fine; closes nothing in the env */
dfs_time_ns dfs_auth_step(struct dfs_auth *auth, const struct dfs_event *event);

/* EV_COMMAND codes. Answered by env.local.answer with a struct dfs_auth_answer when the env has local and id is not 0. */
enum dfs_auth_command {
    DFS_AUTH_RELOAD = 1,  /* no argument */
    DFS_AUTH_USER_SET,    /* struct dfs_auth_user: adds, or changes password (if not NULL) and scope (if not NULL) */
    DFS_AUTH_USER_REMOVE, /* struct dfs_auth_user: user */
    DFS_AUTH_USER_LIST,
    DFS_AUTH_KEY_ROTATE, /* a new signing key; the old one verifies for another token lifetime */
    DFS_AUTH_STOP        /* finish what is on the disk, then idle */
};
struct dfs_auth_user {
    const char *user;
    const char *password;
    const char *scope;
};
struct dfs_auth_answer {
    enum dfs_status status;
    const char *words;
    const struct dfs_auth_user *users; /* USER_LIST; password NULL */
    size_t users_count;
};

/* Ready to serve: accounts and keys are read. */
bool dfs_auth_is_ready(const struct dfs_auth *auth);

/* Counters for /metrics: emit is called once per figure. */
void dfs_auth_metrics(const struct dfs_auth *auth,
                      void (*emit)(void *ctx, const char *name, const char *help, uint64_t value), void *ctx);

/* The machines of this role, with the paths that each may take; the end is NULL. For tools. */
extern const struct dfs_gate *const dfs_auth_gates[];

#endif
