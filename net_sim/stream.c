/*
 * stream.c - streams as machines see them: the verbs, and bytes that arrive late, in pieces, or not at all,
 * but never wrong.
 */
#include "net_sim/stream_internal.h"

#include <string.h>

/* A cut segment comes in pieces of 1 ... this many bytes, or half of what is left if that is more: headers are cut as
 * well as bulk. */
#define PIECE_BYTES_MAX 24u

/* Receiving -------------------------------------------------------------------------------------------------------- */

static void accept_step(struct sim_endpoint *end)
{
    struct sim_endpoint *made = sim_endpoint_other(end);
    struct dfs_event event = {
        .kind = DFS_EV_ACCEPT,
        .net = {.peer = &made->host->peer, .addr = &made->host->addr, .order = sim_endpoint_conn(end)->number},
    };

    sim_endpoint_register(end);
    end->state = SIM_ENDPOINT_OPEN;
    event.net.conn = end->handle;
    sim_host_step(end->host, &event, end->handle);
}

static void frame_delivered(struct sim_endpoint *from, struct sim_segment *segment)
{
    struct sim_world *world = from->host->world;

    world->counts.frames_delivered++;
    from->out.frames_read++;
    if (world->observed & SIM_SEES_FRAME_DELIVERED) {
        const struct sim_message message = sim_segment_message(from, segment);

        SIM_TELL(world, SIM_SEES_FRAME_DELIVERED, frame_delivered, &message);
    }
}

static size_t piece_bytes(struct sim_endpoint *from, const struct sim_segment *segment, size_t left)
{
    if (segment->cut == SIM_CUT_NONE)
        return left;
    if (segment->cut == SIM_CUT_BYTES)
        return 1;
    const size_t most = left / 2 > PIECE_BYTES_MAX ? left / 2 : (left < PIECE_BYTES_MAX ? left : PIECE_BYTES_MAX);

    return 1 + sim_below(sim_draw(from->host->world, sim_pipe_key(from), SIM_DRAW_PIECE,
                                  segment->number << 21 | segment->done_bytes),
                         most);
}

struct reading {
    size_t count;
    bool complete;   /* the sink says so: a step is due */
    bool unfinished; /* the segment has more */
};

/* Nearly every frame comes as a header of sixteen bytes and a body. */
static void bytes_put(uint8_t *at, const uint8_t *from, size_t count)
{
    if (count == 16)
        memcpy(at, from, 16);
    else
        memcpy(at, from, count);
}

/* Puts bytes of the oldest segment into the sink, at most `limit`: a piece of a cut segment, of others all until something is complete. false: the reader has
 * to do something first. */
static bool frame_read(struct sim_endpoint *from, size_t limit, struct reading *ret_reading)
{
    struct sim_endpoint *end = sim_endpoint_other(from);
    struct sim_pipe *pipe = &from->out;
    struct sim_segment *segment = pipe->flight;
    const bool whole = segment->cut == SIM_CUT_NONE && limit == SIZE_MAX;
    size_t left = sim_segment_bytes(segment) - segment->done_bytes;

    do {
        size_t count = piece_bytes(from, segment, left);
        uint8_t *at = NULL;
        const size_t room = end->sink == NULL ? 0 : end->sink->want(end->sink, &at);

        if (room == 0) {
            pipe->reader_waits = true;
            return false;
        }
        count = count < room ? count : room;
        count = count < limit ? count : limit;
        bytes_put(at, segment->bytes + segment->done_bytes, count);
        segment->done_bytes += (uint32_t)count;
        pipe->flight_bytes -= count;
        left -= count;
        ret_reading->count = count;
        ret_reading->complete = end->sink->got(end->sink, count);
        if (left == 0) {
            frame_delivered(from, segment);
            sim_pipe_flight_pop(from);
        }
        if (pipe->queue != NULL)
            sim_pipe_queue_launch(from);
    } while (whole && left > 0 && !ret_reading->complete);
    ret_reading->unfinished = left > 0;
    return true;
}

/* Whether the oldest segment can come in now, and how many bytes of it; if not, what has to happen first is arranged. */
static bool arrival_possible(struct sim_endpoint *from, size_t *ret_limit)
{
    struct sim_host *to = sim_endpoint_other(from)->host;
    struct sim_pipe *pipe = &from->out;
    const struct sim_world *world = to->world;

    *ret_limit = SIZE_MAX;
    if (pipe->muted)
        return false;
    if (pipe->flight->arrive_at > world->now || pipe->hold_until > world->now) {
        sim_pipe_arrive_at(from, dfs_time_max(pipe->flight->arrive_at, pipe->hold_until));
        return false;
    }
    if (to->machine == NULL && to->dark) {
        sim_pipe_stall(from);
        return false;
    }
    if (world->partitions == NULL) {
        if (pipe->was_cut)
            from->credit_bytes = SIM_STREAM_WINDOW_BYTES;
        return true;
    }
    if (sim_blocked(from->host, to)) {
        sim_pipe_stall(from);
        return false;
    }
    if (!sim_blocked(to, from->host)) {
        from->credit_bytes = SIM_STREAM_WINDOW_BYTES;
        return true;
    }
    pipe->was_cut = true;
    if (from->credit_bytes == 0) {
        sim_pipe_stall(from);
        return false;
    }
    *ret_limit = from->credit_bytes;
    return true;
}

