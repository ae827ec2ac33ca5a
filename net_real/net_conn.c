#include "net_real/net_conn.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/endpoint.h"
#include "net_real/host.h"
#include "net_real/limits.h"
#include "net_real/os.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 *   CONNECTING ──► HANDSHAKING ──► OPEN ──► DRAINING ──► LINGERING ──► GONE
 *
 * with a way from each to GONE. An accepted one begins with HANDSHAKING. The machine knows a connection until it called close() or got
 * EV_CLOSED; DRAINING and LINGERING happen without it.
 */
enum phase { CONNECTING, HANDSHAKING, OPEN, DRAINING, LINGERING, GONE };

/* One of the queue: a chunk of control bytes or a bulk. */
struct item {
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
    struct dfs_list due; /* in net->now or net->later */
    dfs_conn id;
    enum phase phase;
    bool outgoing;
    bool introduced; /* the machine got EV_OPEN or EV_ACCEPT */
    bool forgotten;  /* the machine called close() */
    bool dropped;    /* a fault: the connect goes nowhere */
    bool stranger;   /* counted in net->strangers */

    int fd;
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
    uint64_t turn; /* to which the two counts belong */
    size_t turn_read;
    size_t turn_written;
    uint64_t sent;      /* plain bytes, over its life */
    uint64_t sent_seen; /* when the drain was last looked at */
    size_t discarded;
};

static void on_poll(uv_poll_t *handle, int status, int events);

/* Names ------------------------------------------------------------------------------------------------------------- */

#define SLOT_MASK ((UINT64_C(1) << DFS_REAL_CONNECTION_SLOT_BITS) - 1)

static void grow_slots(struct dfs_net *net)
{
    const uint32_t old = net->slot_count;
    const uint32_t count = old == 0 ? 64 : 2 * old;

    DFS_ASSERT(count <= SLOT_MASK + 1);
    net->slots = dfs_realloc_array(net->slots, count, sizeof net->slots[0]);
    net->free_slots = dfs_realloc_array(net->free_slots, count, sizeof net->free_slots[0]);
    for (uint32_t slot = count; slot > old; slot--) {
        net->slots[slot - 1] = NULL;
        net->free_slots[net->free_count++] = slot - 1;
    }
    net->slot_count = count;
}

static void name_conn(struct dfs_net *net, struct dfs_net_conn *conn)
{
    uint32_t slot;

    if (net->free_count == 0)
        grow_slots(net);
    slot = net->free_slots[--net->free_count];
    net->slots[slot] = conn;
    conn->id = (++net->made << DFS_REAL_CONNECTION_SLOT_BITS) | slot;
}

static void unname_conn(struct dfs_net *net, struct dfs_net_conn *conn)
{
    const uint32_t slot = (uint32_t)(conn->id & SLOT_MASK);

    if (net->slots[slot] != conn)
        return;
    net->slots[slot] = NULL;
    net->free_slots[net->free_count++] = slot;
}

/* NULL for a handle that is dead. */
static struct dfs_net_conn *find_conn(struct dfs_net *net, dfs_conn id)
{
    const uint64_t slot = id & SLOT_MASK;
    struct dfs_net_conn *conn = slot < net->slot_count ? net->slots[slot] : NULL;

    return conn != NULL && conn->id == id && !conn->forgotten ? conn : NULL;
}

static struct dfs_net_conn *conn_new(struct dfs_net *net, const struct dfs_addr *addr, bool outgoing)
{
    struct dfs_net_conn *conn = dfs_alloc_zero(sizeof *conn);

    conn->net = net;
    conn->fd = -1;
    conn->addr = *addr;
    conn->outgoing = outgoing;
    conn->phase = outgoing ? CONNECTING : HANDSHAKING;
    dfs_list_init(&conn->due);
    dfs_list_init(&conn->queue);
    dfs_list_push(&net->conns, &conn->link);
    name_conn(net, conn);
    (void)uv_timer_init(&net->real->loop, &conn->timer);
    conn->timer.data = conn;
    conn->handles = 1;
    net->handles++;
    net->accepted += !outgoing;
    return conn;
}

/* What is due ------------------------------------------------------------------------------------------------------- */

static void make_due(struct dfs_net_conn *conn)
{
    dfs_list_remove(&conn->due);
    dfs_list_push(&conn->net->now, &conn->due);
}

