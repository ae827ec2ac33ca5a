#include "net_real/net_conn_inside.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/endpoint.h"
#include "net_real/host.h"
#include "net_real/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The beginning ----------------------------------------------------------------------------------------------------- */

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

/* Between processes of one host there is no path to be measured, and nothing is lost: what paces segments (BBR) would only set timers. */
static const char *congestion_for(const struct dfs_net *net, const struct dfs_addr *peer)
{
    if (net->real->config.congestion != NULL)
        return net->real->config.congestion;
    return dfs_endpoint_is_loopback(peer) ? "reno" : NULL; /* every kernel has it, for every user */
}

static void set_options(struct dfs_net *net, int fd, const struct dfs_addr *peer)
{
    const char *congestion = congestion_for(net, peer);

    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, DFS_REAL_KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, DFS_REAL_KEEPALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, DFS_REAL_KEEPALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, DFS_REAL_USER_TIMEOUT_MS);
    if (congestion != NULL)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t)strlen(congestion));
}

const struct dfs_id *dfs_conn_node(const struct dfs_net_conn *conn)
{
    if (conn->peer.kind == DFS_PEER_NODE)
        return &conn->peer.node;
    return conn->has_node ? &conn->node : NULL;
}

void dfs_conn_find_cuts(struct dfs_net_conn *conn)
{
    if (conn->net->real->fault.cut_count > 0 || conn->cut_in || conn->cut_out)
        dfs_fault_find(&conn->net->real->fault, &conn->addr, dfs_conn_node(conn), &conn->cut_in, &conn->cut_out);
}

static void introduce(struct dfs_net_conn *conn)
{
    struct dfs_event event = {
        .kind = conn->outgoing ? DFS_EV_OPEN : DFS_EV_ACCEPT,
        .net = {.conn = conn->id,
                .user = conn->user,
                .peer = &conn->peer,
                .addr = &conn->addr,
                .order = conn->id >> DFS_REAL_CONNECTION_SLOT_BITS}, /* of its accept(), before the handshake */
    };

    if (conn->outgoing)
        conn->net->real->stats.opened++;
    else
        conn->net->real->stats.accepted++;
    conn->net->real->stats.resumed += conn->tls.resumed;
    conn->introduced = true;
    if (!conn->forgotten)
        dfs_real_deliver(conn->net->real, &event);
}

/* Only nodes of the cluster pass when the house is full: a crowd of clients cannot lock a data server out of metadata. */
static bool is_welcome(struct dfs_net_conn *conn)
{
    struct dfs_net *net = conn->net;

    if (conn->outgoing || conn->peer.kind == DFS_PEER_NODE)
        return true;
    if (net->strangers >= net->real->config.connections_max) {
        net->real->stats.refused++;
        return false;
    }
    conn->stranger = true;
    net->strangers++;
    return true;
}

/* The handshake has ended well: who is it? */
static void greet(struct dfs_net_conn *conn)
{
    const enum dfs_status status =
        dfs_tls_identify(&conn->tls, conn->role, conn->has_node ? &conn->node : NULL, &conn->peer);

    if (status != DFS_OK || !is_welcome(conn)) {
        dfs_conn_fail(conn, status);
        return;
    }
    (void)uv_timer_stop(&conn->timer);
    conn->net->shaking_count -= dfs_list_linked(&conn->shaking);
    dfs_list_remove(&conn->shaking);
    conn->phase = conn->forgotten ? DFS_CONN_DRAINING : DFS_CONN_OPEN;
    if (conn->phase == DFS_CONN_DRAINING)
        dfs_conn_start_timer(conn, DFS_REAL_DRAIN_MS);
    dfs_conn_find_cuts(conn);
    conn->write_due = true;
    conn->read_due = true; /* the first frame may have come with the handshake */
    dfs_conn_make_due(conn);
    introduce(conn);
}

static void handshake_broke(struct dfs_net_conn *conn)
{
    struct dfs_real *real = conn->net->real;
    char text[DFS_ENDPOINT_TEXT_BYTES];

    (void)dfs_tls_flush(&conn->tls); /* the alert says why */
    real->stats.handshakes_failed++;
    dfs_endpoint_print(&conn->addr, text);
    dfs_real_log(real, DFS_REAL_DEBUG, "tls: the handshake with %s failed", text);
    dfs_conn_fail(conn, conn->tls.error != 0 ? dfs_conn_status(conn->tls.error) : dfs_tls_failure(&conn->tls));
}

