/*
 * pipe.c - one direction of a connection, from send() to the wire.
 *
 * A frame handed to send() is copied once into a segment, waits in the pipe's queue while the buffers of the
 * stream are full, is launched (the link gives it its times), and is in flight until the other machine's sink
 * has taken its last byte. One item per pipe stands in the world's queue: the arrival of its oldest segment.
 */
#include "net_sim/stream_internal.h"

/* A segment that lost a packet comes 1 ... 4 round trips later, of at least this each. */
#define RETRY_ROUND_TRIPS 4
#define RETRY_MIN_NS (1 * DFS_MILLISECONDS)

/* Segments --------------------------------------------------------------------------------------------------------- */

struct sim_segment *sim_segment_new(struct sim_world *world, enum sim_segment_kind kind, size_t head_bytes,
                                    size_t bulk_bytes)
{
    uint8_t pool_class;
    struct sim_segment *segment = sim_pool_take(&world->pool, sizeof *segment + head_bytes + bulk_bytes, &pool_class);

    *segment = (struct sim_segment){
        .sent_at = world->now,
        .head_bytes = (uint32_t)head_bytes,
        .bulk_bytes = (uint32_t)bulk_bytes,
        .kind = (uint8_t)kind,
        .pool_class = pool_class,
    };
    return segment;
}

void sim_segment_drop(struct sim_host *host, struct sim_segment *segment)
{
    if (segment->buf != NULL)
        sim_host_buf_release(host, segment->buf);
    sim_pool_give(&host->world->pool, segment, segment->pool_class);
}

void sim_segment_free(struct sim_endpoint *from, struct sim_segment *segment)
{
    sim_segment_drop(from->host, segment);
}

struct sim_message sim_segment_message(struct sim_endpoint *from, const struct sim_segment *segment)
{
    return (struct sim_message){
        .from = from->host,
        .to = sim_endpoint_other(from)->host,
        .conn = sim_endpoint_conn(from)->number,
        .number = segment->number,
        .offset = segment->offset,
        .sent_at = segment->sent_at,
        .head = segment->bytes,
        .head_bytes = segment->head_bytes,
        .bulk = segment->bytes + segment->head_bytes,
        .bulk_bytes = segment->bulk_bytes,
    };
}

void sim_segment_lose(struct sim_endpoint *from, struct sim_segment *segment)
{
    struct sim_world *world = from->host->world;

    if (world->observed & SIM_SEES_FRAME_LOST && segment->kind == SIM_SEGMENT_FRAME) {
        const struct sim_message message = sim_segment_message(from, segment);

        SIM_TELL(world, SIM_SEES_FRAME_LOST, frame_lost, &message);
    }
    sim_segment_free(from, segment);
}

void sim_segments_lose(struct sim_endpoint *from, struct sim_segment *segment)
{
    while (segment != NULL) {
        struct sim_segment *next = segment->next;

        sim_segment_lose(from, segment);
        segment = next;
    }
}

static void segment_append(struct sim_segment **first, struct sim_segment **last, struct sim_segment *segment)
{
    segment->next = NULL;
    if (*first == NULL)
        *first = segment;
    else
        (*last)->next = segment;
    *last = segment;
}

/* Launching -------------------------------------------------------------------------------------------------------- */

uint64_t sim_pipe_key(struct sim_endpoint *from)
{
    return sim_endpoint_conn(from)->key ^ (from->side == 0 ? 0 : UINT64_C(0x5851f42d4c957f2d));
}

void sim_pipe_arrive_at(struct sim_endpoint *from, dfs_time_ns at)
{
    struct sim_pipe *pipe = &from->out;

    if (pipe->arrive_queued)
        return;
    pipe->arrive_queued = true;
    sim_endpoint_conn(from)->queued++;
    sim_push(from->host->world, &pipe->arrive, at);
}

void sim_pipe_arm(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    if (pipe->flight != NULL && !pipe->reader_waits && !pipe->muted && !sim_pipe_is_stalled(pipe))
        sim_pipe_arrive_at(from, pipe->flight->arrive_at);
}

void sim_pipe_stall(struct sim_endpoint *from)
{
    struct sim_world *world = from->host->world;

    from->out.was_cut = true;
    if (from->out.stalled_at == 0)
        from->out.stalled_at = world->now;
    if (!dfs_list_linked(&from->out.stalled))
        dfs_list_push(&world->stalled_pipes, &from->out.stalled);
}

