/*
 * auth_client.h - the client's side of a login: one connection to auth, one question, one answer.
 *
 * A part of the client's machine: it gets the events of its connection (those with `user` pointing to it) and asks to be ticked at its deadline. A connection
 * is made for each question and closed with the answer; a login that meets a silent or unreachable auth is asked again with back-off until `give_up_at`.
 */
#ifndef DFS_CORE_AUTH_AUTH_CLIENT_H
#define DFS_CORE_AUTH_AUTH_CLIENT_H

#include "core/base/gate.h"
#include "core/env/env.h"
#include "core/wire/link.h"

#define DFS_AUTH_CLIENT_PHASES(X) X(IDLE) X(ASKING) X(WAITING)

enum dfs_auth_client_phase {
#define X(name) DFS_AUTH_CLIENT_##name,
    DFS_AUTH_CLIENT_PHASES(X)
#undef X
        DFS_AUTH_CLIENT_PHASE_COUNT
};

struct dfs_auth_client {
    const struct dfs_env *env;
    struct dfs_links *links;
    struct dfs_addr auth;
    dfs_duration_ns timeout_ns; /* of one try */
    void *user;                 /* comes back in the events of the connection */
    struct dfs_link link;
    enum dfs_auth_client_phase phase;
    dfs_time_ns deadline; /* DFS_NEVER while IDLE */
    dfs_time_ns give_up_at;
    uint32_t tries;
    uint32_t request;
    bool refresh;
    char name[DFS_USER_BYTES_MAX + 1];
    char secret[DFS_TOKEN_BYTES_MAX + 1]; /* password or token; wiped with the answer */
    uint32_t secret_count;
};

/* The answer; texts are valid until dfs_auth_client_close, which the caller calls when it has read them. */
struct dfs_auth_client_answer {
    enum dfs_status status; /* OK: `token` is set */
    const char *words;      /* terminated; NULL: the status's own */
    size_t words_count;
    dfs_duration_ns retry_after_ns;
    const struct dfs_m_token *token;
};

void dfs_auth_client_init(struct dfs_auth_client *client, const struct dfs_env *env, struct dfs_links *links,
                          const struct dfs_addr *auth, dfs_duration_ns timeout_ns, void *user);
void dfs_auth_client_close(
    struct dfs_auth_client *client); /* closes the connection, wipes secrets; harmless when IDLE */

/* Only when IDLE. BAD_REQUEST: user or password is longer than a login may have. */
enum dfs_status dfs_auth_client_login(struct dfs_auth_client *client, const char *user, const char *password,
                                      dfs_time_ns now, dfs_time_ns give_up_at) DFS_MUST_CHECK;
void dfs_auth_client_refresh(struct dfs_auth_client *client, const char *token, size_t token_bytes, dfs_time_ns now,
                             dfs_time_ns give_up_at);

/* An event of the connection, or (event NULL) the deadline has come. true: *ret_answer is the end of the question, and the client is IDLE again. */
bool dfs_auth_client_step(struct dfs_auth_client *client, const struct dfs_event *event, dfs_time_ns now,
                          struct dfs_auth_client_answer *ret_answer);

extern const struct dfs_gate dfs_auth_client_gate;

#endif
