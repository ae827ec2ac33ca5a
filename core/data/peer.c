/*
 * peer.c - connections: accepted ones, the one to metadata, and those to other data servers.
 *
 * A connection that ends takes its requests along; its memory lives until the end of the step, so that a
 * handler may close the connection that it was called for.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

static void on_peer_timer(struct dfs_data *data, struct data_timer *timer);

static struct data_peer *peer_new(struct dfs_data *data, enum data_peer_kind kind)
{
    struct data_peer *peer = dfs_alloc_zero(sizeof *peer);

    peer->data = data;
    peer->kind = kind;
    peer->hello = DFS_TOKEN_MISSING;
    peer->active = data->now_fair;
    dfs_list_init(&peer->sent);
    dfs_list_init(&peer->writes);
    dfs_list_init(&peer->reads);
    dfs_list_init(&peer->passes);
    data_timer_init(&peer->timer, on_peer_timer);
    dfs_list_init(&peer->at);
    dfs_list_push(&data->peers[kind], &peer->at);
    data->peers_count[kind]++;
    return peer;
}

static bool peer_is_busy(const struct data_peer *peer)
{
    return peer->writes_count > 0 || peer->reads_count > 0 || !dfs_list_empty(&peer->passes) ||
           !dfs_list_empty(&peer->sent);
}

/* Accepted ----------------------------------------------------------------------------------------------- */

void data_peer_accept(struct dfs_data *data, const struct dfs_event *event)
{
    struct data_peer *peer;

    if (data->phase == DATA_NODE_STOPPED || data->phase == DATA_NODE_LEFT ||
        data->peers_count[DATA_PEER_IN] >= data->config.conns_max) {
        data->counters.peers_refused++;
        data->env.net->close(data->env.ctx, event->net.conn);
        return;
    }
    peer = peer_new(data, DATA_PEER_IN);
    dfs_link_open(&peer->link, &data->env, &data->pool, &data->links, event->net.conn, event->net.peer, peer);
    data_patience_set(data, &peer->timer, data->config.connect_timeout_ns); /* a good HELLO, until then */
}

/* Outgoing ----------------------------------------------------------------------------------------------- */

struct data_peer *data_peer_control(struct dfs_data *data)
{
    struct data_peer *peer = peer_new(data, DATA_PEER_CONTROL);

    dfs_link_connect(&peer->link, &data->env, NULL, &data->links, &data->config.meta, DFS_ROLE_META, NULL, peer);
    return peer; /* control.c keeps its time */
}

static void close_idle_out(struct dfs_data *data)
{
    dfs_list_each(at, &data->peers[DATA_PEER_OUT])
    {
        struct data_peer *peer = dfs_container_of(at, struct data_peer, at);

        if (!peer_is_busy(peer)) {
            data_peer_close(peer, DFS_OK);
            return;
        }
    }
}

struct data_peer *data_peer_out(struct dfs_data *data, const struct dfs_id *node, const struct dfs_addr *addr,
                                bool *ret_pooled)
{
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION, .token = dfs_text_of("")};
    const struct data_peer_key to = {.node = *node, .addr = *addr};
    struct data_peer *peer = dfs_map_find(&data->peers_out, &to);

    if (peer != NULL) {
        *ret_pooled = peer->was_open;
        return peer;
    }
    if (data->peers_count[DATA_PEER_OUT] >= data->config.bounds.peers_out)
        close_idle_out(data);
    if (data->peers_count[DATA_PEER_OUT] >= data->config.bounds.peers_out)
        return NULL;
    peer = peer_new(data, DATA_PEER_OUT);
    peer->to = to;
    dfs_map_insert(&data->peers_out, peer);
    dfs_link_connect(&peer->link, &data->env, &data->pool, &data->links, addr, DFS_ROLE_DATA, node, peer);
    peer->hello_request = dfs_link_request(&peer->link);
    dfs_link_send(&peer->link, peer->hello_request, DFS_MSG_HELLO, &hello);
    data_patience_set(data, &peer->timer, data->config.connect_timeout_ns);
    *ret_pooled = false;
    return peer;
}

void data_peer_opened(struct data_peer *peer, const struct dfs_peer *who)
{
    struct dfs_data *data = peer->data;

    dfs_link_opened(&peer->link, who);
    peer->was_open = true;
    peer->active = data->now_fair;
    if (peer->kind == DATA_PEER_CONTROL)
        data_control_alive(data);
    else
        data_patience_set(data, &peer->timer, data->config.request_timeout_ns);
}

/* Time --------------------------------------------------------------------------------------------------- */

/* How long this connection may be silent. */
static dfs_duration_ns silence_allowed(const struct data_peer *peer)
{
    const struct dfs_data *data = peer->data;

    if (peer->link.header_count > 0)
        return data->config.request_timeout_ns; /* in the middle of a frame: it holds memory of ours */
    if (peer->kind == DATA_PEER_OUT)
        return DATA_PEER_OUT_IDLE_NS;
    return peer->hello == DFS_OK ? DATA_PEER_IDLE_NS : data->config.connect_timeout_ns;
}

static void on_peer_timer(struct dfs_data *data, struct data_timer *timer)
{
    struct data_peer *peer = dfs_container_of(timer, struct data_peer, timer);
    const dfs_duration_ns silent = data->now_fair - peer->active;
    dfs_duration_ns next = data->config.request_timeout_ns;

    if (peer->hello_waits) {
        data_hello_retry(data, peer, true);
        return;
    }
    if (!peer->link.open) {
        data_peer_close(peer, DFS_UNREACHABLE); /* connecting took too long */
        return;
    }
    if (silent >= silence_allowed(peer) && (peer->link.header_count > 0 || !peer_is_busy(peer))) {
        data_peer_close(peer, DFS_TIMEOUT); /* busy ones have requests with a patience of their own */
        return;
    }
    if (silent < silence_allowed(peer) && silence_allowed(peer) - silent < next)
        next = silence_allowed(peer) - silent;
    data_patience_set(data, timer, next);
}