static void bulk_sent_later(struct sim_endpoint *from, struct sim_segment *segment)
{
    struct sim_world *world = from->host->world;
    struct sim_pipe *pipe = &from->out;
    uint8_t pool_class;
    struct sim_sent *sent = sim_pool_take(&world->pool, sizeof *sent, &pool_class);

    *sent = (struct sim_sent){.leave_at = segment->leave_at, .buf = segment->buf, .pool_class = pool_class};
    segment->buf = NULL;
    if (pipe->bulk == NULL)
        pipe->bulk = sent;
    else
        pipe->bulk_last->next = sent;
    pipe->bulk_last = sent;
    if (!pipe->sent_queued) {
        pipe->sent_queued = true;
        sim_endpoint_conn(from)->queued++;
        sim_push(world, &pipe->sent, pipe->bulk->leave_at);
    }
}

/* Control bytes count as waiting until their segment has left. */
static void control_advance(struct sim_pipe *pipe, dfs_time_ns now)
{
    while (pipe->leaving != NULL && pipe->leaving->leave_at <= now) {
        pipe->control_bytes -= pipe->leaving->head_bytes;
        pipe->leaving = pipe->leaving->next;
    }
}

size_t sim_pipe_control_bytes(struct sim_endpoint *from)
{
    control_advance(&from->out, from->host->world->now);
    return from->out.control_bytes;
}

static void tell_retry(struct sim_endpoint *from, const struct sim_segment *segment, dfs_duration_ns by)
{
    const struct sim_link_event event = {
        .hit = SIM_LINK_RETRIED,
        .message = {.from = from->host,
                    .to = from->link->to,
                    .conn = sim_endpoint_conn(from)->number,
                    .number = segment->kind == SIM_SEGMENT_FRAME ? segment->number : 0,
                    .sent_at = segment->sent_at,
                    .head = segment->bytes,
                    .head_bytes = segment->head_bytes,
                    .bulk = segment->bytes + segment->head_bytes,
                    .bulk_bytes = segment->bulk_bytes},
        .by = by,
    };

    SIM_TELL(from->host->world, SIM_SEES_LINK_HIT, link_hit, &event);
}

static dfs_duration_ns segment_retry(struct sim_endpoint *from, const struct sim_segment *segment,
                                     dfs_duration_ns latency)
{
    const struct sim_link *link = from->link;
    struct sim_world *world = from->host->world;
    const uint64_t packets = sim_segment_bytes(segment) / SIM_PACKET_BYTES + 1;
    const uint64_t ppb = packets * link->options->loss_ppb;
    const uint64_t key = sim_pipe_key(from);
    const dfs_duration_ns round_trip = 2 * latency > RETRY_MIN_NS ? 2 * latency : RETRY_MIN_NS;

    if (!sim_hits(sim_draw(world, key, SIM_DRAW_SEGMENT_LOSS, segment->number),
                  ppb < SIM_PPB_ONE ? (uint32_t)ppb : SIM_PPB_ONE))
        return 0;
    const dfs_duration_ns retry =
        round_trip * (1 + sim_below(sim_draw(world, key, SIM_DRAW_SEGMENT_RETRY, segment->number), RETRY_ROUND_TRIPS));

    if (world->observed & SIM_SEES_LINK_HIT)
        tell_retry(from, segment, retry);
    return retry;
}

static enum sim_segment_cut segment_cut(struct sim_endpoint *from, const struct sim_segment *segment)
{
    const struct sim_link_options *options = from->link->options;
    uint64_t value;

    if (options->cut_ppb == 0 && options->dribble_ppb == 0)
        return SIM_CUT_NONE;
    value = sim_draw(from->host->world, sim_pipe_key(from), SIM_DRAW_SEGMENT_CUT, segment->number);
    if (sim_hits(value, options->dribble_ppb))
        return SIM_CUT_BYTES;
    return sim_hits(sim_mix(value, 1), options->cut_ppb) ? SIM_CUT_PIECES : SIM_CUT_NONE;
}

void sim_segment_launch(struct sim_endpoint *from, struct sim_segment *segment)
{
    struct sim_link *link = from->link;
    struct sim_pipe *pipe = &from->out;
    struct sim_world *world = from->host->world;
    const dfs_duration_ns latency =
        sim_link_latency(link, sim_pipe_key(from), SIM_DRAW_SEGMENT_LATENCY, segment->number);

    segment->leave_at = sim_link_reserve(link, sim_segment_bytes(segment));
    segment->arrive_at = segment->leave_at + latency + segment->delay;
    if (link->options->loss_ppb != 0)
        segment->arrive_at += segment_retry(from, segment, latency);
    if (segment->arrive_at < pipe->arrive_last)
        segment->arrive_at = pipe->arrive_last;
    pipe->arrive_last = segment->arrive_at;
    segment->cut = (uint8_t)segment_cut(from, segment);
    segment_append(&pipe->flight, &pipe->flight_last, segment);
    pipe->flight_bytes += sim_segment_bytes(segment);
    if (pipe->leaving == NULL && segment->leave_at <= world->now)
        pipe->control_bytes -= segment->head_bytes;
    else if (pipe->leaving == NULL)
        pipe->leaving = segment;
    if (segment->buf != NULL)
        bulk_sent_later(from, segment);
    sim_pipe_arm(from);
}