static void doom_conn(struct dfs_net_conn *conn, enum dfs_status status)
{
    if (!conn->doomed)
        conn->doom = status;
    conn->doomed = true;
    make_due(conn);
}

/* Both shares begin anew with each turn of the loop. */
static void refresh_turn(struct dfs_net_conn *conn)
{
    if (conn->turn == conn->net->turn)
        return;
    conn->turn = conn->net->turn;
    conn->turn_read = 0;
    conn->turn_written = 0;
}

static void wait_for_turn(struct dfs_net_conn *conn)
{
    if (!dfs_list_linked(&conn->due))
        dfs_list_push(&conn->net->later, &conn->due);
}

/* What the kernel should tell us about. */
static int wanted_events(const struct dfs_net_conn *conn)
{
    const int writable = conn->blocked && !conn->cut_out ? UV_WRITABLE : 0;

    switch (conn->phase) {
    case CONNECTING:
        return conn->cut_in || conn->cut_out ? 0 : UV_WRITABLE;
    case HANDSHAKING:
        return conn->cut_in || conn->cut_out ? 0 : UV_READABLE | writable;
    case OPEN:
        if (conn->cut_in)
            return writable;
        if (conn->sink != NULL && !conn->paused)
            return writable | UV_READABLE;
        return writable | (conn->hung_up ? 0 : UV_DISCONNECT);
    case DRAINING:
    case LINGERING:
        return (conn->cut_in ? 0 : UV_READABLE) | writable;
    case GONE:
        return 0;
    }
    dfs_unreachable("phase");
}

static void watch(struct dfs_net_conn *conn)
{
    const int events = wanted_events(conn);

    if (!conn->has_poll || conn->phase == GONE || events == conn->watched)
        return;
    if (events == 0)
        (void)uv_poll_stop(&conn->poll);
    else
        (void)uv_poll_start(&conn->poll, events, on_poll);
    conn->watched = events;
}

/* The end ----------------------------------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct dfs_net_conn *conn = handle->data;

    conn->net->handles--;
    if (--conn->handles == 0)
        dfs_free(conn);
}

static void free_item(struct dfs_net *net, struct item *item)
{
    if (item->bulk == NULL && net->spare_chunk == NULL)
        net->spare_chunk = item;
    else
        dfs_free(item);
}

/* Frames that will not leave. */
static void purge_queue(struct dfs_net_conn *conn)
{
    struct dfs_list *link;

    while ((link = dfs_list_pop(&conn->queue)) != NULL) {
        struct item *item = dfs_container_of(link, struct item, link);

        if (item->bulk != NULL) {
            dfs_buf_unref(item->bulk);
            conn->net->real->tick_due = true; /* whoever waits for a buffer in the machine has to learn of it */
        }
        free_item(conn->net, item);
    }
    conn->control_bytes = 0;
}

static void close_descriptor(struct dfs_net_conn *conn)
{
    const struct linger at_once = {.l_onoff = 1};

    if (conn->fd < 0)
        return;
    if (conn->reset)
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)close(conn->fd);
    conn->fd = -1;
}

/* The connection is over: everything goes but the memory of its handles. */
static void bury(struct dfs_net_conn *conn)
{
    struct dfs_net *net = conn->net;

    DFS_ASSERT(conn->phase != GONE);
    conn->phase = GONE;
    purge_queue(conn);
    dfs_list_remove(&conn->due);
    dfs_list_remove(&conn->link);
    unname_conn(net, conn);
    net->accepted -= !conn->outgoing;
    net->strangers -= conn->stranger;
    dfs_tls_stream_close(&conn->tls);
    if (conn->has_poll) {
        (void)uv_poll_stop(&conn->poll);
        uv_close((uv_handle_t *)&conn->poll, on_handle_closed);
    }
    uv_close((uv_handle_t *)&conn->timer, on_handle_closed);
    close_descriptor(conn);
    net->real->stats.connections--;
    if (net->listening)
        dfs_net_listen(net); /* it may have stopped for want of room */
}

/* Ends it and tells the machine, if that knows it. */
static void fail(struct dfs_net_conn *conn, enum dfs_status status)
{
    struct dfs_real *real = conn->net->real;
    const bool tell = !conn->forgotten && (conn->outgoing || conn->introduced);
    const bool tick_due = real->tick_due;
    struct dfs_event event = {
        .kind = DFS_EV_CLOSED, .net = {.conn = conn->id, .user = conn->user, .status = status}};

    if (status == DFS_OK && conn->phase == OPEN) {
        dfs_tls_finish(&conn->tls);
        (void)dfs_tls_flush(&conn->tls);
    }
    bury(conn);
    if (!tell)
        return;
    real->tick_due = tick_due; /* this step does as well */
    dfs_real_deliver(real, &event);
}

