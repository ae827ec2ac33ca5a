/*
 * endpoint.h - "host:port" as people write it, and socket addresses as the system has them.
 *
 * IPv4 addresses travel through the machines in their mapped form and are plain IPv4 again at the socket, so that a host without
 * IPv6 works too.
 */
#ifndef DFS_NET_REAL_ENDPOINT_H
#define DFS_NET_REAL_ENDPOINT_H

#include "core/env/env.h"

#include <sys/socket.h>

#define DFS_ENDPOINT_TEXT_BYTES 64 /* "[ffff:...]:65535" */

/*
 * "127.0.0.1:9000", "[::1]:9000", "meta.example.org:9000", ":9000" (every address). Names are looked up, which may wait for a name server:
 * at the start of a program, not on its loop.
 *
 * DFS_BAD_CONFIG   not of that form
 * DFS_UNREACHABLE  a name that does not resolve
 */
enum dfs_status dfs_endpoint_resolve(const char *text, struct dfs_addr *ret_addr) DFS_MUST_CHECK;

/* The numeric forms above. */
void dfs_endpoint_print(const struct dfs_addr *addr, char ret_text[DFS_ENDPOINT_TEXT_BYTES]);

bool dfs_endpoint_equal(const struct dfs_addr *a, const struct dfs_addr *b);
bool dfs_endpoint_is_v4(const struct dfs_addr *addr);
bool dfs_endpoint_is_loopback(const struct dfs_addr *addr);

/* The size of what was filled in. */
socklen_t dfs_endpoint_to_system(const struct dfs_addr *addr, struct sockaddr_storage *ret_system);
/* For a socket that serves both families: always IPv6. */
socklen_t dfs_endpoint_to_system_v6(const struct dfs_addr *addr, struct sockaddr_storage *ret_system);

void dfs_endpoint_from_system(const struct sockaddr_storage *system, struct dfs_addr *ret_addr);

#endif
