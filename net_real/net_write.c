#include "net_real/net_conn_inside.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/host.h"
#include "net_real/limits.h"
#include "net_real/os.h"

#include <string.h>
#include <sys/socket.h>

/* The queue --------------------------------------------------------------------------------------------------------- */

static void free_item(struct dfs_net *net, struct dfs_net_item *item)
{
    if (item->bulk == NULL && net->spare_chunk == NULL)
        net->spare_chunk = item;
    else
        dfs_free(item);
}

/* Frames that will not leave. */
void dfs_conn_purge(struct dfs_net_conn *conn)
{
    struct dfs_list *link;

    while ((link = dfs_list_pop(&conn->queue)) != NULL) {
        struct dfs_net_item *item = dfs_container_of(link, struct dfs_net_item, link);

        if (item->bulk != NULL) {
            dfs_buf_unref(item->bulk);
            conn->net->real->tick_due = true; /* whoever waits for a buffer in the machine has to learn of it */
        }
        free_item(conn->net, item);
    }
    conn->control_bytes = 0;
}

static struct dfs_net_item *new_chunk(struct dfs_net *net, dfs_time_ns not_before)
{
    struct dfs_net_item *chunk = net->spare_chunk;

    net->spare_chunk = NULL;
    if (chunk == NULL)
        chunk = dfs_alloc(sizeof *chunk + DFS_REAL_CHUNK_BYTES);
    dfs_list_init(&chunk->link);
    chunk->not_before = not_before;
    chunk->at = 0;
    chunk->count = 0;
    chunk->bulk = NULL;
    return chunk;
}

/* The chunk at the end of the queue if it takes more, otherwise a new one. */
static struct dfs_net_item *open_chunk(struct dfs_net_conn *conn, dfs_time_ns not_before)
{
    struct dfs_net_item *chunk;

    if (!dfs_list_empty(&conn->queue) && not_before == 0) {
        chunk = dfs_container_of(conn->queue.prev, struct dfs_net_item, link);
        if (chunk->bulk == NULL && chunk->count < DFS_REAL_CHUNK_BYTES)
            return chunk;
    }
    chunk = new_chunk(conn->net, not_before);
    dfs_list_push(&conn->queue, &chunk->link);
    return chunk;
}

static void queue_control(struct dfs_net_conn *conn, const uint8_t *bytes, size_t count, dfs_time_ns not_before)
{
    conn->control_bytes += count;
    while (count > 0) {
        struct dfs_net_item *chunk = open_chunk(conn, not_before);
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
    struct dfs_net_item *item = dfs_alloc_zero(sizeof *item);

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
        dfs_conn_doom(conn, DFS_UNREACHABLE);
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
    struct dfs_net_conn *conn = dfs_conn_find(&real->net, id);
    dfs_time_ns not_before = 0;

    if (conn == NULL || conn->doomed)
        return;
    DFS_ASSERT(bulk == NULL || (bulk_bytes > 0 && bulk_offset + bulk_bytes <= bulk->capacity));
    if (real->fault.filter != NULL && !judge_frame(conn, head, head_bytes, &not_before)) {
        head_bytes = 0;
        bulk_bytes = 0; /* EV_SENT comes all the same: the machine must not learn of it from its own transport */
    }
    if (conn->control_bytes + head_bytes > DFS_SEND_QUEUE_BYTES_MAX) {
        dfs_conn_doom(conn, DFS_TOO_LARGE);
        return;
    }
    queue_control(conn, head, head_bytes, not_before);
    if (bulk != NULL)
        queue_bulk(conn, bulk, bulk_offset, bulk_bytes);
    conn->write_due = true;
    dfs_conn_make_due(conn);
}

/* Writing ----------------------------------------------------------------------------------------------------------- */

/* The first item that may leave now. One that a fault holds back sets the timer. */
static struct dfs_net_item *next_item(struct dfs_net_conn *conn)
{
    struct dfs_list *link = dfs_list_first(&conn->queue);
    struct dfs_net_item *item = link == NULL ? NULL : dfs_container_of(link, struct dfs_net_item, link);
    dfs_time_ns now;

    if (item == NULL || item->not_before == 0)
        return item;
    now = dfs_os_mono();
    if (item->not_before <= now) {
        item->not_before = 0;
        return item;
    }
    dfs_conn_start_timer(conn, (item->not_before - now + DFS_MILLISECONDS - 1) / DFS_MILLISECONDS);
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

static void finish_item(struct dfs_net_conn *conn, struct dfs_net_item *item)
{
    struct dfs_buf *bulk = item->bulk;

    dfs_list_remove(&item->link);
    free_item(conn->net, item);
    if (bulk != NULL)
        tell_sent(conn, bulk);
}

static const uint8_t *item_bytes(const struct dfs_net_item *item)
{
    return item->bulk != NULL ? item->bulk->bytes + item->bulk_offset + item->at : item->bytes + item->at;
}

/* Encrypts until the output buffer is full, the queue empty or the share used. False: the stream broke. */
static bool fill_output(struct dfs_net_conn *conn)
{
    struct dfs_net_item *item;
    size_t room;

    while ((conn->phase == DFS_CONN_OPEN || conn->phase == DFS_CONN_DRAINING) && !conn->doomed &&
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
        dfs_conn_bury(conn);
        return;
    }
    conn->phase = DFS_CONN_LINGERING;
    if (!conn->blocked)
        (void)shutdown(conn->fd, SHUT_WR);
    dfs_conn_start_timer(conn, conn->blocked ? DFS_REAL_DRAIN_MS : DFS_REAL_LINGER_MS);
}

static void write_broke(struct dfs_net_conn *conn)
{
    dfs_conn_fail(conn, dfs_conn_status(conn->tls.error));
}

/* In OPEN or DRAINING. The connection may be GONE afterwards. */
void dfs_conn_write(struct dfs_net_conn *conn)
{
    conn->write_due = false;
    dfs_conn_refresh_turn(conn);
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
            dfs_conn_wait_for_turn(conn);
            return;
        }
        if (dfs_list_empty(&conn->queue)) {
            if (conn->phase == DFS_CONN_DRAINING)
                end_output(conn);
            return;
        }
        if (next_item(conn) == NULL)
            return; /* held back by a fault */
    }
}