/* What a cut has left behind is over, but for credit that is spent. */
static void arrives_again(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    pipe->stalled_at = 0;
    pipe->was_cut = from->credit_bytes != SIM_STREAM_WINDOW_BYTES || dfs_list_linked(&pipe->stalled);
}

/* An end that is not there: closed (what comes is thrown away), or of an earlier life (the operating system
 * answers with a reset). */
static bool is_deaf(const struct sim_endpoint *end)
{
    return end->state == SIM_ENDPOINT_DEAD || end->state == SIM_ENDPOINT_ENDING || end->host->machine == NULL ||
           end->life != end->host->life;
}

static void deaf_discard(struct sim_endpoint *from)
{
    const struct sim_endpoint *end = sim_endpoint_other(from);
    struct sim_world *world = from->host->world;

    if (end->gone || end->host->machine == NULL || end->life != end->host->life)
        sim_endpoint_tell(from, DFS_UNREACHABLE, world->now + sim_endpoint_way_back(from, from->out.frames), true);
    while (from->out.flight != NULL) {
        sim_pipe_flight_clear(from);
        sim_pipe_queue_launch(from);
    }
}

/* Puts the oldest segment, a frame's, before the machine. false: nothing more can be done now. */
static bool frame_deliver(struct sim_endpoint *from, size_t limit, struct reading *ret_reading)
{
    struct sim_endpoint *end = sim_endpoint_other(from);
    const struct sim_segment *segment = from->out.flight;
    const bool pieces = segment->cut == SIM_CUT_PIECES;
    const uint64_t number = segment->number << 21 | segment->done_bytes;

    if (!frame_read(from, limit, ret_reading))
        return false;
    if (limit != SIZE_MAX)
        from->credit_bytes -= ret_reading->count;
    if (ret_reading->complete) {
        struct dfs_event event = {.kind = DFS_EV_RECV, .net = {.conn = end->handle, .user = end->user}};

        sim_host_step(end->host, &event, end->handle);
    }
    if (pieces && ret_reading->unfinished && !is_deaf(end)) {
        struct sim_world *world = from->host->world;

        sim_pipe_arrive_at(from,
                           world->now + sim_below(sim_draw(world, sim_pipe_key(from), SIM_DRAW_PIECE_DELAY, number),
                                                  SIM_PIECE_DELAY_MAX_NS));
        return false;
    }
    return true;
}

static void deliver(struct sim_endpoint *from)
{
    struct sim_endpoint *end = sim_endpoint_other(from);
    struct sim_pipe *pipe = &from->out;
    struct sim_world *world = from->host->world;
    size_t limit;

    while (pipe->flight != NULL && arrival_possible(from, &limit)) {
        struct reading reading = {.unfinished = false};

        if (pipe->was_cut)
            arrives_again(from);
        if (is_deaf(end)) {
            deaf_discard(from);
            return;
        }
        if (pipe->flight->kind == SIM_SEGMENT_FRAME) {
            if (!frame_deliver(from, limit, &reading))
                return;
        } else if (pipe->flight->kind == SIM_SEGMENT_ACCEPT) {
            sim_pipe_flight_pop(from);
            accept_step(end);
        } else {
            sim_pipe_flight_pop(from);
            sim_endpoint_closed_step(end, DFS_OK);
            return;
        }
        if ((end->host->held || (world->frame_by_frame && !reading.unfinished)) && pipe->flight != NULL) {
            sim_pipe_arrive_at(from, world->now);
            return;
        }
    }
}

void sim_pipe_on_arrive(struct sim_world *world, struct sim_pipe *pipe)
{
    struct sim_endpoint *from = sim_pipe_end(pipe);
    struct sim_conn *conn = sim_endpoint_conn(from);

    (void)world;
    pipe->arrive_queued = false;
    deliver(from);
    conn->queued--;
    sim_conn_maybe_free(conn);
}

/* The verbs -------------------------------------------------------------------------------------------------------- */

static void net_attach(void *ctx, dfs_conn conn, struct dfs_sink *sink, void *user)
{
    struct sim_endpoint *end = sim_endpoint_find(ctx, conn);

    if (end == NULL || end->state == SIM_ENDPOINT_ENDING)
        return;
    DFS_ASSERT(end->sink == NULL);
    end->sink = sink;
    end->user = user;
    sim_endpoint_read_again(end);
}

static void net_resume(void *ctx, dfs_conn conn)
{
    struct sim_endpoint *end = sim_endpoint_find(ctx, conn);

    if (end != NULL && end->sink != NULL)
        sim_endpoint_read_again(end);
}

/* The frame does not go, and neither end hears of the other again: as if the connection had broken in front
 * of it. */
