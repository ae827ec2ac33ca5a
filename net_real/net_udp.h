/*
 * net_udp.h - the env's datagrams.
 *
 * One socket a family, opened when first needed; metadata's is bound to the number of its TCP port. A full socket, a missing family
 * or a fault loses the datagram, as any network may.
 */
#ifndef DFS_NET_REAL_NET_UDP_H
#define DFS_NET_REAL_NET_UDP_H

#include "core/env/env.h"

#include <uv.h>

struct dfs_real;

struct dfs_udp_socket {
    struct dfs_real *real;
    uv_poll_t poll;
    int fd; /* -1: not open */
    bool both_families;
};

struct dfs_udp {
    struct dfs_real *real;
    struct dfs_udp_socket v4;
    struct dfs_udp_socket v6;
    struct dfs_list delayed;
    unsigned delayed_count;
    bool listening;
};

void dfs_udp_init(struct dfs_udp *udp, struct dfs_real *real);

/* Metadata's socket: bound now, read from dfs_udp_listen on. 0 or errno. */
int dfs_udp_bind(struct dfs_udp *udp, const struct dfs_addr *addr);
void dfs_udp_listen(struct dfs_udp *udp);

/* Closes the sockets and forgets what is delayed; the handles close in the next turns of the loop. */
void dfs_udp_close(struct dfs_udp *udp);

/* The verb. */
void dfs_udp_send(void *ctx, const struct dfs_addr *to, const void *bytes, size_t count);

#endif
