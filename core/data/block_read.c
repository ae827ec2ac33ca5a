/*
 * block_read.c - BLOCK_READ: a block, or a part of it, to whom metadata granted it. Answered by BLOCK_DATA
 * frames and BLOCK_END.
 *
 * Each chunk is verified between the disk and the connection. A fenced server still reads: a block never
 * changes.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

static void send_end(struct data_peer *peer, uint32_t request, const struct dfs_block_id *block, enum dfs_status status,
                     uint32_t crc)
{
    const struct dfs_m_block_end message = {.block = data_w_block(block), .status = (uint8_t)status, .crc32c = crc};

    dfs_link_send(&peer->link, request, DFS_MSG_BLOCK_END, &message);
}

void data_read_free(struct data_read *read)
{
    struct dfs_data *data = read->data;

    data_stream_close(&read->stream);
    data_opening_close(&read->opening);
    data_patience_stop(data, &read->timer);
    dfs_list_remove(&read->at_peer);
    read->peer->reads_count--;
    dfs_list_remove(&read->at);
    data->reads_count--;
    dfs_free(read);
}

static void read_end(struct data_read *read, enum dfs_status status)
{
    if (status != DFS_OK)
        read->data->counters.reads_failed++;
    send_end(read->peer, read->request, &read->block, status, status == DFS_OK ? read->opening.crc : 0);
    data_read_free(read);
}

static void read_failed(struct data_read *read, enum dfs_status status)
{
    data_block_failed(read->data, &read->block, status);
    read_end(read, status);
}

static void on_sent_all(struct data_stream *stream)
{
    read_end(dfs_container_of(stream, struct data_read, stream), DFS_OK);
}

static void on_stream_failed(struct data_stream *stream, enum dfs_status status)
{
    read_failed(dfs_container_of(stream, struct data_read, stream), status);
}

static void on_moved(struct data_stream *stream)
{
    struct data_read *read = dfs_container_of(stream, struct data_read, stream);

    read->progress = read->data->now_fair;
}

static void on_opened(struct data_opening *opening, enum dfs_status status)
{
    struct data_read *read = dfs_container_of(opening, struct data_read, opening);
    struct data_stream *stream = &read->stream;

    if (status != DFS_OK) {
        read_failed(read, status);
        return;
    }
    stream->peer = read->peer;
    stream->request = read->request;
    stream->window = read->data->config.bounds.read_window;
    stream->name = read->name;
    stream->length_bytes = opening->length_bytes;
    stream->crcs = opening->crcs;
    stream->first = opening->buf;
    opening->buf = NULL;
    stream->offset = read->begin;
    stream->available = opening->length_bytes;
    stream->end = read->end;
    stream->sent_all = on_sent_all;
    stream->failed = on_stream_failed;
    stream->moved = on_moved;
    data_stream_pump(stream);
}

/* The other side takes nothing: what it holds back is memory of ours. */
static void on_timer(struct dfs_data *data, struct data_timer *timer)
{
    struct data_read *read = dfs_container_of(timer, struct data_read, timer);
    const dfs_duration_ns silent = data->now_fair - read->progress;

    if (silent < data->config.request_timeout_ns)
        data_patience_set(data, timer, data->config.request_timeout_ns - silent);
    else
        read_end(read, DFS_TIMEOUT);
}

static enum dfs_status admit(struct dfs_data *data, const struct data_peer *peer,
                             const struct dfs_m_block_read *message, const struct dfs_block_id *id,
                             const struct data_block **ret_block)
{
    const struct dfs_peer *who = &peer->link.peer;
    enum dfs_status status = peer->hello;

    dfs_map_expect(&data->blocks_by_id, id);
    if (status == DFS_OK)
        status = data_grant_admit(data, &message->grant, message->hop, DFS_GRANT_READ);
    if (status == DFS_OK &&
        (who->kind == DFS_PEER_NONE || memcmp(who->fingerprint, message->grant.bearer, sizeof who->fingerprint) != 0))
        status = DFS_GRANT_INVALID;
    if (status != DFS_OK) {
        data->counters.grants_refused++;
        return status;
    }
    if (data->reads_count >= data->config.bounds.reads || peer->reads_count >= data->config.bounds.reads_per_peer)
        return DFS_UNAVAILABLE;
    const struct data_block *block = data_block_find(data, id);

    if (block == NULL || block->removing)
        return DFS_BLOCK_MISSING;
    if (block->bad)
        return DFS_BLOCK_CORRUPT;
    *ret_block = block;
    return message->offset < block->length_bytes ? DFS_OK : DFS_GRANT_INVALID;
}

static bool request_is_used(struct data_peer *peer, uint32_t request)
{
    dfs_list_each(at, &peer->reads)
    {
        if (dfs_container_of(at, struct data_read, at_peer)->request == request)
            return true;
    }
    return false;
}

/* Metadata counted on a copy here: it wants to know that there is none. */
static void report_missing(struct dfs_data *data, const struct dfs_block_id *id)
{
    const struct dfs_trace trace = {
        .kind = DFS_TRACE_BLOCK_BAD, .status = DFS_BLOCK_MISSING, .node = data->config.node, .block = *id};

    if (data->phase != DATA_NODE_SERVING || data_block_is_written(data, id) || data_block_find(data, id) != NULL ||
        data_block_compare(id, &data->missing_told) == 0)
        return;
    data->missing_told = *id;
    (void)data_change(data, DFS_CHANGE_BAD, id, 0, 0);
    data->counters.blocks_bad++;
    dfs_trace_put(&data->env, &trace);
}

static void read_accept(struct dfs_data *data, struct data_peer *peer, uint32_t request,
                        const struct dfs_m_block_read *message, const struct data_block *block)
{
    struct data_read *read = dfs_alloc_zero(sizeof *read);
    const uint32_t left = block->length_bytes - message->offset;
    const uint32_t count = message->length_bytes < left ? message->length_bytes : left;

    read->data = data;
    read->peer = peer;
    read->request = request;
    read->block = block->id;
    read->begin = message->offset / DFS_CHUNK_BYTES * DFS_CHUNK_BYTES;
    read->end = message->offset + count;
    read->progress = data->now_fair;
    dfs_block_name(&block->id, read->name);
    data_timer_init(&read->timer, on_timer);
    data_patience_set(data, &read->timer, data->config.request_timeout_ns);
    dfs_list_init(&read->at);
    dfs_list_init(&read->at_peer);
    dfs_list_push(&data->reads, &read->at);
    data->reads_count++;
    dfs_list_push(&peer->reads, &read->at_peer);
    peer->reads_count++;
    data->counters.reads_started++;
    data_stream_init(&read->stream, data);
    data_opening_begin(&read->opening, data, &block->id, block->length_bytes, true, on_opened);
}

void data_on_block_read(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_block_read *message = in->body;
    const struct dfs_block_id id = data_block_id(&message->grant.block);
    const struct data_block *block = NULL;
    const enum dfs_status status = admit(data, peer, message, &id, &block);

    if (request_is_used(peer, in->request)) {
        data->counters.peers_bad++;
        data_peer_close(peer, DFS_BAD_REQUEST);
        return;
    }
    if (status == DFS_OK) {
        read_accept(data, peer, in->request, message, block);
        return;
    }
    if (status == DFS_BLOCK_MISSING)
        report_missing(data, &id);
    data->counters.reads_refused++;
    send_end(peer, in->request, &id, status, 0);
}