static enum dfs_status status_of_socket(int error)
{
    return error == ETIMEDOUT ? DFS_TIMEOUT : DFS_UNREACHABLE;
}

static int socket_error(const struct dfs_net_conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    return error;
}

/* Writing ----------------------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *handle);

static void start_timer(struct dfs_net_conn *conn, uint64_t ms)
{
    uv_update_time(&conn->net->real->loop);
    (void)uv_timer_start(&conn->timer, on_timer, ms, 0);
}

/* The first item that may leave now. One that a fault holds back sets the timer. */
static struct item *next_item(struct dfs_net_conn *conn)
{
    struct dfs_list *link = dfs_list_first(&conn->queue);
    struct item *item = link == NULL ? NULL : dfs_container_of(link, struct item, link);
    dfs_time_ns now;

    if (item == NULL || item->not_before == 0)
        return item;
    now = dfs_os_mono();
    if (item->not_before <= now) {
        item->not_before = 0;
        return item;
    }
    start_timer(conn, (item->not_before - now + DFS_MILLISECONDS - 1) / DFS_MILLISECONDS);
    return NULL;
}

/* The frame's bytes are with TLS: the buffer is the machine's alone again. */
static void tell_sent(struct dfs_net_conn *conn, struct dfs_buf *bulk)
{
    struct dfs_event event = {.kind = DFS_EV_SENT, .net = {.conn = conn->id, .user = conn->user, .bulk = bulk}};

    dfs_buf_unref(bulk);
    if (conn->forgotten)
        conn->net->real->tick_due = true;
    else
        dfs_real_deliver(conn->net->real, &event);
}

static void finish_item(struct dfs_net_conn *conn, struct item *item)
{
    struct dfs_buf *bulk = item->bulk;

    dfs_list_remove(&item->link);
    free_item(conn->net, item);
    if (bulk != NULL)
        tell_sent(conn, bulk);
}

static const uint8_t *item_bytes(const struct item *item)
{
    return item->bulk != NULL ? item->bulk->bytes + item->bulk_offset + item->at : item->bytes + item->at;
}

/* Encrypts until the output buffer is full, the queue empty or the share used. False: the stream broke. */
static bool fill_output(struct dfs_net_conn *conn)
{
    struct item *item;
    size_t room;

    while ((conn->phase == OPEN || conn->phase == DRAINING) && !conn->doomed &&
           conn->turn_written < DFS_REAL_TURN_BYTES && (room = dfs_tls_room(&conn->tls)) > 0 &&
           (item = next_item(conn)) != NULL) {
        const size_t left = item->count - item->at;
        const size_t count = left < room ? left : room;

        if (count > 0 && dfs_tls_write(&conn->tls, item_bytes(item), count) != DFS_TLS_DONE)
            return false;
        item->at += count;
        conn->turn_written += count;
        conn->sent += count;
        conn->net->real->stats.sent_bytes += count;
        if (item->bulk == NULL)
            conn->control_bytes -= count;
        if (item->at == item->count)
            finish_item(conn, item);
    }
    return true;
}

/* All is written: say so to the peer, then wait for his end. */
static void end_output(struct dfs_net_conn *conn)
{
    dfs_tls_finish(&conn->tls);
    switch (dfs_tls_flush(&conn->tls)) {
    case DFS_TLS_DONE:
        break;
    case DFS_TLS_AGAIN:
        conn->blocked = true;
        break;
    case DFS_TLS_ENDED:
    case DFS_TLS_BROKEN:
        bury(conn);
        return;
    }
    conn->phase = LINGERING;
    if (!conn->blocked)
        (void)shutdown(conn->fd, SHUT_WR);
    start_timer(conn, conn->blocked ? DFS_REAL_DRAIN_MS : DFS_REAL_LINGER_MS);
}

static void write_broke(struct dfs_net_conn *conn)
{
    fail(conn, status_of_socket(conn->tls.error));
}

