/*
 * net_conn_inside.h - a connection from inside, for net_open.c, net_read.c, net_write.c and net_conn.c.
 *
 *   CONNECTING --> HANDSHAKING --> OPEN --> DRAINING --> LINGERING --> GONE
 *
 * with a way from each to GONE. An accepted one begins with HANDSHAKING. The machine knows a connection until it called close() or got
 * EV_CLOSED; DRAINING (what is queued leaves) and LINGERING (the peer's end is awaited) happen without it.
 *
 * Functions that may step the machine or end the connection say so. After dfs_conn_bury the memory is good until the loop closes the
 * handles, never shorter than the callback that is running.
 */
#ifndef DFS_NET_REAL_NET_CONN_INSIDE_H
#define DFS_NET_REAL_NET_CONN_INSIDE_H

#include "net_real/net_conn.h"

enum dfs_conn_phase {
    DFS_CONN_CONNECTING,
    DFS_CONN_HANDSHAKING,
    DFS_CONN_OPEN,
    DFS_CONN_DRAINING,
    DFS_CONN_LINGERING,
    DFS_CONN_GONE
};

/* One of the queue: a chunk of control bytes or a bulk. */
struct dfs_net_item {
    struct dfs_list link;
    dfs_time_ns not_before; /* by a fault; 0: at once */
    size_t at;
    size_t count;
    struct dfs_buf *bulk; /* NULL: control bytes follow this struct */
    size_t bulk_offset;
    uint8_t bytes[];
};

struct dfs_net_conn {
    struct dfs_net *net;
    struct dfs_list link;
    struct dfs_list due;     /* in net->now or net->later */
    struct dfs_list shaking; /* in net->shaking while an accepted one is in its handshake */
    dfs_conn id;
    enum dfs_conn_phase phase;
    bool outgoing;
    bool introduced; /* the machine got EV_OPEN or EV_ACCEPT */
    bool forgotten;  /* the machine called close() */
    bool dropped;    /* a fault: the connect goes nowhere */
    bool stranger;   /* counted in net->strangers */

    int fd; /* -1: none yet */
    uv_poll_t poll;
    uv_timer_t timer; /* of the phase; in OPEN of a delayed frame */
    bool has_poll;
    int watched;      /* events given to uv_poll */
    unsigned handles; /* to be closed before the memory goes */

    struct dfs_addr addr;
    struct dfs_peer peer;
    enum dfs_role role; /* asked for by connect */
    struct dfs_id node;
    bool has_node;
    struct dfs_tls_stream tls;

    struct dfs_sink *sink;
    void *user;
    bool paused;  /* the sink granted no room */
    bool hung_up; /* the peer's end was seen while paused: it is read when the sink goes on */
    bool read_due;
    bool write_due;
    bool blocked; /* the kernel takes no more output now */
    bool cut_in;
    bool cut_out;
    bool doomed; /* will be closed with `doom` as soon as no step runs */
    bool reset;  /* ... by RST */
    enum dfs_status doom;

    struct dfs_list queue;
    size_t control_bytes; /* waiting in it */
    uint64_t turn;        /* to which the two counts belong */
    size_t turn_read;
    size_t turn_written;
    uint64_t sent;      /* plain bytes, over its life */
    uint64_t sent_seen; /* when the drain was last looked at */
    size_t discarded;
};

/* net_conn.c -------------------------------------------------------------------------------------------------------- */

struct dfs_net_conn *dfs_conn_new(struct dfs_net *net, const struct dfs_addr *addr, bool outgoing);

/* NULL for a handle that is dead. */
struct dfs_net_conn *dfs_conn_find(struct dfs_net *net, dfs_conn id);

/* Gives it its socket, which it owns from now on. 0, or errno: the descriptor is still the caller's. */
int dfs_conn_use(struct dfs_net_conn *conn, int fd) DFS_MUST_CHECK;

/* Its turn comes before the loop goes on, or in the next turn of the loop. */
void dfs_conn_make_due(struct dfs_net_conn *conn);
void dfs_conn_wait_for_turn(struct dfs_net_conn *conn);
void dfs_conn_refresh_turn(struct dfs_net_conn *conn);

/* To be closed with this status as soon as no step runs. */
void dfs_conn_doom(struct dfs_net_conn *conn, enum dfs_status status);

/* Tells the kernel what it waits for; after everything that may have changed that. */
void dfs_conn_watch(struct dfs_net_conn *conn);

void dfs_conn_start_timer(struct dfs_net_conn *conn, uint64_t ms);

/* Over: everything goes but the memory. The machine is not told. */
void dfs_conn_bury(struct dfs_net_conn *conn);

/* Buries it and tells the machine, if that knows it. */
void dfs_conn_fail(struct dfs_net_conn *conn, enum dfs_status status);

/* TIMEOUT or UNREACHABLE. */
enum dfs_status dfs_conn_status(int error);
int dfs_conn_socket_error(const struct dfs_net_conn *conn);

/* net_open.c -------------------------------------------------------------------------------------------------------- */

/* Opens the socket and begins to connect, unless that was done or a fault forbids it. */
void dfs_conn_try_connect(struct dfs_net_conn *conn);

/* The socket is writable: connected, or not. May end it. */
void dfs_conn_finish_connect(struct dfs_net_conn *conn);

/* Goes on with the handshake. May step the machine, may end it. */
void dfs_conn_shake_hands(struct dfs_net_conn *conn);

/* The node that it is, or was asked for; NULL: not known. */
const struct dfs_id *dfs_conn_node(const struct dfs_net_conn *conn);
void dfs_conn_find_cuts(struct dfs_net_conn *conn);

/* net_read.c -------------------------------------------------------------------------------------------------------- */

/* Steps the machine, may end it. */
void dfs_conn_read(struct dfs_net_conn *conn);

/* After close(): takes input off the kernel, so that it does not answer with RST, and throws it away. May bury. */
void dfs_conn_discard(struct dfs_net_conn *conn);

/* net_write.c ------------------------------------------------------------------------------------------------------- */

/* In OPEN or DRAINING. Steps the machine, may end it. */
void dfs_conn_write(struct dfs_net_conn *conn);

/* Frames that will not leave. */
void dfs_conn_purge(struct dfs_net_conn *conn);

#endif