void dfs_conn_shake_hands(struct dfs_net_conn *conn)
{
    enum dfs_tls_result result;
    enum dfs_tls_result flushed;

    if (conn->cut_in || conn->cut_out)
        return;
    conn->tls.drained = false;
    result = dfs_tls_handshake(&conn->tls);
    if (result == DFS_TLS_BROKEN || result == DFS_TLS_ENDED) {
        handshake_broke(conn);
        return;
    }
    flushed = dfs_tls_flush(&conn->tls);
    conn->blocked = flushed == DFS_TLS_AGAIN;
    if (flushed == DFS_TLS_BROKEN)
        handshake_broke(conn);
    else if (result == DFS_TLS_DONE)
        greet(conn);
}

void dfs_conn_finish_connect(struct dfs_net_conn *conn)
{
    const int error = dfs_conn_socket_error(conn);

    if (error != 0) {
        dfs_conn_fail(conn, dfs_conn_status(error));
        return;
    }
    conn->phase = DFS_CONN_HANDSHAKING;
    dfs_tls_connect(&conn->tls, &conn->net->tls, conn->fd, &conn->addr, conn->role,
                    conn->has_node ? &conn->node : NULL);
    dfs_conn_shake_hands(conn);
}

/* 0 or errno. */
static int start_connect(struct dfs_net_conn *conn)
{
    const struct dfs_real_config *config = &conn->net->real->config;
    struct sockaddr_storage to;
    const socklen_t size = dfs_endpoint_to_system(&conn->addr, &to);
    const int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    int error;

    if (fd < 0)
        return errno;
    error = dfs_conn_use(conn, fd);
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    set_options(conn->net, fd, &conn->addr);
    if (config->binds_source && dfs_endpoint_is_v4(&config->source) == dfs_endpoint_is_v4(&conn->addr)) {
        struct dfs_addr source = config->source;
        struct sockaddr_storage from;

        source.port = 0;
        set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        if (bind(fd, (const struct sockaddr *)&from, dfs_endpoint_to_system(&source, &from)) != 0)
            return errno;
    }
    if (connect(fd, (const struct sockaddr *)&to, size) != 0 && errno != EINPROGRESS)
        return errno;
    dfs_conn_watch(conn);
    return 0;
}

void dfs_conn_try_connect(struct dfs_net_conn *conn)
{
    int error;

    if (conn->fd >= 0 || conn->dropped || conn->cut_in || conn->cut_out)
        return; /* as if the SYN were lost: the timer ends it */
    error = start_connect(conn);
    if (error == 0)
        return;
    if (error == EMFILE || error == ENFILE)
        dfs_real_log(conn->net->real, DFS_REAL_ERROR, "net: connect: %s", strerror(error));
    dfs_conn_doom(conn, dfs_conn_status(error));
}

static void judge_connect(struct dfs_net_conn *conn)
{
    const struct dfs_fault_subject subject = {.passing = DFS_FAULT_CONNECT, .addr = &conn->addr};
    dfs_duration_ns delay;

    switch (dfs_fault_judge(&conn->net->real->fault, &subject, &delay)) {
    case DFS_FAULT_PASS:
    case DFS_FAULT_DELAY: /* frames are delayed; a late connect is not told from a slow one */
        break;
    case DFS_FAULT_DROP:
        conn->dropped = true;
        break;
    case DFS_FAULT_CUT:
        dfs_conn_doom(conn, DFS_UNREACHABLE);
        break;
    }
}

dfs_conn dfs_net_connect(void *ctx, const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node,
                         void *user)
{
    struct dfs_real *real = ctx;
    struct dfs_net_conn *conn = dfs_conn_new(&real->net, to, true);

    conn->role = role;
    conn->user = user;
    conn->has_node = node != NULL;
    if (node != NULL)
        conn->node = *node;
    dfs_conn_start_timer(conn, real->config.handshake_ms);
    dfs_conn_find_cuts(conn);
    judge_connect(conn);
    if (!conn->doomed)
        dfs_conn_try_connect(conn);
    return conn->id;
}

