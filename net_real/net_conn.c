#include "net_real/net_conn_inside.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/host.h"
#include "net_real/limits.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_poll(uv_poll_t *handle, int status, int events);
static void on_timer(uv_timer_t *handle);

/* Names ------------------------------------------------------------------------------------------------------------- */

#define SLOT_MASK ((UINT64_C(1) << DFS_REAL_CONNECTION_SLOT_BITS) - 1)

static void grow_slots(struct dfs_net *net)
{
    const uint32_t old = net->slot_count;
    const uint32_t count = old == 0 ? 64 : 2 * old;

    DFS_ASSERT(count <= SLOT_MASK + 1);
    net->slots = dfs_realloc_array(net->slots, count, sizeof(void *));
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

struct dfs_net_conn *dfs_conn_find(struct dfs_net *net, dfs_conn id)
{
    const uint64_t slot = id & SLOT_MASK;
    struct dfs_net_conn *conn = slot < net->slot_count ? net->slots[slot] : NULL;

    return conn != NULL && conn->id == id && !conn->forgotten ? conn : NULL;
}

struct dfs_net_conn *dfs_conn_new(struct dfs_net *net, const struct dfs_addr *addr, bool outgoing)
{
    struct dfs_net_conn *conn = dfs_alloc_zero(sizeof *conn);

    conn->net = net;
    conn->fd = -1;
    conn->addr = *addr;
    conn->outgoing = outgoing;
    conn->phase = outgoing ? DFS_CONN_CONNECTING : DFS_CONN_HANDSHAKING;
    dfs_list_init(&conn->due);
    dfs_list_init(&conn->shaking);
    dfs_list_init(&conn->queue);
    dfs_list_push(&net->conns, &conn->link);
    name_conn(net, conn);
    (void)uv_timer_init(&net->real->loop, &conn->timer);
    conn->timer.data = conn;
    conn->handles = 1;
    net->handles++;
    net->real->stats.connections++;
    return conn;
}

int dfs_conn_use(struct dfs_net_conn *conn, int fd)
{
    const int rc = uv_poll_init(&conn->net->real->loop, &conn->poll, fd);

    if (rc != 0)
        return -rc;
    conn->fd = fd;
    conn->poll.data = conn;
    conn->has_poll = true;
    conn->handles++;
    conn->net->handles++;
    return 0;
}

/* What is due ------------------------------------------------------------------------------------------------------- */

void dfs_conn_make_due(struct dfs_net_conn *conn)
{
    dfs_list_remove(&conn->due);
    dfs_list_push(&conn->net->now, &conn->due);
}

void dfs_conn_doom(struct dfs_net_conn *conn, enum dfs_status status)
{
    if (!conn->doomed)
        conn->doom = status;
    conn->doomed = true;
    dfs_conn_make_due(conn);
}

/* Both shares begin anew with each turn of the loop. */
void dfs_conn_refresh_turn(struct dfs_net_conn *conn)
{
    if (conn->turn == conn->net->turn)
        return;
    conn->turn = conn->net->turn;
    conn->turn_read = 0;
    conn->turn_written = 0;
}

void dfs_conn_wait_for_turn(struct dfs_net_conn *conn)
{
    if (!dfs_list_linked(&conn->due))
        dfs_list_push(&conn->net->later, &conn->due);
}

/* What the kernel should tell us about. */
static int wanted_events(const struct dfs_net_conn *conn)
{
    const int writable = conn->blocked && !conn->cut_out ? UV_WRITABLE : 0;

    switch (conn->phase) {
    case DFS_CONN_CONNECTING:
        return conn->cut_in || conn->cut_out ? 0 : UV_WRITABLE;
    case DFS_CONN_HANDSHAKING:
        return conn->cut_in || conn->cut_out ? 0 : UV_READABLE | writable;
    case DFS_CONN_OPEN:
        if (conn->cut_in)
            return writable;
        if (conn->sink != NULL && !conn->paused)
            return writable | UV_READABLE;
        return writable | (conn->hung_up ? 0 : UV_DISCONNECT);
    case DFS_CONN_DRAINING:
    case DFS_CONN_LINGERING:
        return (conn->cut_in ? 0 : UV_READABLE) | writable;
    case DFS_CONN_GONE:
        return 0;
    }
    dfs_unreachable("phase");
}

void dfs_conn_watch(struct dfs_net_conn *conn)
{
    const int events = wanted_events(conn);

    if (!conn->has_poll || conn->phase == DFS_CONN_GONE || events == conn->watched)
        return;
    if (events == 0)
        (void)uv_poll_stop(&conn->poll);
    else
        (void)uv_poll_start(&conn->poll, events, on_poll);
    conn->watched = events;
}

void dfs_conn_start_timer(struct dfs_net_conn *conn, uint64_t ms)
{
    uv_update_time(&conn->net->real->loop);
    (void)uv_timer_start(&conn->timer, on_timer, ms, 0);
}

/* The end ----------------------------------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct dfs_net_conn *conn = handle->data;

    conn->net->handles--;
    if (--conn->handles == 0)
        dfs_free(conn);
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

void dfs_conn_bury(struct dfs_net_conn *conn)
{
    struct dfs_net *net = conn->net;

    DFS_ASSERT(conn->phase != DFS_CONN_GONE);
    conn->phase = DFS_CONN_GONE;
    dfs_conn_purge(conn);
    dfs_list_remove(&conn->due);
    dfs_list_remove(&conn->link);
    unname_conn(net, conn);
    net->shaking_count -= dfs_list_linked(&conn->shaking);
    dfs_list_remove(&conn->shaking);
    net->strangers -= conn->stranger;
    dfs_tls_stream_close(&conn->tls);
    if (conn->has_poll) {
        (void)uv_poll_stop(&conn->poll);
        uv_close((uv_handle_t *)&conn->poll, on_handle_closed);
    }
    uv_close((uv_handle_t *)&conn->timer, on_handle_closed);
    close_descriptor(conn);
    net->real->stats.connections--;
}

void dfs_conn_fail(struct dfs_net_conn *conn, enum dfs_status status)
{
    struct dfs_real *real = conn->net->real;
    const bool tell = !conn->forgotten && (conn->outgoing || conn->introduced);
    const bool tick_due = real->tick_due;
    struct dfs_event event = {.kind = DFS_EV_CLOSED, .net = {.conn = conn->id, .user = conn->user, .status = status}};

    if (status == DFS_OK && conn->phase == DFS_CONN_OPEN) {
        dfs_tls_finish(&conn->tls);
        (void)dfs_tls_flush(&conn->tls);
    }
    dfs_conn_bury(conn);
    if (!tell)
        return;
    real->tick_due = tick_due; /* this step does as well */
    dfs_real_deliver(real, &event);
}