static bool has_room(const struct sim_pipe *pipe, const struct sim_segment *segment)
{
    return pipe->flight_bytes == 0 || pipe->flight_bytes + sim_segment_bytes(segment) <= SIM_STREAM_BUFFER_BYTES;
}

void sim_pipe_queue_launch(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    if (sim_endpoint_conn(from)->stage != SIM_CONN_MADE)
        return;
    while (pipe->queue != NULL && has_room(pipe, pipe->queue)) {
        struct sim_segment *segment = pipe->queue;

        pipe->queue = segment->next;
        sim_segment_launch(from, segment);
    }
}

void sim_segment_put(struct sim_endpoint *from, struct sim_segment *segment)
{
    struct sim_pipe *pipe = &from->out;

    if (pipe->queue == NULL && sim_endpoint_conn(from)->stage == SIM_CONN_MADE && has_room(pipe, segment))
        sim_segment_launch(from, segment);
    else
        segment_append(&pipe->queue, &pipe->queue_last, segment);
}

void sim_endpoint_read_again(struct sim_endpoint *end)
{
    struct sim_endpoint *from = sim_endpoint_other(end);

    if (from->host == NULL || !from->out.reader_waits)
        return;
    from->out.reader_waits = false;
    sim_pipe_arm(from);
}

/* Emptying --------------------------------------------------------------------------------------------------------- */

void sim_pipe_bulk_forget(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    while (pipe->bulk != NULL) {
        struct sim_sent *sent = pipe->bulk;

        pipe->bulk = sent->next;
        sim_host_buf_release(from->host, sent->buf);
        sim_pool_give(&from->host->world->pool, sent, sent->pool_class);
    }
    for (struct sim_segment *at = pipe->queue; at != NULL; at = at->next) {
        if (at->buf != NULL)
            sim_host_buf_release(from->host, at->buf);
        at->buf = NULL;
    }
}

static struct sim_segment *flight_take(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;
    struct sim_segment *segment = pipe->flight;

    control_advance(pipe, from->host->world->now);
    pipe->flight = segment->next;
    return segment;
}

void sim_pipe_flight_pop(struct sim_endpoint *from)
{
    sim_segment_free(from, flight_take(from));
}

void sim_pipe_flight_lose(struct sim_endpoint *from)
{
    sim_segment_lose(from, flight_take(from));
}

void sim_pipe_flight_clear(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    while (pipe->flight != NULL) {
        struct sim_segment *segment = pipe->flight;

        pipe->flight = segment->next;
        pipe->flight_bytes -= sim_segment_bytes(segment) - segment->done_bytes;
        if (pipe->leaving == segment) {
            pipe->control_bytes -= segment->head_bytes;
            pipe->leaving = segment->next;
        }
        sim_segment_lose(from, segment);
    }
}

void sim_pipe_clear(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    sim_pipe_bulk_forget(from);
    sim_pipe_flight_clear(from);
    sim_segments_lose(from, pipe->queue);
    pipe->queue = NULL;
    pipe->control_bytes = 0;
    dfs_list_remove(&pipe->stalled);
}

/* What was not launched never will be; what is in flight goes on, and finds nobody or is read. */
void sim_pipe_queue_drop(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    for (const struct sim_segment *at = pipe->queue; at != NULL; at = at->next)
        pipe->control_bytes -= at->head_bytes;
    sim_segments_lose(from, pipe->queue);
    pipe->queue = NULL;
}

/* Leaving ---------------------------------------------------------------------------------------------------------- */

void sim_pipe_on_sent(struct sim_world *world, struct sim_pipe *pipe)
{
    struct sim_endpoint *end = sim_pipe_end(pipe);
    struct sim_conn *conn = sim_endpoint_conn(end);

    pipe->sent_queued = false;
    while (pipe->bulk != NULL && pipe->bulk->leave_at <= world->now && end->state == SIM_ENDPOINT_OPEN &&
           !end->host->held) {
        struct sim_sent *sent = pipe->bulk;
        struct dfs_event event = {
            .kind = DFS_EV_SENT,
            .net = {.conn = end->handle, .user = end->user, .bulk = sent->buf},
        };

        pipe->bulk = sent->next;
        dfs_buf_unref(sent->buf);
        sim_pool_give(&world->pool, sent, sent->pool_class);
        sim_host_step(end->host, &event, end->handle);
    }
    if (pipe->bulk != NULL && !pipe->sent_queued && end->state == SIM_ENDPOINT_OPEN) {
        pipe->sent_queued = true;
        conn->queued++;
        sim_push(world, &pipe->sent, pipe->bulk->leave_at);
    }
    conn->queued--;
    sim_conn_maybe_free(conn);
}