/* In OPEN or DRAINING. The connection may be GONE afterwards. */
static void write_some(struct dfs_net_conn *conn)
{
    conn->write_due = false;
    refresh_turn(conn);
    while (!conn->cut_out) {
        enum dfs_tls_result flushed;

        if (!fill_output(conn)) {
            write_broke(conn);
            return;
        }
        flushed = dfs_tls_flush(&conn->tls);
        conn->blocked = flushed == DFS_TLS_AGAIN;
        if (flushed == DFS_TLS_BROKEN) {
            write_broke(conn);
            return;
        }
        if (conn->blocked || conn->doomed)
            return;
        if (conn->turn_written >= DFS_REAL_TURN_BYTES && !dfs_list_empty(&conn->queue)) {
            conn->write_due = true;
            wait_for_turn(conn);
            return;
        }
        if (dfs_list_empty(&conn->queue)) {
            if (conn->phase == DRAINING)
                end_output(conn);
            return;
        }
        if (next_item(conn) == NULL)
            return; /* held back by a fault */
    }
}

/* Reading ----------------------------------------------------------------------------------------------------------- */

static void tell_received(struct dfs_net_conn *conn)
{
    struct dfs_event event = {.kind = DFS_EV_RECV, .net = {.conn = conn->id, .user = conn->user}};

    dfs_real_deliver(conn->net->real, &event);
}

static void read_ended(struct dfs_net_conn *conn, enum dfs_tls_result result)
{
    if (result == DFS_TLS_ENDED)
        fail(conn, DFS_OK);
    else
        fail(conn, status_of_socket(conn->tls.error));
}

static bool may_read(const struct dfs_net_conn *conn)
{
    return conn->phase == OPEN && !conn->doomed && conn->sink != NULL && !conn->cut_in;
}

/* From the stream straight into the sink's memory, until there is no more, no room, or the share of this turn is used. */
static void read_some(struct dfs_net_conn *conn)
{
    conn->read_due = false;
    conn->paused = false;
    conn->hung_up = false;
    conn->tls.drained = false;
    refresh_turn(conn);
    while (may_read(conn)) {
        enum dfs_tls_result result;
        uint8_t *at = NULL;
        size_t room;
        size_t count;

        if (conn->turn_read >= DFS_REAL_TURN_BYTES) {
            conn->read_due = true;
            wait_for_turn(conn);
            return;
        }
        room = conn->sink->want(conn->sink, &at);
        if (room == 0) {
            conn->paused = true;
            return;
        }
        result = dfs_tls_read(&conn->tls, at, room, &count);
        if (result == DFS_TLS_AGAIN) {
            /* TLS may have had something to say (a new key, asked for by the peer). */
            conn->write_due |= dfs_tls_has_output(&conn->tls);
            if (conn->write_due)
                make_due(conn);
            return;
        }
        if (result != DFS_TLS_DONE) {
            read_ended(conn, result);
            return;
        }
        DFS_ASSERT(count > 0 && count <= room);
        conn->turn_read += count;
        conn->net->real->stats.received_bytes += count;
        if (conn->sink->got(conn->sink, count))
            tell_received(conn);
    }
}

/* What comes after close() is taken off the kernel, so that it does not answer with RST, and thrown away. */
static void discard_input(struct dfs_net_conn *conn)
{
    uint8_t bytes[16384];

    for (;;) {
        const ssize_t got = recv(conn->fd, bytes, sizeof bytes, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        conn->discarded += got > 0 ? (size_t)got : 0;
        if (got <= 0 || conn->discarded > DFS_REAL_LINGER_BYTES) {
            bury(conn);
            return;
        }
    }
}

/* The beginning ----------------------------------------------------------------------------------------------------- */

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static void set_options(struct dfs_net *net, int fd)
{
    const char *congestion = net->real->config.congestion;

    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, DFS_REAL_KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, DFS_REAL_KEEPALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, DFS_REAL_KEEPALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, DFS_REAL_USER_TIMEOUT_MS);
    if (congestion != NULL)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t)strlen(congestion));
}

static void use_descriptor(struct dfs_net_conn *conn, int fd)
{
    const int rc = uv_poll_init(&conn->net->real->loop, &conn->poll, fd);

    DFS_ASSERT(rc == 0);
    conn->fd = fd;
    conn->poll.data = conn;
    conn->has_poll = true;
    conn->handles++;
    conn->net->handles++;
}

static const struct dfs_id *known_node(const struct dfs_net_conn *conn)
{
    if (conn->peer.kind == DFS_PEER_NODE)
        return &conn->peer.node;
    return conn->has_node ? &conn->node : NULL;
}