enum dfs_status dfs_conn_status(int error)
{
    return error == ETIMEDOUT ? DFS_TIMEOUT : DFS_UNREACHABLE;
}

int dfs_conn_socket_error(const struct dfs_net_conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    return error;
}

/* Events of the loop ------------------------------------------------------------------------------------------------ */

static void on_error(struct dfs_net_conn *conn)
{
    const int error = dfs_conn_socket_error(conn);

    if (conn->phase == DFS_CONN_OPEN)
        dfs_conn_fail(conn, dfs_conn_status(error));
    else
        dfs_conn_bury(conn);
}

static void on_open_ready(struct dfs_net_conn *conn, bool broken, int events)
{
    if (conn->phase == DFS_CONN_OPEN && (events & UV_WRITABLE) != 0)
        dfs_conn_write(conn);
    if (conn->phase != DFS_CONN_OPEN)
        return;
    if (conn->sink != NULL && !conn->paused && !conn->cut_in) {
        if (broken || (events & UV_READABLE) != 0)
            dfs_conn_read(conn); /* what had come before the end is still there */
        if (broken && conn->phase == DFS_CONN_OPEN && !conn->read_due && !conn->paused)
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
        dfs_conn_bury(conn);
        return;
    }
    if ((events & UV_WRITABLE) != 0 && conn->phase == DFS_CONN_DRAINING)
        dfs_conn_write(conn);
    else if ((events & UV_WRITABLE) != 0 && dfs_tls_flush(&conn->tls) != DFS_TLS_AGAIN) {
        conn->blocked = false;
        (void)shutdown(conn->fd, SHUT_WR);
        dfs_conn_start_timer(conn, DFS_REAL_LINGER_MS);
    }
    if (conn->phase != DFS_CONN_GONE && (events & UV_READABLE) != 0)
        dfs_conn_discard(conn);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct dfs_net_conn *conn = handle->data;
    struct dfs_real *real = conn->net->real;
    const bool broken = status < 0;

    if (broken)
        conn->watched = 0; /* libuv has stopped it */
    switch (conn->phase) {
    case DFS_CONN_CONNECTING:
        dfs_conn_finish_connect(conn);
        break;
    case DFS_CONN_HANDSHAKING:
        dfs_conn_shake_hands(conn);
        break;
    case DFS_CONN_OPEN:
        on_open_ready(conn, broken, events);
        break;
    case DFS_CONN_DRAINING:
    case DFS_CONN_LINGERING:
        on_closing_ready(conn, broken, events);
        break;
    case DFS_CONN_GONE:
        return;
    }
    dfs_conn_watch(conn);
    dfs_real_settle(real);
}

/* A peer that takes its time gets it, one that takes nothing does not. A frame that a fault held back is due now. */
static void drain_timed_out(struct dfs_net_conn *conn)
{
    const bool held_back = !conn->blocked && !conn->cut_out;

    if (conn->sent == conn->sent_seen && !held_back) {
        dfs_conn_bury(conn);
        return;
    }
    conn->sent_seen = conn->sent;
    dfs_conn_start_timer(conn, DFS_REAL_DRAIN_MS);
    conn->write_due = true;
    dfs_conn_make_due(conn);
}

