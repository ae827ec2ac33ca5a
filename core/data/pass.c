/*
 * pass.c - a block on its way to another data server: the next hop of a chain, or the target of a copy.
 *
 * The request and as many frames as the window allows leave at once, before the connection is open; what is
 * not forwarded as it arrives is read again from our own file. Patience is counted from the last sign of
 * life.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"

static const char *const pass_names[] = {
#define X(name) #name,
    DATA_PASS_PHASES(X)
#undef X
};

#define TO(phase) (1u << DATA_PASS_##phase)
static const uint32_t pass_edges[DATA_PASS_COUNT] = {
    [DATA_PASS_IDLE] = TO(SENDING),
    [DATA_PASS_SENDING] = TO(SENDING) | TO(WAITING) | TO(ENDED), /* to itself: again on a fresh connection */
    [DATA_PASS_WAITING] = TO(SENDING) | TO(ENDED),
    [DATA_PASS_ENDED] = TO(SENDING), /* the next replica */
};
static const struct dfs_path paths[] = {
    {DATA_PASS_IDLE, "begin", TO(SENDING)},
    {DATA_PASS_ENDED, "begin", TO(SENDING)},
    {DATA_PASS_SENDING, "sent", TO(WAITING)},
    {DATA_PASS_SENDING, "full block_written", TO(ENDED)},
    {DATA_PASS_SENDING, "closed", TO(SENDING) | TO(ENDED)},
    {DATA_PASS_SENDING, "timeout disk aborted", TO(ENDED)},
    {DATA_PASS_WAITING, "block_written", TO(ENDED)},
    {DATA_PASS_WAITING, "closed", TO(SENDING) | TO(ENDED)},
    {DATA_PASS_WAITING, "timeout aborted", TO(ENDED)},
};
#undef TO

const struct dfs_gate data_pass_gate = {"pass",
                                        pass_names,
                                        pass_edges,
                                        DATA_PASS_COUNT,
                                        "a block on its way to the next data server",
                                        DFS_GATE_PATHS(paths)};

static void on_moved(struct data_stream *stream)
{
    struct data_pass *pass = dfs_container_of(stream, struct data_pass, stream);

    pass->progress = pass->data->now_fair;
}

static void on_sent_all(struct data_stream *stream)
{
    struct data_pass *pass = dfs_container_of(stream, struct data_pass, stream);

    DFS_GATE(&pass->data->env, &data_pass_gate, pass->phase, DATA_PASS_WAITING, "sent");
    pass->progress = pass->data->now_fair;
}

/* Lets go of connection, stream and timer. What the owner said about the file stays, for the next try. */
static void pass_leave(struct data_pass *pass)
{
    const struct data_stream old = pass->stream;

    data_patience_stop(pass->data, &pass->timer);
    dfs_list_remove(&pass->at_peer);
    pass->peer = NULL;
    data_stream_close(&pass->stream);
    data_stream_init(&pass->stream, pass->data);
    pass->stream.name = old.name;
    pass->stream.length_bytes = old.length_bytes;
    pass->stream.crcs = old.crcs;
    pass->stream.available = old.available;
    pass->stream.hold = old.hold;
}

static void pass_end(struct data_pass *pass, enum dfs_status status, bool source_bad, const char *why)
{
    pass_leave(pass);
    DFS_GATE(&pass->data->env, &data_pass_gate, pass->phase, DATA_PASS_ENDED, why);
    pass->failed(pass, status, source_bad);
}

static void on_stream_failed(struct data_stream *stream, enum dfs_status status)
{
    pass_end(dfs_container_of(stream, struct data_pass, stream), status, true, "disk");
}

static void on_timer(struct dfs_data *data, struct data_timer *timer)
{
    struct data_pass *pass = dfs_container_of(timer, struct data_pass, timer);
    const dfs_duration_ns silent = data->now_fair - pass->progress;
    struct data_peer *mute = NULL;

    if (silent < pass->patience_ns) {
        data_patience_set(data, timer, pass->patience_ns - silent);
        return;
    }
    if (pass->peer->frames == pass->peer_frames)
        mute = pass->peer; /* nothing at all came since we began: the connection may be half open */
    pass_end(pass, DFS_TIMEOUT, false, "timeout");
    if (mute != NULL)
        data_peer_close(mute, DFS_TIMEOUT);
}

void data_pass_init(struct data_pass *pass, struct dfs_data *data)
{
    *pass = (struct data_pass){.data = data, .phase = DATA_PASS_IDLE};
    dfs_list_init(&pass->at_peer);
    data_timer_init(&pass->timer, on_timer);
    data_stream_init(&pass->stream, data);
}

static void pass_start(struct data_pass *pass, const char *why)
{
    struct dfs_data *data = pass->data;

    DFS_GATE(&data->env, &data_pass_gate, pass->phase, DATA_PASS_SENDING, why);
    pass->progress = data->now_fair;
    pass->peer = data_peer_out(data, &pass->node, &pass->addr, &pass->pooled);
    if (pass->peer == NULL) {
        DFS_GATE(&data->env, &data_pass_gate, pass->phase, DATA_PASS_ENDED, "full");
        pass->failed(pass, DFS_UNAVAILABLE, false);
        return;
    }
    dfs_list_push(&pass->peer->passes, &pass->at_peer);
    pass->peer_frames = pass->peer->frames;
    pass->request = dfs_link_request(&pass->peer->link);
    data_patience_set(data, &pass->timer, pass->patience_ns);
    pass->header(pass);
    pass->stream.peer = pass->peer;
    pass->stream.request = pass->request;
    pass->stream.window = data->config.bounds.pass_window;
    pass->stream.end = pass->stream.length_bytes;
    pass->stream.sent_all = on_sent_all;
    pass->stream.failed = on_stream_failed;
    pass->stream.moved = on_moved;
    data_stream_pump(&pass->stream);
}

void data_pass_begin(struct data_pass *pass, const struct dfs_id *node, const struct dfs_addr *addr,
                     dfs_duration_ns patience_ns)
{
    DFS_ASSERT(pass->phase == DATA_PASS_IDLE || pass->phase == DATA_PASS_ENDED);
    pass->node = *node;
    pass->addr = *addr;
    pass->patience_ns = patience_ns;
    pass_start(pass, "begin");
}

void data_pass_peer_lost(struct data_pass *pass, enum dfs_status status)
{
    const bool again = pass->pooled;

    if (!again) {
        pass_end(pass, status, false, "closed");
        return;
    }
    /* The connection was an old one, and may have been dead for long: once more on a fresh one. */
    pass_leave(pass);
    pass_start(pass, "closed");
}

void data_pass_answer(struct data_pass *pass, const struct dfs_m_block_written *message)
{
    pass_leave(pass);
    DFS_GATE(&pass->data->env, &data_pass_gate, pass->phase, DATA_PASS_ENDED, "block_written");
    pass->answered(pass, message);
}

void data_pass_stop(struct data_pass *pass, const char *why)
{
    if (pass->data == NULL)
        return;
    if (pass->phase == DATA_PASS_SENDING || pass->phase == DATA_PASS_WAITING) {
        pass_leave(pass);
        if (!pass->data->ending)
            DFS_GATE(&pass->data->env, &data_pass_gate, pass->phase, DATA_PASS_ENDED, why);
    }
    data_stream_close(&pass->stream);
}