static void cut_in_front(struct sim_endpoint *end, struct sim_segment *segment)
{
    struct sim_endpoint *other = sim_endpoint_other(end);
    const dfs_time_ns now = end->host->world->now;
    const dfs_duration_ns way = sim_endpoint_way_back(end, segment->number);

    sim_segment_lose(end, segment);
    if (other->handle != 0)
        sim_endpoint_tell(other, DFS_UNREACHABLE, dfs_time_max(end->out.arrive_last, now) + way, true);
    sim_endpoint_tell(end, DFS_UNREACHABLE, now + way, false);
}

static bool filter(struct sim_endpoint *end, struct sim_segment *segment)
{
    struct sim_world *world = end->host->world;
    struct sim_verdict verdict = {.drop = false};
    const struct sim_message message = sim_segment_message(end, segment);

    SIM_TELL(world, SIM_SEES_FRAME_SENT, frame_sent, &message, &verdict);
    sim_trace_mix(world, verdict.delay, verdict.drop);
    segment->delay = verdict.delay;
    return !verdict.drop;
}

static void trace_frame(struct sim_world *world, const struct sim_segment *segment)
{
    uint64_t digest;

    if (world->options.digest != NULL &&
        world->options.digest(world->options.digest_arg, segment->bytes, segment->head_bytes, &digest)) {
        sim_trace_mix(world, digest, segment->head_bytes);
        sim_trace_bytes(world, segment->bytes + segment->head_bytes, segment->bulk_bytes);
        return;
    }
    sim_trace_bytes(world, segment->bytes, sim_segment_bytes(segment));
}

/* The frame as a segment; its buffer is referenced. */
static struct sim_segment *frame_copy(struct sim_world *world, const void *head, size_t head_bytes,
                                      struct dfs_buf *bulk, size_t bulk_offset, size_t bulk_bytes)
{
    struct sim_segment *segment = sim_segment_new(world, SIM_SEGMENT_FRAME, head_bytes, bulk_bytes);

    memcpy(segment->bytes, head, head_bytes);
    if (bulk_bytes > 0) {
        DFS_ASSERT(bulk_bytes <= DFS_FRAME_BULK_BYTES_MAX);
        memcpy(segment->bytes + head_bytes, bulk->bytes + bulk_offset, bulk_bytes);
    }
    if (bulk != NULL)
        segment->buf = dfs_buf_ref(bulk);
    return segment;
}

static void net_send(void *ctx, dfs_conn conn, const void *head, size_t head_bytes, struct dfs_buf *bulk,
                     size_t bulk_offset, size_t bulk_bytes)
{
    struct sim_host *host = ctx;
    struct sim_world *world = host->world;
    struct sim_endpoint *end;
    struct sim_segment *segment;

    DFS_ASSERT(head_bytes + bulk_bytes > 0 && head_bytes <= DFS_SEND_QUEUE_BYTES_MAX);
    /* Of many connections few are cached: what is needed of this one comes while the frame is copied and hashed. */
    sim_endpoint_expect(host, conn);
    segment = frame_copy(world, head, head_bytes, bulk, bulk_offset, bulk_bytes);
    end = sim_endpoint_find(host, conn);
    if (end == NULL) {
        sim_segment_drop(host, segment);
        return;
    }
    sim_endpoint_expect_send(host, conn, end);
    if (end->state == SIM_ENDPOINT_ENDING) {
        sim_segment_free(end, segment);
        return;
    }
    __builtin_prefetch(end->link, 1);
    segment->number = ++end->out.frames;
    segment->offset = end->out.frame_bytes;
    end->out.frame_bytes += head_bytes + bulk_bytes;
    world->counts.frames++;
    world->counts.frame_bytes += head_bytes + bulk_bytes;
    trace_frame(world, segment);
    sim_trace_mix(world, conn, (uint64_t)head_bytes << 32 | host->index);
    if (world->observed & SIM_SEES_FRAME_SENT && !filter(end, segment)) {
        cut_in_front(end, segment);
        return;
    }
    end->out.control_bytes += head_bytes;
    sim_segment_put(end, segment);
    if (sim_pipe_control_bytes(end) > DFS_SEND_QUEUE_BYTES_MAX) {
        struct sim_endpoint *other = sim_endpoint_other(end);

        if (other->handle != 0)
            sim_endpoint_tell(other, DFS_UNREACHABLE, world->now + sim_endpoint_way_back(end, segment->number), true);
        sim_endpoint_tell(end, DFS_TOO_LARGE, world->now, false);
    }
}

static void net_close(void *ctx, dfs_conn handle)
{
    struct sim_host *host = ctx;
    struct sim_endpoint *end = sim_endpoint_find(host, handle);

    if (end == NULL)
        return;
    sim_trace_mix(host->world, handle, UINT64_C(10) << 40 | host->index);
    sim_endpoint_close(end);
    sim_conn_maybe_free(sim_endpoint_conn(end));
}

const struct dfs_net_ops sim_net_ops = {
    .connect = sim_net_connect,
    .attach = net_attach,
    .resume = net_resume,
    .send = net_send,
    .close = net_close,
    .datagram = sim_datagram_send,
};
