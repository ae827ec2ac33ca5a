/*
 * http.h - GET /healthz and GET /metrics of a daemon, by libmicrohttpd in a thread of its own.
 *
 * Each answer is a picture that the loop's thread takes when asked, so that a loop that hangs answers nothing: /healthz is then 503.
 * There is no authentication: keep it on a loopback address, or behind something that asks.
 */
#ifndef DFS_APPS_COMMON_HTTP_H
#define DFS_APPS_COMMON_HTTP_H

#include "apps/common/ask.h"

/* Who scrapes: a monitor or two. */
#define DFS_HTTP_CONNECTIONS_MAX 32

/* An idle or slow client is dropped after this. */
#define DFS_HTTP_TIMEOUT_S 10

struct dfs_http;

/*
 * `picture` runs on the loop's thread: the line is "/healthz" or "/metrics"; what it answers begins with the three digits of the
 * HTTP status and a blank.
 *
 * BAD_CONFIG: the address cannot be bound.
 */
enum dfs_status dfs_http_open(const struct dfs_addr *addr, struct dfs_real *real, dfs_ask_start picture, void *ctx,
                              struct dfs_http **ret_http, struct dfs_why *ret_why) DFS_MUST_CHECK;
void dfs_http_close(struct dfs_http *http); /* NULL is fine; after dfs_real_end */

/* The bound port. */
uint16_t dfs_http_port(const struct dfs_http *http);

#endif