static void on_timer(uv_timer_t *handle)
{
    struct dfs_net_conn *conn = handle->data;
    struct dfs_real *real = conn->net->real;

    switch (conn->phase) {
    case DFS_CONN_CONNECTING:
    case DFS_CONN_HANDSHAKING:
        real->stats.handshakes_failed++;
        dfs_conn_fail(conn, DFS_TIMEOUT);
        break;
    case DFS_CONN_OPEN:
        conn->write_due = true;
        dfs_conn_make_due(conn);
        break;
    case DFS_CONN_DRAINING:
        drain_timed_out(conn);
        break;
    case DFS_CONN_LINGERING:
        dfs_conn_bury(conn);
        break;
    case DFS_CONN_GONE:
        return;
    }
    dfs_real_settle(real);
}

static void turn_conn(struct dfs_net_conn *conn)
{
    if (conn->doomed) {
        if (conn->phase == DFS_CONN_DRAINING || conn->phase == DFS_CONN_LINGERING)
            dfs_conn_bury(conn);
        else
            dfs_conn_fail(conn, conn->doom);
        return;
    }
    if (conn->write_due && (conn->phase == DFS_CONN_OPEN || conn->phase == DFS_CONN_DRAINING))
        dfs_conn_write(conn);
    if (conn->read_due && conn->phase == DFS_CONN_OPEN)
        dfs_conn_read(conn);
    dfs_conn_watch(conn);
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

/* Verbs ------------------------------------------------------------------------------------------------------------- */

void dfs_net_attach(void *ctx, dfs_conn id, struct dfs_sink *sink, void *user)
{
    struct dfs_real *real = ctx;
    struct dfs_net_conn *conn = dfs_conn_find(&real->net, id);

    if (conn == NULL)
        return;
    DFS_ASSERT(conn->sink == NULL && sink != NULL);
    conn->sink = sink;
    conn->user = user;
    conn->read_due = true;
    dfs_conn_make_due(conn);
}

void dfs_net_resume(void *ctx, dfs_conn id)
{
    struct dfs_real *real = ctx;
    struct dfs_net_conn *conn = dfs_conn_find(&real->net, id);

    if (conn == NULL || !conn->paused)
        return;
    conn->read_due = true;
    dfs_conn_make_due(conn);
}

void dfs_net_close(void *ctx, dfs_conn id)
{
    struct dfs_real *real = ctx;
    struct dfs_net_conn *conn = dfs_conn_find(&real->net, id);

    if (conn == NULL)
        return;
    conn->forgotten = true;
    conn->sink = NULL;
    conn->user = NULL;
    if (conn->doomed)
        return;
    if (conn->phase == DFS_CONN_OPEN) {
        conn->phase = DFS_CONN_DRAINING;
        conn->write_due = true;
        dfs_conn_start_timer(conn, DFS_REAL_DRAIN_MS);
        dfs_conn_make_due(conn);
    } else if (dfs_list_empty(&conn->queue)) {
        dfs_conn_doom(conn, DFS_OK); /* nothing was said and nothing waits to be said */
    }
}

/* Faults ------------------------------------------------------------------------------------------------------------ */

void dfs_net_recut(struct dfs_net *net)
{
    dfs_list_each(link, &net->conns)
    {
        struct dfs_net_conn *conn = dfs_container_of(link, struct dfs_net_conn, link);

        dfs_conn_find_cuts(conn);
        conn->write_due = true;
        conn->read_due = true;
        dfs_conn_make_due(conn);
        if (conn->phase == DFS_CONN_CONNECTING)
            dfs_conn_try_connect(conn);
    }
}

unsigned dfs_net_reset(struct dfs_net *net, const struct dfs_fault_match *whom)
{
    unsigned count = 0;

    dfs_list_each(link, &net->conns)
    {
        struct dfs_net_conn *conn = dfs_container_of(link, struct dfs_net_conn, link);

        if (!dfs_fault_matches(whom, &conn->addr, dfs_conn_node(conn)))
            continue;
        conn->reset = true;
        dfs_conn_doom(conn, DFS_UNREACHABLE);
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
    dfs_list_init(&net->shaking);
    (void)uv_timer_init(&real->loop, &net->accept_pause);
    net->accept_pause.data = net;
}

/* What the kernel takes without waiting. */
static void say_goodbye(struct dfs_net_conn *conn)
{
    dfs_conn_write(conn);
    if (conn->phase != DFS_CONN_OPEN && conn->phase != DFS_CONN_DRAINING)
        return;
    dfs_tls_finish(&conn->tls);
    (void)dfs_tls_flush(&conn->tls);
}

void dfs_net_abort(struct dfs_net *net)
{
    if (net->listening)
        (void)uv_poll_stop(net->listener_poll);
    net->listening = false;
    dfs_list_each(link, &net->conns)
    {
        struct dfs_net_conn *conn = dfs_container_of(link, struct dfs_net_conn, link);

        if (conn->phase == DFS_CONN_OPEN || conn->phase == DFS_CONN_DRAINING)
            say_goodbye(conn);
        if (conn->phase != DFS_CONN_GONE)
            dfs_conn_bury(conn);
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