/* Accepting --------------------------------------------------------------------------------------------------------- */

static void on_listener(uv_poll_t *handle, int status, int events);

static void on_accept_pause(uv_timer_t *handle)
{
    dfs_net_listen(handle->data);
}

void dfs_net_listen(struct dfs_net *net)
{
    net->listening = net->listener >= 0;
    if (net->listening)
        (void)uv_poll_start(net->listener_poll, UV_READABLE, on_listener);
}

/* Strangers who say nothing may not keep others out: the one who has had the most time goes. */
static void limit_handshakes(struct dfs_net *net)
{
    struct dfs_net_conn *oldest;

    if (net->shaking_count <= DFS_REAL_HANDSHAKES_MAX)
        return;
    oldest = dfs_container_of(dfs_list_first(&net->shaking), struct dfs_net_conn, shaking);
    net->real->stats.handshakes_failed++;
    dfs_conn_bury(oldest);
}

static void welcome(struct dfs_net *net, int fd, const struct sockaddr_storage *from)
{
    struct dfs_net_conn *conn;
    struct dfs_addr addr;

    dfs_endpoint_from_system(from, &addr);
    conn = dfs_conn_new(net, &addr, false);
    if (dfs_conn_use(conn, fd) != 0) {
        (void)close(fd);
        dfs_conn_bury(conn);
        return;
    }
    set_options(net, fd, &addr);
    dfs_tls_accept(&conn->tls, &net->tls, fd);
    dfs_conn_start_timer(conn, net->real->config.handshake_ms);
    dfs_conn_find_cuts(conn);
    dfs_list_push(&net->shaking, &conn->shaking);
    net->shaking_count++;
    limit_handshakes(net);
    dfs_conn_watch(conn);
}

/* False: none waits, or the system has no room for one. */
static bool accept_one(struct dfs_net *net)
{
    struct sockaddr_storage from = {0};
    socklen_t size = sizeof from;
    const int fd = accept4(net->listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        welcome(net, fd, &from);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        dfs_real_log(net->real, DFS_REAL_ERROR, "net: accept: %s", strerror(errno));
        (void)uv_poll_stop(net->listener_poll); /* it would be readable again at once */
        (void)uv_timer_start(&net->accept_pause, on_accept_pause, DFS_REAL_ACCEPT_PAUSE_MS, 0);
    }
    return errno == ECONNABORTED || errno == EINTR;
}

static void on_listener(uv_poll_t *handle, int status, int events)
{
    struct dfs_net *net = handle->data;

    (void)events;
    if (status < 0)
        dfs_net_listen(net); /* libuv has stopped it */
    for (int i = 0; i < DFS_REAL_ACCEPTS_PER_TURN && accept_one(net); i++)
        ;
    dfs_real_settle(net->real);
}

/* 0 or errno. */
static int bind_listener(int fd, const struct sockaddr_storage *to, socklen_t size)
{
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (to->ss_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, (const struct sockaddr *)to, size) != 0 || listen(fd, DFS_REAL_BACKLOG) != 0)
        return errno;
    return 0;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage system = {0};
    socklen_t size = sizeof system;
    struct dfs_addr addr;

    (void)getsockname(fd, (struct sockaddr *)&system, &size);
    dfs_endpoint_from_system(&system, &addr);
    return addr.port;
}

int dfs_net_bind(struct dfs_net *net, const struct dfs_addr *addr)
{
    struct sockaddr_storage to;
    const socklen_t size = dfs_endpoint_to_system(addr, &to);
    const int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error;
    int rc;

    if (fd < 0)
        return errno;
    error = bind_listener(fd, &to, size);
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    set_options(net, fd, addr);
    net->listener_poll = dfs_alloc_zero(sizeof *net->listener_poll);
    rc = uv_poll_init(&net->real->loop, net->listener_poll, fd);
    DFS_ASSERT(rc == 0);
    net->listener_poll->data = net;
    net->listener = fd;
    net->port = bound_port(fd);
    return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
    dfs_free(handle);
}

void dfs_net_unbind(struct dfs_net *net)
{
    if (net->listener < 0)
        return;
    uv_close((uv_handle_t *)net->listener_poll, on_listener_closed);
    (void)close(net->listener);
    net->listener_poll = NULL;
    net->listener = -1;
}
