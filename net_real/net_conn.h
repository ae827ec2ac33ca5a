/*
 * net_conn.h - the env's connections: TLS streams with queues, back-pressure and an orderly end.
 *
 * Verbs (dfs_net_connect ... dfs_net_close) are called by the machine in its step and only note what is wanted; dfs_net_pump does it
 * afterwards. All limits stand in limits.h.
 */
#ifndef DFS_NET_REAL_NET_CONN_H
#define DFS_NET_REAL_NET_CONN_H

#include "net_real/fault.h"
#include "net_real/net_tls.h"

#include <uv.h>

struct dfs_real;
struct dfs_net_conn;
struct dfs_net_item;

struct dfs_net {
    struct dfs_real *real;
    struct dfs_tls tls;

    struct dfs_net_conn **slots; /* by the low bits of a dfs_conn; NULL: free */
    uint32_t *free_slots;        /* a stack */
    uint32_t slot_count;
    uint32_t free_count;
    uint64_t made; /* the high bits of the next dfs_conn */

    struct dfs_list conns;
    struct dfs_list now;   /* have something to do before the loop goes on */
    struct dfs_list later; /* have had their share of this turn */
    uint64_t turn;
    unsigned handles;        /* of connections, not yet closed */
    struct dfs_list shaking; /* accepted ones in their handshake, oldest first */
    unsigned shaking_count;
    unsigned strangers; /* accepted ones, established, that are not nodes */

    int listener; /* -1: none */
    uint16_t port;
    uv_poll_t *listener_poll; /* on the heap: one may be closing while the next is bound */
    uv_timer_t accept_pause;
    bool listening;

    struct dfs_net_item *spare_chunk; /* a control chunk without a connection */
};

void dfs_net_init(struct dfs_net *net, struct dfs_real *real);

/* Binds and listens without accepting. 0 or errno. */
int dfs_net_bind(struct dfs_net *net, const struct dfs_addr *addr);

/* The bound socket goes again. */
void dfs_net_unbind(struct dfs_net *net);

void dfs_net_listen(struct dfs_net *net);

/* Resets everything at once: no events follow. The handles close in the next turns of the loop (`handles`). */
void dfs_net_abort(struct dfs_net *net);

/* After abort, when `handles` is 0. */
void dfs_net_close_all(struct dfs_net *net);

/* Carries out what is due now; may step the machine. */
void dfs_net_pump(struct dfs_net *net);

/* A new turn of the loop: those that waited for it are due. */
void dfs_net_next_turn(struct dfs_net *net);

/* The cuts changed: applies them to every connection. */
void dfs_net_recut(struct dfs_net *net);

unsigned dfs_net_reset(struct dfs_net *net, const struct dfs_fault_match *whom);

/* The verbs of struct dfs_net_ops, ctx is the struct dfs_real. */
dfs_conn dfs_net_connect(void *ctx, const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node,
                         void *user);
void dfs_net_attach(void *ctx, dfs_conn id, struct dfs_sink *sink, void *user);
void dfs_net_resume(void *ctx, dfs_conn id);
void dfs_net_send(void *ctx, dfs_conn id, const void *head, size_t head_bytes, struct dfs_buf *bulk, size_t bulk_offset,
                  size_t bulk_bytes);
void dfs_net_close(void *ctx, dfs_conn id);

#endif