static void find_cuts(struct dfs_net_conn *conn)
{
    if (conn->net->real->fault.cut_count > 0 || conn->cut_in || conn->cut_out)
        dfs_fault_find(&conn->net->real->fault, &conn->addr, known_node(conn), &conn->cut_in, &conn->cut_out);
}

static void introduce(struct dfs_net_conn *conn)
{
    struct dfs_event event = {
        .kind = conn->outgoing ? DFS_EV_OPEN : DFS_EV_ACCEPT,
        .net = {.conn = conn->id, .user = conn->user, .peer = &conn->peer, .addr = &conn->addr},
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

/* Only nodes of the cluster pass when the house is full. */
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
        fail(conn, status);
        return;
    }
    (void)uv_timer_stop(&conn->timer);
    conn->phase = conn->forgotten ? DRAINING : OPEN;
    if (conn->phase == DRAINING)
        start_timer(conn, DFS_REAL_DRAIN_MS);
    find_cuts(conn);
    conn->write_due = true;
    conn->read_due = true; /* the first frame may have come with the handshake */
    make_due(conn);
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
    fail(conn, conn->tls.error != 0 ? status_of_socket(conn->tls.error) : dfs_tls_failure(&conn->tls));
}

static void shake_hands(struct dfs_net_conn *conn)
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

static void finish_connect(struct dfs_net_conn *conn)
{
    const int error = socket_error(conn);

    if (error != 0) {
        fail(conn, status_of_socket(error));
        return;
    }
    conn->phase = HANDSHAKING;
    dfs_tls_connect(&conn->tls, &conn->net->tls, conn->fd, &conn->addr, conn->role, conn->has_node ? &conn->node : NULL);
    shake_hands(conn);
}

/* 0 or errno. */
static int start_connect(struct dfs_net_conn *conn)
{
    const struct dfs_real_config *config = &conn->net->real->config;
    struct sockaddr_storage to;
    const socklen_t size = dfs_endpoint_to_system(&conn->addr, &to);
    const int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno;
    use_descriptor(conn, fd);
    set_options(conn->net, fd);
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
    watch(conn);
    return 0;
}

static void try_connect(struct dfs_net_conn *conn)
{
    int error;

    if (conn->fd >= 0 || conn->dropped || conn->cut_in || conn->cut_out)
        return; /* as if the SYN were lost: the timer ends it */
    error = start_connect(conn);
    if (error == 0)
        return;
    if (error == EMFILE || error == ENFILE)
        dfs_real_log(conn->net->real, DFS_REAL_ERROR, "net: connect: %s", strerror(error));
    doom_conn(conn, status_of_socket(error));
}

/* Events of the loop ------------------------------------------------------------------------------------------------ */

static void on_error(struct dfs_net_conn *conn)
{
    const int error = socket_error(conn);

    if (conn->phase == OPEN)
        fail(conn, status_of_socket(error));
    else
        bury(conn);
}

static void on_open_ready(struct dfs_net_conn *conn, bool broken, int events)
{
    if (conn->phase == OPEN && (events & UV_WRITABLE) != 0)
        write_some(conn);
    if (conn->phase != OPEN)
        return;
    if (conn->sink != NULL && !conn->paused && !conn->cut_in) {
        if (broken || (events & UV_READABLE) != 0)
            read_some(conn); /* what had come before the end is still there */
        if (broken && conn->phase == OPEN && !conn->read_due && !conn->paused)
            on_error(conn);
    } else if (broken) {
        on_error(conn);
    } else if ((events & UV_DISCONNECT) != 0) {
        conn->hung_up = true;
    }
}

static void on_closing_ready(struct dfs_net_conn *conn, bool broken, int events)
{
    if (broken) {
        bury(conn);
        return;
    }
    if ((events & UV_WRITABLE) != 0 && conn->phase == DRAINING)
        write_some(conn);
    else if ((events & UV_WRITABLE) != 0 && dfs_tls_flush(&conn->tls) != DFS_TLS_AGAIN) {
        conn->blocked = false;
        (void)shutdown(conn->fd, SHUT_WR);
        start_timer(conn, DFS_REAL_LINGER_MS);
    }
    if (conn->phase != GONE && (events & UV_READABLE) != 0)
        discard_input(conn);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct dfs_net_conn *conn = handle->data;
    struct dfs_real *real = conn->net->real;
    const bool broken = status < 0;

    if (broken)
        conn->watched = 0; /* libuv has stopped it */
    switch (conn->phase) {
    case CONNECTING:
        finish_connect(conn);
        break;
    case HANDSHAKING:
        shake_hands(conn);
        break;
    case OPEN:
        on_open_ready(conn, broken, events);
        break;
    case DRAINING:
    case LINGERING:
        on_closing_ready(conn, broken, events);
        break;
    case GONE:
        return;
    }
    watch(conn);
    dfs_real_settle(real);
}

