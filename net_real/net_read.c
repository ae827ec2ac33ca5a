#include "net_real/net_conn_inside.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/host.h"
#include "net_real/limits.h"

#include <errno.h>
#include <sys/socket.h>

/* Reading ----------------------------------------------------------------------------------------------------------- */

static void tell_received(struct dfs_net_conn *conn)
{
    struct dfs_event event = {.kind = DFS_EV_RECV, .net = {.conn = conn->id, .user = conn->user}};

    dfs_real_deliver(conn->net->real, &event);
}

static void read_ended(struct dfs_net_conn *conn, enum dfs_tls_result result)
{
    if (result == DFS_TLS_ENDED)
        dfs_conn_fail(conn, DFS_OK);
    else
        dfs_conn_fail(conn, dfs_conn_status(conn->tls.error));
}

static bool may_read(const struct dfs_net_conn *conn)
{
    return conn->phase == DFS_CONN_OPEN && !conn->doomed && conn->sink != NULL && !conn->cut_in;
}

/* From the stream straight into the sink's memory, until there is no more, no room, or the share of this turn is used. */
void dfs_conn_read(struct dfs_net_conn *conn)
{
    conn->read_due = false;
    conn->paused = false;
    conn->hung_up = false;
    conn->tls.drained = false;
    dfs_conn_refresh_turn(conn);
    while (may_read(conn)) {
        enum dfs_tls_result result;
        uint8_t *at = NULL;
        size_t room;
        size_t count;

        if (conn->turn_read >= DFS_REAL_TURN_BYTES) {
            conn->read_due = true;
            dfs_conn_wait_for_turn(conn);
            return;
        }
        room = conn->sink->want(conn->sink, &at);
        if (room == 0) {
            conn->paused = true;
            return;
        }
        result = dfs_tls_read(&conn->tls, at, room, &count);
        if (result == DFS_TLS_AGAIN) {
            dfs_tls_await(&conn->tls, room);
            /* TLS may have had something to say (a new key, asked for by the peer). */
            conn->write_due |= dfs_tls_has_output(&conn->tls);
            if (conn->write_due)
                dfs_conn_make_due(conn);
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
void dfs_conn_discard(struct dfs_net_conn *conn)
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
            dfs_conn_bury(conn);
            return;
        }
    }
}
