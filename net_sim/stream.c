/*
 * stream.c - connections: ordered bytes that arrive late, in pieces, or not at all, but never wrong.
 *
 * A connection has two ends; each end has the pipe of what it sends. A frame handed to send() is copied once into a segment, waits in the pipe's
 * queue while the buffers of the stream are full, is launched (the link gives it its times), and is in flight until the other machine's sink has
 * taken its last byte. One item per pipe stands in the world's queue: the arrival of its oldest segment.
 */
#include "net_sim/internal.h"

#include "core/base/mem.h"

#include <string.h>

/* A lost SYN, or its answer, is sent again after this (RFC 6298, section 2). */
#define CONNECT_RETRY_NS (1 * DFS_SECONDS)

/* A segment that lost a packet comes 1 ... 4 round trips later, of at least this each. */
#define RETRY_ROUND_TRIPS 4
#define RETRY_MIN_NS (1 * DFS_MILLISECONDS)

/* A cut segment comes in pieces of 1 ... this many bytes, or half of what is left if that is more: headers are cut as well as bulk. */
#define PIECE_BYTES_MAX 24u

/* Ends and handles ------------------------------------------------------------------------------------------------- */

#define SLOT_MASK ((UINT64_C(1) << SIM_CONN_SLOT_BITS) - 1)

static struct sim_endpoint *end_of(struct sim_pipe *pipe)
{
    return dfs_container_of(pipe, struct sim_endpoint, out);
}

static struct sim_conn *conn_of(struct sim_endpoint *end)
{
    return dfs_container_of(end - end->side, struct sim_conn, end);
}

static struct sim_endpoint *other_of(struct sim_endpoint *end)
{
    return end->side == 0 ? end + 1 : end - 1;
}

static struct sim_endpoint *end_find(struct sim_host *host, dfs_conn handle)
{
    const uint64_t slot = (handle & SLOT_MASK) - 1;
    struct sim_endpoint *end;

    if (handle == 0 || slot >= host->slot_count)
        return NULL;
    end = host->slots[slot].end;
    return end != NULL && end->handle == handle ? end : NULL;
}

static void slots_grow(struct sim_host *host)
{
    const uint32_t count = host->slot_count == 0 ? 16 : host->slot_count * 2;

    DFS_ASSERT(count < SLOT_MASK);
    host->slots = dfs_realloc_array(host->slots, count, sizeof *host->slots);
    for (uint32_t i = count; i-- > host->slot_count;) {
        host->slots[i] = (struct sim_slot){.free_next = host->slot_free};
        host->slot_free = i + 1;
    }
    host->slot_count = count;
}

/* slot_free and free_next count from 1; 0 is none. */
static void handle_take(struct sim_endpoint *end)
{
    struct sim_host *host = end->host;
    struct sim_slot *slot;

    if (host->slot_free == 0)
        slots_grow(host);
    slot = &host->slots[host->slot_free - 1];
    end->handle = ++slot->generation << SIM_CONN_SLOT_BITS | host->slot_free;
    end->life = host->life;
    slot->end = end;
    host->slot_free = slot->free_next;
    dfs_list_push(&host->ends, &end->of_host);
}

static void handle_give(struct sim_endpoint *end)
{
    const uint32_t place = (uint32_t)(end->handle & SLOT_MASK);

    if (end->handle == 0)
        return;
    end->host->slots[place - 1].end = NULL;
    end->host->slots[place - 1].free_next = end->host->slot_free;
    end->host->slot_free = place;
    end->handle = 0;
    dfs_list_remove(&end->of_host);
}

/* Segments --------------------------------------------------------------------------------------------------------- */

static size_t segment_bytes(const struct sim_segment *segment)
{
    return (size_t)segment->head_bytes + segment->bulk_bytes;
}