/* A peer that takes its time gets it, one that takes nothing does not. A frame that a fault held back is due now. */
static void drain_timed_out(struct dfs_net_conn *conn)
{
    const bool held_back = !conn->blocked && !conn->cut_out;

    if (conn->sent == conn->sent_seen && !held_back) {
        bury(conn);
        return;
    }
    conn->sent_seen = conn->sent;
    start_timer(conn, DFS_REAL_DRAIN_MS);
    conn->write_due = true;
    make_due(conn);
}

static void on_timer(uv_timer_t *handle)
{
    struct dfs_net_conn *conn = handle->data;
    struct dfs_real *real = conn->net->real;

    switch (conn->phase) {
    case CONNECTING:
    case HANDSHAKING:
        real->stats.handshakes_failed++;
        fail(conn, DFS_TIMEOUT);
        break;
    case OPEN:
        conn->write_due = true;
        make_due(conn);
        break;
    case DRAINING:
        drain_timed_out(conn);
        break;
    case LINGERING:
        bury(conn);
        break;
    case GONE:
        return;
    }
    dfs_real_settle(real);
}

static void turn_conn(struct dfs_net_conn *conn)
{
    if (conn->doomed) {
        if (conn->phase == DRAINING || conn->phase == LINGERING)
            bury(conn);
        else
            fail(conn, conn->doom);
        return;
    }
    if (conn->write_due && (conn->phase == OPEN || conn->phase == DRAINING))
        write_some(conn);
    if (conn->read_due && conn->phase == OPEN)
        read_some(conn);
    watch(conn);
}

void dfs_net_pump(struct dfs_net *net)
{
    struct dfs_list *link;

    while ((link = dfs_list_pop(&net->now)) != NULL)
        turn_conn(dfs_container_of(link, struct dfs_net_conn, due));
}

void dfs_net_next_turn(struct dfs_net *net)
{
    struct dfs_list *link;

    net->turn++;
    while ((link = dfs_list_pop(&net->later)) != NULL)
        dfs_list_push(&net->now, link);
}

/* Accepting --------------------------------------------------------------------------------------------------------- */

static void on_listener(uv_poll_t *handle, int status, int events);

static unsigned accepted_max(const struct dfs_net *net)
{
    return net->real->config.connections_max + DFS_REAL_CONNECTIONS_RESERVE;
}

static void on_accept_pause(uv_timer_t *handle)
{
    dfs_net_listen(handle->data);
}

void dfs_net_listen(struct dfs_net *net)
{
    net->listening = net->listener >= 0;
    if (net->listening && net->accepted < accepted_max(net) && !uv_is_active((uv_handle_t *)net->listener_poll))
        (void)uv_poll_start(net->listener_poll, UV_READABLE, on_listener);
}

static void welcome(struct dfs_net *net, int fd, const struct sockaddr_storage *from)
{
    struct dfs_net_conn *conn;
    struct dfs_addr addr;

    dfs_endpoint_from_system(from, &addr);
    conn = conn_new(net, &addr, false);
    net->real->stats.connections++;
    use_descriptor(conn, fd);
    set_options(net, fd);
    dfs_tls_accept(&conn->tls, &net->tls, fd);
    start_timer(conn, DFS_REAL_HANDSHAKE_MS);
    find_cuts(conn);
    watch(conn);
}