/* Bulk frames on their way ------------------------------------------------------------------------------- */

static struct data_sent *sent_new(struct dfs_data *data)
{
    struct dfs_list *link = dfs_list_pop(&data->sent_free);
    struct data_sent *sent;

    if (link != NULL)
        return dfs_container_of(link, struct data_sent, at_peer);
    sent = dfs_alloc(sizeof *sent);
    dfs_list_init(&sent->at_peer);
    dfs_list_init(&sent->at_stream);
    return sent;
}

void data_peer_send_frame(struct data_peer *peer, struct data_stream *stream, uint32_t request, uint32_t offset,
                          const uint32_t *crcs, uint32_t crcs_count, struct dfs_buf *buf, size_t buf_offset,
                          size_t count)
{
    struct dfs_w_crc listed[DFS_CHUNKS_PER_FRAME_MAX + 1];
    const struct dfs_m_block_data message = {.offset = offset, .crcs = listed, .crcs_count = crcs_count};
    struct data_sent *sent = sent_new(peer->data);

    DFS_ASSERT(crcs_count <= DFS_CHUNKS_PER_FRAME_MAX + 1);
    for (uint32_t i = 0; i < crcs_count; i++)
        listed[i].crc32c = crcs[i];
    sent->buf = dfs_buf_ref(buf);
    sent->stream = stream;
    dfs_list_push(&peer->sent, &sent->at_peer);
    dfs_list_push(&stream->sent, &sent->at_stream);
    stream->inflight++;
    dfs_link_send_bulk(&peer->link, request, DFS_MSG_BLOCK_DATA, &message, buf, buf_offset, count);
}

/* Gives back what a frame held; its stream, if it still cares. */
static struct data_stream *sent_done(struct dfs_data *data, struct data_sent *sent)
{
    struct data_stream *stream = sent->stream;

    dfs_list_remove(&sent->at_peer);
    dfs_list_remove(&sent->at_stream);
    if (stream != NULL)
        stream->inflight--;
    data_sending_drop(data, sent->buf);
    dfs_list_push_front(&data->sent_free, &sent->at_peer);
    return stream;
}

void data_peer_sent(struct data_peer *peer, const struct dfs_buf *bulk)
{
    struct dfs_list *first = dfs_list_first(&peer->sent);
    struct data_sent *sent;
    struct data_stream *stream;

    DFS_ASSERT(first != NULL);
    sent = dfs_container_of(first, struct data_sent, at_peer);
    DFS_ASSERT(bulk == NULL || sent->buf == bulk);
    peer->active = peer->data->now_fair;
    stream = sent_done(peer->data, sent);
    if (stream != NULL)
        data_stream_sent(stream);
}

void data_stream_detach_sent(struct data_stream *stream)
{
    dfs_list_each(at, &stream->sent)
    {
        dfs_container_of(at, struct data_sent, at_stream)->stream = NULL;
        dfs_list_remove(at);
    }
    stream->inflight = 0;
}

/* The end ------------------------------------------------------------------------------------------------ */

static void peer_bury(struct data_peer *peer)
{
    struct dfs_data *data = peer->data;

    peer->dead = true;
    dfs_list_remove(&peer->at);
    dfs_list_push(&data->dead, &peer->at);
    data->peers_count[peer->kind]--;
    if (peer->kind == DATA_PEER_OUT)
        (void)dfs_map_remove(&data->peers_out, &peer->to);
    data_patience_stop(data, &peer->timer);
}

/* Tells everything that hung on the connection. It is in no list of live connections any more, so nobody
 * finds it again. */
static void peer_end_requests(struct data_peer *peer, enum dfs_status status)
{
    struct dfs_list *link;

    while ((link = dfs_list_first(&peer->writes)) != NULL)
        data_write_upstream_lost(dfs_container_of(link, struct data_write, at_peer));
    while ((link = dfs_list_first(&peer->reads)) != NULL)
        data_read_free(dfs_container_of(link, struct data_read, at_peer));
    while ((link = dfs_list_first(&peer->passes)) != NULL)
        data_pass_peer_lost(dfs_container_of(link, struct data_pass, at_peer), status);
    while ((link = dfs_list_first(&peer->sent)) != NULL) {
        struct data_stream *stream = sent_done(peer->data, dfs_container_of(link, struct data_sent, at_peer));

        DFS_ASSERT(stream == NULL);
    }
    if (peer->kind == DATA_PEER_CONTROL && peer->data->control == peer) {
        peer->data->control = NULL;
        data_control_lost(peer->data, status);
    }
}

void data_peer_lost(struct data_peer *peer, enum dfs_status status)
{
    if (peer->dead)
        return;
    dfs_link_closed(&peer->link);
    peer_bury(peer);
    peer_end_requests(peer, status == DFS_OK ? DFS_UNREACHABLE : status);
}

void data_peer_close(struct data_peer *peer, enum dfs_status status)
{
    if (peer->dead)
        return;
    if (peer->data->ending)
        dfs_link_closed(&peer->link);
    else
        dfs_link_close(&peer->link);
    peer_bury(peer);
    peer_end_requests(peer, status == DFS_OK ? DFS_UNREACHABLE : status);
}

void data_peer_settle(struct dfs_data *data)
{
    struct dfs_list *link;

    while ((link = dfs_list_pop(&data->dead)) != NULL) {
        struct data_peer *peer = dfs_container_of(link, struct data_peer, at);

        dfs_free(peer->token);
        dfs_free(peer);
    }
}