static struct sim_segment *segment_new(struct sim_world *world, enum sim_segment_kind kind, size_t head_bytes,
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

static void segment_free(struct sim_endpoint *from, struct sim_segment *segment)
{
    if (segment->buf != NULL)
        sim_host_buf_release(from->host, segment->buf);
    sim_pool_give(&from->host->world->pool, segment, segment->pool_class);
}

static void segments_free(struct sim_endpoint *from, struct sim_segment *segment)
{
    while (segment != NULL) {
        struct sim_segment *next = segment->next;

        segment_free(from, segment);
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

/* Pipes ------------------------------------------------------------------------------------------------------------ */

static uint64_t pipe_key(struct sim_endpoint *from)
{
    return conn_of(from)->key ^ (from->side == 0 ? 0 : UINT64_C(0x5851f42d4c957f2d));
}

static void arrive_at(struct sim_endpoint *from, dfs_time_ns at)
{
    struct sim_pipe *pipe = &from->out;

    if (pipe->arrive_queued)
        return;
    pipe->arrive_queued = true;
    conn_of(from)->queued++;
    sim_push(from->host->world, &pipe->arrive, at);
}

/* The oldest segment's arrival, unless something must happen first. */
static void pipe_arm(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    if (pipe->flight != NULL && !pipe->reader_waits && !pipe->muted && !dfs_list_linked(&pipe->stalled))
        arrive_at(from, pipe->flight->arrive_at);
}

static void pipe_stall(struct sim_endpoint *from)
{
    struct sim_world *world = from->host->world;

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
        conn_of(from)->queued++;
        sim_push(world, &pipe->sent, pipe->bulk->leave_at);
    }
}

static void bulk_forget(struct sim_endpoint *from)
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

/* Control bytes count as waiting until their segment has left. */
static void control_advance(struct sim_pipe *pipe, dfs_time_ns now)
{
    while (pipe->leaving != NULL && pipe->leaving->leave_at <= now) {
        pipe->control_bytes -= pipe->leaving->head_bytes;
        pipe->leaving = pipe->leaving->next;
    }
}

static dfs_duration_ns segment_retry(struct sim_endpoint *from, const struct sim_segment *segment,
                                     dfs_duration_ns latency)
{
    const struct sim_link *link = conn_of(from)->link[from->side];
    struct sim_world *world = from->host->world;
    const uint64_t packets = segment_bytes(segment) / SIM_PACKET_BYTES + 1;
    const uint64_t ppb = packets * link->options->loss_ppb;
    const uint64_t key = pipe_key(from);
    const dfs_duration_ns round_trip = 2 * latency > RETRY_MIN_NS ? 2 * latency : RETRY_MIN_NS;

    if (!sim_hits(sim_draw(world, key, SIM_DRAW_SEGMENT_LOSS, segment->number),
                  ppb < SIM_PPB_ONE ? (uint32_t)ppb : SIM_PPB_ONE))
        return 0;
    return round_trip *
           (1 + sim_below(sim_draw(world, key, SIM_DRAW_SEGMENT_RETRY, segment->number), RETRY_ROUND_TRIPS));
}

static enum sim_segment_cut segment_cut(struct sim_endpoint *from, const struct sim_segment *segment)
{
    const struct sim_link_options *options = conn_of(from)->link[from->side]->options;
    uint64_t value;

    if (options->cut_ppb == 0 && options->dribble_ppb == 0)
        return SIM_CUT_NONE;
    value = sim_draw(from->host->world, pipe_key(from), SIM_DRAW_SEGMENT_CUT, segment->number);
    if (sim_hits(value, options->dribble_ppb))
        return SIM_CUT_BYTES;
    return sim_hits(sim_mix(value, 1), options->cut_ppb) ? SIM_CUT_PIECES : SIM_CUT_NONE;
}

/* Gives the segment to the link. */
static void segment_launch(struct sim_endpoint *from, struct sim_segment *segment)
{
    struct sim_link *link = conn_of(from)->link[from->side];
    struct sim_pipe *pipe = &from->out;
    struct sim_world *world = from->host->world;
    const dfs_duration_ns latency = sim_link_latency(link, pipe_key(from), SIM_DRAW_SEGMENT_LATENCY, segment->number);

    segment->leave_at = sim_link_reserve(link, segment_bytes(segment));
    segment->arrive_at = segment->leave_at + latency + segment->delay;
    if (link->options->loss_ppb != 0)
        segment->arrive_at += segment_retry(from, segment, latency);
    if (segment->arrive_at < pipe->arrive_last)
        segment->arrive_at = pipe->arrive_last;
    pipe->arrive_last = segment->arrive_at;
    segment->cut = (uint8_t)segment_cut(from, segment);
    segment_append(&pipe->flight, &pipe->flight_last, segment);
    pipe->flight_bytes += segment_bytes(segment);
    if (pipe->leaving == NULL && segment->leave_at <= world->now)
        pipe->control_bytes -= segment->head_bytes;
    else if (pipe->leaving == NULL)
        pipe->leaving = segment;
    if (segment->buf != NULL)
        bulk_sent_later(from, segment);
    pipe_arm(from);
}

static bool has_room(const struct sim_pipe *pipe, const struct sim_segment *segment)
{
    return pipe->flight_bytes == 0 || pipe->flight_bytes + segment_bytes(segment) <= SIM_STREAM_BUFFER_BYTES;
}

static void queue_launch(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    if (conn_of(from)->stage != SIM_CONN_MADE)
        return;
    while (pipe->queue != NULL && has_room(pipe, pipe->queue)) {
        struct sim_segment *segment = pipe->queue;

        pipe->queue = segment->next;
        segment_launch(from, segment);
    }
}

static void segment_put(struct sim_endpoint *from, struct sim_segment *segment)
{
    struct sim_pipe *pipe = &from->out;

    if (pipe->queue == NULL && conn_of(from)->stage == SIM_CONN_MADE && has_room(pipe, segment))
        segment_launch(from, segment);
    else
        segment_append(&pipe->queue, &pipe->queue_last, segment);
}

static void flight_clear(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    while (pipe->flight != NULL) {
        struct sim_segment *segment = pipe->flight;

        pipe->flight = segment->next;
        pipe->flight_bytes -= segment_bytes(segment) - segment->done_bytes;
        if (pipe->leaving == segment) {
            pipe->control_bytes -= segment->head_bytes;
            pipe->leaving = segment->next;
        }
        segment_free(from, segment);
    }
}

static void pipe_clear(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    bulk_forget(from);
    flight_clear(from);
    segments_free(from, pipe->queue);
    pipe->queue = NULL;
    pipe->control_bytes = 0;
    dfs_list_remove(&pipe->stalled);
}

/* What was not launched never will be; what is in flight goes on, and finds nobody or is read. */
static void queue_drop(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;

    for (const struct sim_segment *at = pipe->queue; at != NULL; at = at->next)
        pipe->control_bytes -= at->head_bytes;
    segments_free(from, pipe->queue);
    pipe->queue = NULL;
}

/* The sink of `end` may grant room again, or the end has become one that throws away. */
static void read_again(struct sim_endpoint *end)
{
    struct sim_endpoint *from = other_of(end);

    if (from->host == NULL || !from->out.reader_waits)
        return;
    from->out.reader_waits = false;
    pipe_arm(from);
}

/* The life of a connection ----------------------------------------------------------------------------------------- */

static void end_init(struct sim_endpoint *end, struct sim_host *host, struct sim_host *other, uint8_t side)
{
    *end = (struct sim_endpoint){
        .closed = {.kind = SIM_ITEM_CLOSED, .host = host},
        .host = host,
        .state = SIM_ENDPOINT_CONNECTING,
        .side = side,
        .out = {
            .arrive = {.kind = SIM_ITEM_ARRIVE, .host = other},
            .sent = {.kind = SIM_ITEM_SENT, .host = host},
            .credit_bytes = SIM_STREAM_WINDOW_BYTES,
        },
    };
    dfs_list_init(&end->of_host);
    dfs_list_init(&end->out.stalled);
}

/* Whether the connecting side still wants the connection. */
static bool is_wanted(const struct sim_conn *conn)
{
    const struct sim_endpoint *end = &conn->end[0];

    return end->state == SIM_ENDPOINT_CONNECTING ||
           (end->state == SIM_ENDPOINT_DEAD && !end->gone && end->out.queue != NULL);
}

static void conn_free(struct sim_conn *conn)
{
    struct sim_world *world = conn->end[0].host->world;

    pipe_clear(&conn->end[0]);
    if (conn->end[1].host != NULL)
        pipe_clear(&conn->end[1]);
    dfs_list_remove(&conn->stalled);
    dfs_list_remove(&conn->of_world);
    sim_pool_give(&world->pool, conn, conn->pool_class);
}

/* Frees what nobody can notice any more. */
static void conn_maybe_free(struct sim_conn *conn)
{
    const struct sim_endpoint *const made = &conn->end[0];
    const struct sim_endpoint *const accepted = &conn->end[1];

    if (conn->queued > 0 || made->state != SIM_ENDPOINT_DEAD)
        return;
    if (accepted->state != SIM_ENDPOINT_DEAD &&
        (accepted->state != SIM_ENDPOINT_CONNECTING || made->out.flight != NULL ||
         (dfs_list_linked(&conn->stalled) && is_wanted(conn))))
        return;
    conn_free(conn);
}

/* The machine has no more to do with this end. */
static void end_finish(struct sim_endpoint *end)
{
    handle_give(end);
    end->state = SIM_ENDPOINT_DEAD;
    end->sink = NULL;
    bulk_forget(end);
}

/* EV_CLOSED at that time. A local cause silences the end at once; news from the other host may still be lost on the way. */
static void end_tell(struct sim_endpoint *end, enum dfs_status status, dfs_time_ns at, bool by_network)
{
    if (end->state == SIM_ENDPOINT_DEAD || end->host == NULL)
        return;
    if (!by_network)
        end->state = end->handle == 0 ? SIM_ENDPOINT_DEAD : SIM_ENDPOINT_ENDING;
    if (end->closed_queued) {
        end->by_network &= by_network;
        return;
    }
    end->closed_queued = true;
    end->by_network = by_network;
    end->status = status;
    conn_of(end)->queued++;
    sim_push(end->host->world, &end->closed, at);
}

static dfs_duration_ns way_back(struct sim_endpoint *from, uint64_t number)
{
    struct sim_conn *conn = conn_of(from);

    if (conn->link[1 - from->side] == NULL)
        return 0; /* to an address that nobody has */
    return sim_link_latency(conn->link[1 - from->side], pipe_key(from), SIM_DRAW_RESET_LATENCY, number);
}

static void closed_step(struct sim_endpoint *end, enum dfs_status status)
{
    struct sim_conn *conn = conn_of(end);
    struct sim_host *host = end->host;
    struct sim_world *world = host->world;
    struct dfs_event event = {
        .kind = DFS_EV_CLOSED,
        .net = {.conn = end->handle, .user = end->user, .status = status},
    };

    end_finish(end);
    queue_drop(end);
    if (world->observed & SIM_SEES_CLOSED) {
        const struct sim_connection connection = {
            .conn = conn->number, .from = conn->end[0].host, .to = conn->end[1].host};

        SIM_TELL(world, SIM_SEES_CLOSED, connection_closed, &connection, host, status);
    }
    sim_host_step(host, &event, event.net.conn ^ (uint64_t)status << 56);
}

void sim_endpoint_on_closed(struct sim_world *world, struct sim_endpoint *end)
{
    struct sim_conn *conn = conn_of(end);

    (void)world;
    end->closed_queued = false;
    /* A reset is not sent again: behind a cut the end stays half open until it speaks. */
    if (end->handle != 0 && !(end->by_network && sim_blocked(other_of(end)->host, end->host)))
        closed_step(end, end->status);
    else if (end->handle == 0)
        end->state = SIM_ENDPOINT_DEAD;
    conn->queued--;
    conn_maybe_free(conn);
}

/* Connecting ------------------------------------------------------------------------------------------------------- */

static void handshake_at(struct sim_conn *conn, enum sim_conn_stage stage, struct sim_host *whose, dfs_time_ns at)
{
    conn->stage = stage;
    conn->handshake.host = whose;
    conn->handshake_queued = true;
    conn->queued++;
    sim_push(conn->end[0].host->world, &conn->handshake, at);
}

/* One way of the handshake, from that side. */
static dfs_duration_ns handshake_way(struct sim_conn *conn, unsigned side, enum sim_conn_stage stage)
{
    struct sim_link *link = conn->link[side];
    struct sim_world *world = conn->end[0].host->world;
    const uint64_t number = (uint64_t)stage << 1;
    dfs_duration_ns way = sim_link_latency(link, conn->key, SIM_DRAW_HANDSHAKE, number);

    if (link->options->loss_ppb != 0 &&
        sim_hits(sim_draw(world, conn->key, SIM_DRAW_HANDSHAKE, number | 1), link->options->loss_ppb))
        way += CONNECT_RETRY_NS;
    return way;
}

static dfs_conn net_connect(void *ctx, const struct dfs_addr *to_addr, enum dfs_role role, const struct dfs_id *node,
                            void *user)
{
    struct sim_host *host = ctx;
    struct sim_world *world = host->world;
    struct sim_host *to = sim_world_host_at(world, to_addr);
    uint8_t pool_class;
    struct sim_conn *conn = sim_pool_take(&world->pool, sizeof *conn, &pool_class);

    *conn = (struct sim_conn){
        .handshake = {.kind = SIM_ITEM_HANDSHAKE},
        .number = ++world->conn_last,
        .role_wanted = role,
        .pool_class = pool_class,
    };
    dfs_list_init(&conn->stalled);
    dfs_list_push(&world->conns, &conn->of_world);
    if (node != NULL) {
        conn->node_given = true;
        conn->node_wanted = *node;
    }
    end_init(&conn->end[0], host, to, 0);
    end_init(&conn->end[1], to, host, 1);
    handle_take(&conn->end[0]);
    conn->end[0].user = user;
    world->counts.connects++;
    sim_trace_bytes(world, to_addr, sizeof *to_addr);
    sim_trace_mix(world, conn->end[0].handle, (uint64_t)role << 32 | host->index);
    if (to == NULL) {
        /* Nobody has the address: a router says so. */
        handshake_at(conn, SIM_CONN_REFUSED, host, world->now + 2 * world->options.link.latency.min);
        return conn->end[0].handle;
    }
    conn->link[0] = sim_link_between(host, to);
    conn->link[1] = sim_link_between(to, host);
    conn->key = sim_prf(conn->link[0]->key, SIM_DRAW_CONN, ++conn->link[0]->conns);
    handshake_at(conn, SIM_CONN_HELLO, to, world->now + handshake_way(conn, 0, SIM_CONN_HELLO));
    return conn->end[0].handle;
}

/* As TLS with a certificate of the cluster would. */
static enum dfs_status identity_check(const struct sim_conn *conn)
{
    const struct dfs_peer *peer = &conn->end[1].host->peer;

    if (peer->kind != DFS_PEER_NODE)
        return DFS_WRONG_CLUSTER;
    if (peer->role != conn->role_wanted || (conn->node_given && !dfs_id_equal(&peer->node, &conn->node_wanted)))
        return DFS_UNREACHABLE;
    return DFS_OK;
}

static void conn_made(struct sim_conn *conn)
{
    struct sim_endpoint *end = &conn->end[0];
    struct sim_host *host = end->host;
    struct sim_world *world = host->world;
    struct dfs_event event = {
        .kind = DFS_EV_OPEN,
        .net = {.conn = end->handle, .user = end->user, .peer = &conn->end[1].host->peer},
    };

    conn->stage = SIM_CONN_MADE;
    segment_launch(end, segment_new(world, SIM_SEGMENT_ACCEPT, 0, 0));
    queue_launch(end);
    if (end->state != SIM_ENDPOINT_CONNECTING)
        return; /* closed with frames queued: they go, and nobody waits here */
    end->state = SIM_ENDPOINT_OPEN;
    if (world->observed & SIM_SEES_OPENED) {
        const struct sim_connection connection = {
            .conn = conn->number, .from = host, .to = conn->end[1].host};

        SIM_TELL(world, SIM_SEES_OPENED, connection_opened, &connection);
    }
    sim_host_step(host, &event, event.net.conn);
}

static void handshake_stall(struct sim_conn *conn)
{
    struct sim_world *world = conn->end[0].host->world;

    if (conn->stalled_at == 0)
        conn->stalled_at = world->now;
    dfs_list_push(&world->stalled_handshakes, &conn->stalled);
}

static void handshake_go(struct sim_conn *conn)
{
    struct sim_endpoint *const made = &conn->end[0];
    struct sim_host *const from = made->host;
    struct sim_host *const to = conn->end[1].host;
    const dfs_time_ns now = from->world->now;
    enum dfs_status status;

    if (!is_wanted(conn))
        return;
    switch (conn->stage) {
    case SIM_CONN_HELLO:
        if (sim_blocked(from, to) || (to->machine == NULL && to->dark)) {
            handshake_stall(conn);
        } else if (to->machine == NULL || !to->listens) {
            handshake_at(conn, SIM_CONN_REFUSED, from, now + handshake_way(conn, 1, SIM_CONN_REFUSED));
        } else {
            conn->end[1].life = to->life;
            handshake_at(conn, SIM_CONN_ANSWER, from, now + handshake_way(conn, 1, SIM_CONN_ANSWER));
        }
        return;
    case SIM_CONN_REFUSED:
        if (to != NULL && sim_blocked(to, from))
            handshake_stall(conn);
        else if (made->handle != 0)
            closed_step(made, DFS_UNREACHABLE);
        return;
    case SIM_CONN_ANSWER:
        if (sim_blocked(to, from)) {
            handshake_stall(conn);
            return;
        }
        status = identity_check(conn);
        if (status == DFS_OK)
            handshake_at(conn, SIM_CONN_FINISH, from, now + handshake_way(conn, 0, SIM_CONN_FINISH));
        else if (made->handle != 0)
            closed_step(made, status);
        else
            pipe_clear(made);
        return;
    case SIM_CONN_FINISH:
        if (sim_blocked(from, to) || sim_blocked(to, from))
            handshake_stall(conn);
        else
            conn_made(conn);
        return;
    case SIM_CONN_MADE:
        break;
    }
    dfs_unreachable("handshake_go");
}

void sim_conn_on_handshake(struct sim_world *world, struct sim_conn *conn)
{
    (void)world;
    conn->handshake_queued = false;
    handshake_go(conn);
    conn->queued--;
    conn_maybe_free(conn);
}

/* Receiving -------------------------------------------------------------------------------------------------------- */

static void accept_step(struct sim_endpoint *end)
{
    struct sim_endpoint *made = other_of(end);
    struct dfs_event event = {
        .kind = DFS_EV_ACCEPT,
        .net = {.peer = &made->host->peer, .addr = &made->host->addr},
    };

    handle_take(end);
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
        const struct sim_message message = {
            .from = from->host,
            .to = other_of(from)->host,
            .conn = conn_of(from)->number,
            .number = segment->number,
            .sent_at = segment->sent_at,
            .head = segment->bytes,
            .head_bytes = segment->head_bytes,
            .bulk = segment->bytes + segment->head_bytes,
            .bulk_bytes = segment->bulk_bytes,
        };

        SIM_TELL(world, SIM_SEES_FRAME_DELIVERED, frame_delivered, &message);
    }
}

static void flight_pop(struct sim_endpoint *from)
{
    struct sim_pipe *pipe = &from->out;
    struct sim_segment *segment = pipe->flight;

    control_advance(pipe, from->host->world->now);
    pipe->flight = segment->next;
    segment_free(from, segment);
}

static size_t piece_bytes(struct sim_endpoint *from, const struct sim_segment *segment, size_t left)
{
    const size_t most = left / 2 > PIECE_BYTES_MAX ? left / 2 : (left < PIECE_BYTES_MAX ? left : PIECE_BYTES_MAX);

    if (segment->cut == SIM_CUT_NONE)
        return left;
    if (segment->cut == SIM_CUT_BYTES)
        return 1;
    return 1 + sim_below(sim_draw(from->host->world, pipe_key(from), SIM_DRAW_PIECE,
                                  segment->number << 21 | segment->done_bytes),
                         most);
}

struct reading {
    size_t count;
    bool complete;   /* the sink says so: a step is due */
    bool unfinished; /* the segment has more */
};

/* Puts bytes of the oldest segment into the sink, at most `limit`. false: the reader has to do something first. */
static bool frame_read(struct sim_endpoint *from, size_t limit, struct reading *ret_reading)
{
    struct sim_endpoint *end = other_of(from);
    struct sim_pipe *pipe = &from->out;
    struct sim_segment *segment = pipe->flight;
    const size_t left = segment_bytes(segment) - segment->done_bytes;
    size_t count = piece_bytes(from, segment, left);
    uint8_t *at = NULL;
    const size_t room = end->sink == NULL ? 0 : end->sink->want(end->sink, &at);

    if (room == 0) {
        pipe->reader_waits = true;
        return false;
    }
    count = count < room ? count : room;
    count = count < limit ? count : limit;
    memcpy(at, segment->bytes + segment->done_bytes, count);
    segment->done_bytes += (uint32_t)count;
    pipe->flight_bytes -= count;
    ret_reading->count = count;
    ret_reading->complete = end->sink->got(end->sink, count);
    ret_reading->unfinished = count < left;
    if (count == left) {
        frame_delivered(from, segment);
        flight_pop(from);
    }
    queue_launch(from);
    return true;
}

/* Whether the oldest segment can come in now; if not, what has to happen first is arranged. */
static bool arrival_possible(struct sim_endpoint *from)
{
    struct sim_endpoint *end = other_of(from);
    struct sim_host *to = end->host;
    struct sim_pipe *pipe = &from->out;
    const dfs_time_ns now = to->world->now;

    if (pipe->muted)
        return false;
    if (pipe->flight->arrive_at > now || pipe->hold_until > now) {
        arrive_at(from, dfs_time_max(pipe->flight->arrive_at, pipe->hold_until));
        return false;
    }
    if (sim_blocked(from->host, to) || (to->machine == NULL && to->dark)) {
        pipe_stall(from);
        return false;
    }
    if (!sim_blocked(to, from->host)) {
        pipe->credit_bytes = SIM_STREAM_WINDOW_BYTES;
    } else if (pipe->credit_bytes == 0) {
        pipe_stall(from);
        return false;
    }
    return true;
}

/* An end that is not there: closed (what comes is thrown away), or of an earlier life (the operating system answers with a reset). */
static bool is_deaf(const struct sim_endpoint *end)
{
    return end->state == SIM_ENDPOINT_DEAD || end->state == SIM_ENDPOINT_ENDING || end->host->machine == NULL ||
           end->life != end->host->life;
}

static void deaf_discard(struct sim_endpoint *from)
{
    const struct sim_endpoint *end = other_of(from);
    struct sim_world *world = from->host->world;

    if (end->gone || end->host->machine == NULL || end->life != end->host->life)
        end_tell(from, DFS_UNREACHABLE, world->now + way_back(from, from->out.frames), true);
    while (from->out.flight != NULL) {
        flight_clear(from);
        queue_launch(from);
    }
}

static void deliver(struct sim_endpoint *from)
{
    struct sim_endpoint *end = other_of(from);
    struct sim_pipe *pipe = &from->out;
    struct sim_world *world = from->host->world;

    while (pipe->flight != NULL && arrival_possible(from)) {
        struct sim_segment *segment = pipe->flight;
        const bool window = sim_blocked(end->host, from->host);
        struct reading reading;

        pipe->stalled_at = 0;
        if (is_deaf(end)) {
            deaf_discard(from);
            return;
        }
        if (segment->kind == SIM_SEGMENT_ACCEPT) {
            flight_pop(from);
            accept_step(end);
        } else if (segment->kind == SIM_SEGMENT_END) {
            flight_pop(from);
            closed_step(end, DFS_OK);
            return;
        } else {
            const bool pieces = segment->cut == SIM_CUT_PIECES;
            const uint64_t number = segment->number << 21 | segment->done_bytes;

            if (!frame_read(from, window ? pipe->credit_bytes : SIZE_MAX, &reading))
                return;
            if (window)
                pipe->credit_bytes -= reading.count;
            if (reading.complete) {
                struct dfs_event event = {.kind = DFS_EV_RECV, .net = {.conn = end->handle, .user = end->user}};

                sim_host_step(end->host, &event, end->handle);
            }
            if (pieces && reading.unfinished && !is_deaf(end)) {
                arrive_at(from, world->now + sim_below(sim_draw(world, pipe_key(from), SIM_DRAW_PIECE_DELAY, number),
                                                       SIM_PIECE_DELAY_MAX_NS));
                return;
            }
        }
        if (end->host->held && pipe->flight != NULL) {
            arrive_at(from, world->now);
            return;
        }
    }
}

void sim_pipe_on_arrive(struct sim_world *world, struct sim_pipe *pipe)
{
    struct sim_endpoint *from = end_of(pipe);
    struct sim_conn *conn = conn_of(from);

    (void)world;
    pipe->arrive_queued = false;
    deliver(from);
    conn->queued--;
    conn_maybe_free(conn);
}

void sim_pipe_on_sent(struct sim_world *world, struct sim_pipe *pipe)
{
    struct sim_endpoint *end = end_of(pipe);
    struct sim_conn *conn = conn_of(end);

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
    conn_maybe_free(conn);
}

/* The verbs -------------------------------------------------------------------------------------------------------- */

static void net_attach(void *ctx, dfs_conn conn, struct dfs_sink *sink, void *user)
{
    struct sim_endpoint *end = end_find(ctx, conn);

    if (end == NULL || end->state == SIM_ENDPOINT_ENDING)
        return;
    DFS_ASSERT(end->sink == NULL);
    end->sink = sink;
    end->user = user;
    read_again(end);
}

static void net_resume(void *ctx, dfs_conn conn)
{
    struct sim_endpoint *end = end_find(ctx, conn);

    if (end != NULL && end->sink != NULL)
        read_again(end);
}

/* The frame does not go, and neither end hears of the other again: as if the connection had broken in front of it. */
static void cut_in_front(struct sim_endpoint *end, struct sim_segment *segment)
{
    struct sim_endpoint *other = other_of(end);
    const dfs_time_ns now = end->host->world->now;
    const dfs_duration_ns way = way_back(end, segment->number);

    segment_free(end, segment);
    if (other->handle != 0)
        end_tell(other, DFS_UNREACHABLE, dfs_time_max(end->out.arrive_last, now) + way, true);
    end_tell(end, DFS_UNREACHABLE, now + way, false);
}

static bool filter(struct sim_endpoint *end, struct sim_segment *segment)
{
    struct sim_world *world = end->host->world;
    struct sim_verdict verdict = {.drop = false};
    const struct sim_message message = {
        .from = end->host,
        .to = other_of(end)->host,
        .conn = conn_of(end)->number,
        .number = segment->number,
        .sent_at = world->now,
        .head = segment->bytes,
        .head_bytes = segment->head_bytes,
        .bulk = segment->bytes + segment->head_bytes,
        .bulk_bytes = segment->bulk_bytes,
    };

    SIM_TELL(world, SIM_SEES_FRAME_SENT, frame_sent, &message, &verdict);
    sim_trace_mix(world, verdict.delay, verdict.drop);
    segment->delay = verdict.delay;
    return !verdict.drop;
}

static void net_send(void *ctx, dfs_conn conn, const void *head, size_t head_bytes, struct dfs_buf *bulk,
                     size_t bulk_offset, size_t bulk_bytes)
{
    struct sim_host *host = ctx;
    struct sim_world *world = host->world;
    struct sim_endpoint *end = end_find(host, conn);
    struct sim_segment *segment;

    DFS_ASSERT(head_bytes + bulk_bytes > 0 && head_bytes <= DFS_SEND_QUEUE_BYTES_MAX);
    if (end == NULL || end->state == SIM_ENDPOINT_ENDING)
        return;
    segment = segment_new(world, SIM_SEGMENT_FRAME, head_bytes, bulk_bytes);
    memcpy(segment->bytes, head, head_bytes);
    if (bulk_bytes > 0) {
        DFS_ASSERT(bulk_bytes <= DFS_FRAME_BULK_BYTES_MAX);
        memcpy(segment->bytes + head_bytes, bulk->bytes + bulk_offset, bulk_bytes);
    }
    if (bulk != NULL)
        segment->buf = dfs_buf_ref(bulk);
    segment->number = ++end->out.frames;
    world->counts.frames++;
    world->counts.frame_bytes += head_bytes + bulk_bytes;
    sim_trace_bytes(world, segment->bytes, head_bytes + bulk_bytes);
    sim_trace_mix(world, conn, (uint64_t)head_bytes << 32 | host->index);
    if (world->observed & SIM_SEES_FRAME_SENT && !filter(end, segment)) {
        cut_in_front(end, segment);
        return;
    }
    end->out.control_bytes += head_bytes;
    segment_put(end, segment);
    control_advance(&end->out, world->now);
    if (end->out.control_bytes > DFS_SEND_QUEUE_BYTES_MAX) {
        struct sim_endpoint *other = other_of(end);

        if (other->handle != 0)
            end_tell(other, DFS_UNREACHABLE, world->now + way_back(end, segment->number), true);
        end_tell(end, DFS_TOO_LARGE, world->now, false);
    }
}

/* What is queued goes, then the end; the machine hears no more. */
static void end_close(struct sim_endpoint *end)
{
    const enum sim_endpoint_state state = end->state;

    end_finish(end);
    if (state == SIM_ENDPOINT_OPEN || (state == SIM_ENDPOINT_CONNECTING && end->out.queue != NULL)) {
        struct sim_segment *segment = segment_new(end->host->world, SIM_SEGMENT_END, 0, 0);

        segment->number = end->out.frames + 1;
        segment_put(end, segment);
    }
    read_again(end);
}

static void net_close(void *ctx, dfs_conn handle)
{
    struct sim_host *host = ctx;
    struct sim_endpoint *end = end_find(host, handle);

    if (end == NULL)
        return;
    sim_trace_mix(host->world, handle, UINT64_C(10) << 40 | host->index);
    end_close(end);
    conn_maybe_free(conn_of(end));
}

const struct dfs_net_ops sim_net_ops = {
    .connect = net_connect,
    .attach = net_attach,
    .resume = net_resume,
    .send = net_send,
    .close = net_close,
    .datagram = sim_datagram_send,
};

/* Crashes, heals and faults ---------------------------------------------------------------------------------------- */

/* What has left is on its way; the rest dies with the host. */
static void unsent_drop(struct sim_endpoint *end)
{
    struct sim_pipe *pipe = &end->out;
    const dfs_time_ns now = end->host->world->now;
    struct sim_segment **at = &pipe->flight;
    struct sim_segment *last = NULL;

    segments_free(end, pipe->queue);
    pipe->queue = NULL;
    while (*at != NULL && (*at)->leave_at <= now) {
        last = *at;
        at = &last->next;
    }
    for (const struct sim_segment *lost = *at; lost != NULL; lost = lost->next)
        pipe->flight_bytes -= segment_bytes(lost);
    segments_free(end, *at);
    *at = NULL;
    pipe->flight_last = last;
    pipe->leaving = NULL;
    pipe->control_bytes = 0;
}

/* What had come in and was not read is gone with the machine; what is on the way will find nobody. */
static void unread_drop(struct sim_endpoint *from)
{
    const dfs_time_ns now = from->host->world->now;

    from->out.reader_waits = false;
    while (from->out.flight != NULL && from->out.flight->arrive_at <= now &&
           !dfs_list_linked(&from->out.stalled)) {
        struct sim_segment *segment = from->out.flight;

        from->out.flight_bytes -= segment_bytes(segment) - segment->done_bytes;
        flight_pop(from);
    }
    queue_launch(from);
    pipe_arm(from);
}

void sim_streams_host_down(struct sim_host *host, enum sim_streams_end how)
{
    while (!dfs_list_empty(&host->ends)) {
        struct sim_endpoint *end = dfs_container_of(dfs_list_first(&host->ends), struct sim_endpoint, of_host);
        struct sim_endpoint *other = other_of(end);
        struct sim_conn *conn = conn_of(end);

        if (how == SIM_ENDS_ORDERLY) {
            end_close(end);
        } else {
            const bool was_made = conn->stage == SIM_CONN_MADE;

            end_finish(end);
            unsent_drop(end);
            end->gone = true;
            if (how == SIM_ENDS_RESET && was_made)
                end_tell(other, DFS_UNREACHABLE, host->world->now + way_back(other, other->out.frames), true);
        }
        if (other->host != NULL && conn->stage == SIM_CONN_MADE)
            unread_drop(other);
        conn_maybe_free(conn);
    }
}

static dfs_duration_ns heal_delay(struct sim_world *world, uint64_t key, uint64_t number, dfs_time_ns since)
{
    const dfs_duration_ns length = world->now - since;
    const struct sim_range range = {
        .min = 0, .max = length < SIM_HEAL_DELAY_MAX_NS ? length : SIM_HEAL_DELAY_MAX_NS};

    return sim_in_range(sim_draw(world, key, SIM_DRAW_HEAL, number), range);
}

void sim_streams_heal(struct sim_world *world)
{
    while (!dfs_list_empty(&world->stalled_pipes)) {
        struct sim_pipe *pipe = dfs_container_of(dfs_list_pop(&world->stalled_pipes), struct sim_pipe, stalled);
        struct sim_endpoint *from = end_of(pipe);

        arrive_at(from, world->now + heal_delay(world, pipe_key(from), pipe->frames_read, pipe->stalled_at));
    }
    while (!dfs_list_empty(&world->stalled_handshakes)) {
        struct sim_conn *conn = dfs_container_of(dfs_list_pop(&world->stalled_handshakes), struct sim_conn, stalled);

        handshake_at(conn, conn->stage, conn->handshake.host,
                     world->now + heal_delay(world, conn->key, conn->stage, conn->stalled_at));
    }
}

void sim_conn_item_drop(struct sim_world *world, struct sim_item *item)
{
    struct sim_conn *conn = NULL;

    (void)world;
    if (item->kind == SIM_ITEM_ARRIVE) {
        struct sim_pipe *pipe = dfs_container_of(item, struct sim_pipe, arrive);

        pipe->arrive_queued = false;
        conn = conn_of(end_of(pipe));
    } else if (item->kind == SIM_ITEM_SENT) {
        struct sim_pipe *pipe = dfs_container_of(item, struct sim_pipe, sent);

        pipe->sent_queued = false;
        conn = conn_of(end_of(pipe));
    } else if (item->kind == SIM_ITEM_CLOSED) {
        struct sim_endpoint *end = dfs_container_of(item, struct sim_endpoint, closed);

        end->closed_queued = false;
        conn = conn_of(end);
    } else {
        conn = dfs_container_of(item, struct sim_conn, handshake);
        conn->handshake_queued = false;
    }
    conn->queued--;
    conn_maybe_free(conn);
}

void sim_streams_free(struct sim_world *world)
{
    /* With every machine gone and the queue empty, only what waits for a heal or was muted is left. */
    while (!dfs_list_empty(&world->conns))
        conn_free(dfs_container_of(dfs_list_first(&world->conns), struct sim_conn, of_world));
}

static bool is_between(struct sim_endpoint *end, const struct sim_host *other)
{
    return other_of(end)->host == other;
}

uint64_t sim_streams_reset(struct sim_host *a, struct sim_host *b)
{
    const dfs_time_ns now = a->world->now;
    uint64_t count = 0;

    DFS_ASSERT(a->world->stepping == NULL);
    for (unsigned pass = 0; pass < 2; pass++) {
        struct sim_host *host = pass == 0 ? a : b;
        struct sim_host *other = pass == 0 ? b : a;

        dfs_list_each(at, &host->ends)
        {
            struct sim_endpoint *end = dfs_container_of(at, struct sim_endpoint, of_host);

            if (!is_between(end, other) || end->state == SIM_ENDPOINT_ENDING)
                continue;
            count++;
            end_tell(other_of(end), DFS_UNREACHABLE, now, false);
            end_tell(end, DFS_UNREACHABLE, now, false);
        }
    }
    sim_trace_mix(a->world, (uint64_t)a->index << 32 | b->index, UINT64_C(11) << 40 | count);
    return count;
}

uint64_t sim_streams_stall(struct sim_host *from, struct sim_host *to, dfs_duration_ns length)
{
    uint64_t count = 0;

    DFS_ASSERT(from->world->stepping == NULL);
    dfs_list_each(at, &from->ends)
    {
        struct sim_endpoint *end = dfs_container_of(at, struct sim_endpoint, of_host);

        if (!is_between(end, to))
            continue;
        end->out.hold_until = dfs_time_add(from->world->now, length);
        count++;
    }
    sim_trace_mix(from->world, (uint64_t)from->index << 32 | to->index, UINT64_C(12) << 40 | count);
    return count;
}

uint64_t sim_streams_mute(struct sim_host *from, struct sim_host *to)
{
    uint64_t count = 0;

    DFS_ASSERT(from->world->stepping == NULL);
    dfs_list_each(at, &from->ends)
    {
        struct sim_endpoint *end = dfs_container_of(at, struct sim_endpoint, of_host);

        if (!is_between(end, to))
            continue;
        end->out.muted = true;
        count++;
    }
    sim_trace_mix(from->world, (uint64_t)from->index << 32 | to->index, UINT64_C(13) << 40 | count);
    return count;
}