static void on_listener(uv_poll_t *handle, int status, int events)
{
    struct dfs_net *net = handle->data;

    (void)status;
    (void)events;
    for (int i = 0; i < DFS_REAL_ACCEPTS_PER_TURN && net->accepted < accepted_max(net); i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        const int fd = accept4(net->listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            welcome(net, fd, &from);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            dfs_real_log(net->real, DFS_REAL_ERROR, "net: accept: %s", strerror(errno));
            (void)uv_poll_stop(net->listener_poll);
            (void)uv_timer_start(&net->accept_pause, on_accept_pause, DFS_REAL_ACCEPT_PAUSE_MS, 0);
        }
        break; /* none waits, or one that gave up while waiting */
    }
    if (net->accepted >= accepted_max(net))
        (void)uv_poll_stop(net->listener_poll);
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
    set_options(net, fd);
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

/* Verbs ------------------------------------------------------------------------------------------------------------- */

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
        doom_conn(conn, DFS_UNREACHABLE);
        break;
    }
}

dfs_conn dfs_net_connect(void *ctx, const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node, void *user)
{
    struct dfs_real *real = ctx;
    struct dfs_net_conn *conn = conn_new(&real->net, to, true);

    real->stats.connections++;
    conn->role = role;
    conn->user = user;
    conn->has_node = node != NULL;
    if (node != NULL)
        conn->node = *node;
    start_timer(conn, DFS_REAL_HANDSHAKE_MS);
    find_cuts(conn);
    judge_connect(conn);
    if (!conn->doomed)
        try_connect(conn);
    return conn->id;
}

void dfs_net_attach(void *ctx, dfs_conn id, struct dfs_sink *sink, void *user)
{
    struct dfs_real *real = ctx;
    struct dfs_net_conn *conn = find_conn(&real->net, id);

    if (conn == NULL)
        return;
    DFS_ASSERT(conn->sink == NULL && sink != NULL);
    conn->sink = sink;
    conn->user = user;
    conn->read_due = true;
    make_due(conn);
}

void dfs_net_resume(void *ctx, dfs_conn id)
{
    struct dfs_real *real = ctx;
    struct dfs_net_conn *conn = find_conn(&real->net, id);

    if (conn == NULL || !conn->paused)
        return;
    conn->read_due = true;
    make_due(conn);
}

/* The chunk at the end of the queue if it takes more, otherwise a new one. */
static struct item *open_chunk(struct dfs_net_conn *conn, dfs_time_ns not_before)
{
    struct dfs_net *net = conn->net;
    struct item *last =
        dfs_list_empty(&conn->queue) ? NULL : dfs_container_of(conn->queue.prev, struct item, link);

    if (last != NULL && last->bulk == NULL && last->count < DFS_REAL_CHUNK_BYTES && not_before == 0)
        return last;
    last = net->spare_chunk != NULL ? net->spare_chunk : dfs_alloc(sizeof *last + DFS_REAL_CHUNK_BYTES);
    net->spare_chunk = NULL;
    *last = (struct item){.not_before = not_before};
    dfs_list_push(&conn->queue, &last->link);
    return last;
}

static void queue_control(struct dfs_net_conn *conn, const uint8_t *bytes, size_t count, dfs_time_ns not_before)
{
    conn->control_bytes += count;
    while (count > 0) {
        struct item *chunk = open_chunk(conn, not_before);
        const size_t room = DFS_REAL_CHUNK_BYTES - chunk->count;
        const size_t part = count < room ? count : room;

        memcpy(chunk->bytes + chunk->count, bytes, part);
        chunk->count += part;
        bytes += part;
        count -= part;
        not_before = 0;
    }
}

static void queue_bulk(struct dfs_net_conn *conn, struct dfs_buf *bulk, size_t offset, size_t count)
{
    struct item *item = dfs_alloc_zero(sizeof *item);

    item->bulk = dfs_buf_ref(bulk);
    item->bulk_offset = offset;
    item->count = count;
    dfs_list_push(&conn->queue, &item->link);
}

/* False: the frame does not leave. */
static bool judge_frame(struct dfs_net_conn *conn, const void *head, size_t head_bytes, dfs_time_ns *ret_not_before)
{
    const struct dfs_fault_subject subject = {
        .passing = DFS_FAULT_FRAME_OUT,
        .addr = &conn->addr,
        .peer = conn->introduced ? &conn->peer : NULL,
        .bytes = head,
        .count = head_bytes,
    };
    dfs_duration_ns delay;

    switch (dfs_fault_judge(&conn->net->real->fault, &subject, &delay)) {
    case DFS_FAULT_PASS:
        return true;
    case DFS_FAULT_DELAY:
        *ret_not_before = dfs_time_add(dfs_os_mono(), delay);
        return true;
    case DFS_FAULT_CUT:
        conn->reset = true;
        doom_conn(conn, DFS_UNREACHABLE);
        return false;
    case DFS_FAULT_DROP:
        return false;
    }
    dfs_unreachable("verdict");
}

