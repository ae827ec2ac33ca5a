/*
 * auth_control.h - accounts and keys of the authorization server, changed by lines of JSON.
 *
 *     {"add":{"user":"ann","password":"...","scope":"rw:/home/ann"}}      {"passwd":{"user":"ann","password":"..."}}
 *     {"remove":{"user":"ann"}}      {"list":{}}      {"rotate":{}}
 *
 * Answers: {"ok":true} or {"ok":true,"users":[{"user":"ann","scope":"..."}]} or {"ok":false,"status":"EXISTS","error":"..."}.
 * The running server takes them through its control socket; `dfs-auth user` without a running server gives them to a machine of
 * its own over the same directory.
 */
#ifndef DFS_APPS_COMMON_AUTH_CONTROL_H
#define DFS_APPS_COMMON_AUTH_CONTROL_H

#include "apps/common/ask.h"
#include "core/auth/auth.h"

/* Requests under way: people type them. */
#define DFS_CONTROL_REQUESTS_MAX 64

struct dfs_control;

/* Command ids begin at `first`. */
struct dfs_control *dfs_control_new(struct dfs_real *real, uint64_t first);
void dfs_control_free(struct dfs_control *control); /* NULL is fine; after the loop has ended */

/* `done` gets the answer, later, inside a step; reply is lent. */
typedef void (*dfs_control_done)(void *ctx, struct dfs_conf_text *reply);
void dfs_control_do(struct dfs_control *control, const char *line, dfs_control_done done, void *ctx);

/* From the host's `answer`, for ids that are dfs_control's. */
void dfs_control_answer(struct dfs_control *control, uint64_t command, const struct dfs_auth_answer *answer);

#endif
