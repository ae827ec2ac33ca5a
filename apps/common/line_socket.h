/*
 * line_socket.h - a Unix socket that takes one line of JSON and answers with one line: the fault socket and auth's control.
 *
 * Only the owner of the process may connect (mode 0600). Lines are carried out on the loop's thread, one at a time.
 */
#ifndef DFS_APPS_COMMON_LINE_SOCKET_H
#define DFS_APPS_COMMON_LINE_SOCKET_H

#include "apps/common/ask.h"

/* One line. A password and a scope of the longest kind fit, escaped. */
#define DFS_LINE_BYTES_MAX 16384

/* Programs that hold the socket open at a time; more wait in the kernel's queue. */
#define DFS_LINE_PEERS_MAX 8

struct dfs_line_socket;

/* BAD_CONFIG: the path cannot be bound; ret_why says why. An old socket that nobody serves is replaced. */
enum dfs_status dfs_line_socket_open(const char *path, struct dfs_real *real, dfs_ask_start start, void *ctx,
                                     struct dfs_line_socket **ret_socket, struct dfs_why *ret_why) DFS_MUST_CHECK;

/* NULL is fine. After the loop has ended (dfs_real_end), so that no line is still waiting for it. Removes the path. */
void dfs_line_socket_close(struct dfs_line_socket *at);

/*
 * The other end: sends a line, waits for the answer (to be closed by the caller).
 *
 * UNREACHABLE: nobody serves the path. IO, TIMEOUT: it did not answer. ret_why says which.
 */
enum dfs_status dfs_line_socket_ask(const char *path, const char *line, unsigned timeout_ms,
                                    struct dfs_conf_text *ret_reply, struct dfs_why *ret_why) DFS_MUST_CHECK;

#endif