void dfs_net_send(void *ctx, dfs_conn id, const void *head, size_t head_bytes, struct dfs_buf *bulk, size_t bulk_offset,
                  size_t bulk_bytes)
{
    struct dfs_real *real = ctx;
    struct dfs_net_conn *conn = find_conn(&real->net, id);
    dfs_time_ns not_before = 0;

    if (conn == NULL || conn->doomed)
        return;
    DFS_ASSERT(bulk == NULL || (bulk_bytes > 0 && bulk_offset + bulk_bytes <= bulk->capacity));
    if (real->fault.filter != NULL && !judge_frame(conn, head, head_bytes, &not_before)) {
        head_bytes = 0;
        bulk_bytes = 0; /* EV_SENT comes all the same: the machine must not learn of it from its own transport */
    }
    if (conn->control_bytes + head_bytes > DFS_SEND_QUEUE_BYTES_MAX) {
        doom_conn(conn, DFS_TOO_LARGE);
        return;
    }
    queue_control(conn, head, head_bytes, not_before);
    if (bulk != NULL)
        queue_bulk(conn, bulk, bulk_offset, bulk_bytes);
    conn->write_due = true;
    make_due(conn);
}

void dfs_net_close(void *ctx, dfs_conn id)
{
    struct dfs_real *real = ctx;
    struct dfs_net_conn *conn = find_conn(&real->net, id);

    if (conn == NULL)
        return;
    conn->forgotten = true;
    conn->sink = NULL;
    conn->user = NULL;
    if (conn->doomed)
        return;
    if (conn->phase == OPEN) {
        conn->phase = DRAINING;
        conn->write_due = true;
        start_timer(conn, DFS_REAL_DRAIN_MS);
        make_due(conn);
    } else if (dfs_list_empty(&conn->queue)) {
        doom_conn(conn, DFS_OK); /* nothing was said and nothing waits to be said */
    }
}

/* Faults ------------------------------------------------------------------------------------------------------------ */

void dfs_net_recut(struct dfs_net *net)
{
    dfs_list_each(link, &net->conns) {
        struct dfs_net_conn *conn = dfs_container_of(link, struct dfs_net_conn, link);

        find_cuts(conn);
        conn->write_due = true;
        conn->read_due = true;
        make_due(conn);
        if (conn->phase == CONNECTING)
            try_connect(conn);
    }
}

unsigned dfs_net_reset(struct dfs_net *net, const struct dfs_fault_match *whom)
{
    unsigned count = 0;

    dfs_list_each(link, &net->conns) {
        struct dfs_net_conn *conn = dfs_container_of(link, struct dfs_net_conn, link);

        if (!dfs_fault_matches(whom, &conn->addr, known_node(conn)))
            continue;
        conn->reset = true;
        doom_conn(conn, DFS_UNREACHABLE);
        count++;
    }
    return count;
}

/* Life -------------------------------------------------------------------------------------------------------------- */

void dfs_net_init(struct dfs_net *net, struct dfs_real *real)
{
    *net = (struct dfs_net){.real = real, .listener = -1};
    dfs_list_init(&net->conns);
    dfs_list_init(&net->now);
    dfs_list_init(&net->later);
    (void)uv_timer_init(&real->loop, &net->accept_pause);
    net->accept_pause.data = net;
}

void dfs_net_abort(struct dfs_net *net)
{
    if (net->listening)
        (void)uv_poll_stop(net->listener_poll);
    net->listening = false;
    dfs_list_each(link, &net->conns) {
        struct dfs_net_conn *conn = dfs_container_of(link, struct dfs_net_conn, link);

        if (conn->phase == OPEN || conn->phase == DRAINING) {
            dfs_tls_finish(&conn->tls);
            (void)dfs_tls_flush(&conn->tls);
        }
        bury(conn);
    }
}

void dfs_net_close_all(struct dfs_net *net)
{
    DFS_ASSERT(net->handles == 0);
    dfs_net_unbind(net);
    uv_close((uv_handle_t *)&net->accept_pause, NULL);
    dfs_tls_close(&net->tls);
    dfs_free(net->slots);
    dfs_free(net->free_slots);
    dfs_free(net->spare_chunk);
    net->slots = NULL;
    net->free_slots = NULL;
    net->spare_chunk = NULL;
}
