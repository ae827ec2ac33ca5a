/*
 * connect.c - the life of connections: handles, the handshake, and how each end learns that it is over.
 */
#include "net_sim/stream_internal.h"

#include "core/base/mem.h"

/* A lost SYN, or its answer, is sent again after this (RFC 6298, section 2). */
#define CONNECT_RETRY_NS (1 * DFS_SECONDS)

/* Handles ---------------------------------------------------------------------------------------------------------- */

static dfs_conn slot_handle(const struct sim_host *host, uint64_t place)
{
    return (uint64_t)host->slots[place].generation << SIM_CONN_SLOT_BITS | (place + 1);
}

/* Looks at the slot alone: the end may not be cached. */
struct sim_endpoint *sim_endpoint_find(struct sim_host *host, dfs_conn handle)
{
    const uint64_t place = sim_slot_place(handle);

    if (handle == 0 || place >= host->slot_count || slot_handle(host, place) != handle)
        return NULL;
    return host->slots[place].end;
}

static void slots_grow(struct sim_host *host)
{
    const uint32_t count = host->slot_count == 0 ? 16 : host->slot_count * 2;

    DFS_ASSERT(count < SIM_SLOT_MASK);
    host->slots = dfs_realloc_array(host->slots, count, sizeof *host->slots);
    for (uint32_t i = count; i-- > host->slot_count;) {
        host->slots[i] = (struct sim_slot){.free_next = host->slot_free};
        host->slot_free = i + 1;
    }
    host->slot_count = count;
}

/* slot_free and free_next count from 1; 0 is none. */
void sim_endpoint_register(struct sim_endpoint *end)
{
    struct sim_host *host = end->host;
    struct sim_slot *slot;

    if (host->slot_free == 0)
        slots_grow(host);
    slot = &host->slots[host->slot_free - 1];
    DFS_ASSERT(slot->generation < UINT32_MAX);
    slot->generation++;
    end->handle = slot_handle(host, host->slot_free - 1);
    end->life = host->life;
    slot->end = end;
    host->slot_free = slot->free_next;
    slot->free_next = end->side;
    dfs_list_push(&host->ends, &end->of_host);
}

static void handle_give(struct sim_endpoint *end)
{
    const uint32_t place = (uint32_t)(end->handle & SIM_SLOT_MASK);

    if (end->handle == 0)
        return;
    end->host->slots[place - 1].end = NULL;
    end->host->slots[place - 1].free_next = end->host->slot_free;
    end->host->slot_free = place;
    end->handle = 0;
    dfs_list_remove(&end->of_host);
}

/* The life of a connection ----------------------------------------------------------------------------------------- */

static void end_init(struct sim_endpoint *end, struct sim_host *host, struct sim_host *other, uint8_t side)
{
    *end = (struct sim_endpoint){
        .closed = {.kind = SIM_ITEM_CLOSED, .host = host},
        .host = host,
        .state = SIM_ENDPOINT_CONNECTING,
        .side = side,
        .credit_bytes = SIM_STREAM_WINDOW_BYTES,
        .out =
            {
                .arrive = {.kind = SIM_ITEM_ARRIVE, .host = other},
                .sent = {.kind = SIM_ITEM_SENT, .host = host},
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

    sim_pipe_clear(&conn->end[0]);
    if (conn->end[1].host != NULL)
        sim_pipe_clear(&conn->end[1]);
    dfs_list_remove(&conn->stalled);
    dfs_list_remove(&conn->of_world);
    sim_pool_give(&world->pool, conn, conn->pool_class);
}

void sim_conn_maybe_free(struct sim_conn *conn)
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

void sim_endpoint_finish(struct sim_endpoint *end)
{
    handle_give(end);
    end->state = SIM_ENDPOINT_DEAD;
    end->sink = NULL;
    sim_pipe_bulk_forget(end);
}

void sim_endpoint_close(struct sim_endpoint *end)
{
    const enum sim_endpoint_state state = end->state;

    sim_endpoint_finish(end);
    if (state == SIM_ENDPOINT_OPEN || (state == SIM_ENDPOINT_CONNECTING && end->out.queue != NULL)) {
        struct sim_segment *segment = sim_segment_new(end->host->world, SIM_SEGMENT_END, 0, 0);

        segment->number = end->out.frames + 1;
        sim_segment_put(end, segment);
    }
    sim_endpoint_read_again(end);
}

void sim_endpoint_tell(struct sim_endpoint *end, enum dfs_status status, dfs_time_ns at, bool by_network)
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
    sim_endpoint_conn(end)->queued++;
    sim_push(end->host->world, &end->closed, at);
}

dfs_duration_ns sim_endpoint_way_back(struct sim_endpoint *from, uint64_t number)
{
    const struct sim_endpoint *other = sim_endpoint_other(from);

    if (other->link == NULL)
        return 0; /* to an address that nobody has */
    return sim_link_latency(other->link, sim_pipe_key(from), SIM_DRAW_RESET_LATENCY, number);
}

void sim_endpoint_closed_step(struct sim_endpoint *end, enum dfs_status status)
{
    struct sim_conn *conn = sim_endpoint_conn(end);
    struct sim_host *host = end->host;
    struct sim_world *world = host->world;
    struct dfs_event event = {
        .kind = DFS_EV_CLOSED,
        .net = {.conn = end->handle, .user = end->user, .status = status},
    };

    sim_endpoint_finish(end);
    sim_pipe_queue_drop(end);
    if (world->observed & SIM_SEES_CLOSED) {
        const struct sim_connection connection = {
            .conn = conn->number, .from = conn->end[0].host, .to = conn->end[1].host};

        SIM_TELL(world, SIM_SEES_CLOSED, connection_closed, &connection, host, status);
    }
    sim_host_step(host, &event, event.net.conn ^ (uint64_t)status << 56);
}

void sim_endpoint_on_closed(struct sim_world *world, struct sim_endpoint *end)
{
    struct sim_conn *conn = sim_endpoint_conn(end);

    (void)world;
    end->closed_queued = false;
    /* A reset is not sent again: behind a cut the end stays half open until it speaks. */
    if (end->handle != 0 && !(end->by_network && sim_blocked(sim_endpoint_other(end)->host, end->host)))
        sim_endpoint_closed_step(end, end->status);
    else if (end->handle == 0)
        end->state = SIM_ENDPOINT_DEAD;
    conn->queued--;
    sim_conn_maybe_free(conn);
}

/* Connecting ------------------------------------------------------------------------------------------------------- */

void sim_conn_handshake_at(struct sim_conn *conn, enum sim_conn_stage stage, struct sim_host *whose, dfs_time_ns at)
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
    struct sim_link *link = conn->end[side].link;
    struct sim_world *world = conn->end[0].host->world;
    const uint64_t number = (uint64_t)stage << 1;
    dfs_duration_ns way = sim_link_latency(link, conn->key, SIM_DRAW_HANDSHAKE, number);

    if (link->options->loss_ppb != 0 &&
        sim_hits(sim_draw(world, conn->key, SIM_DRAW_HANDSHAKE, number | 1), link->options->loss_ppb)) {
        const struct sim_link_event event = {
            .hit = SIM_LINK_CONNECT,
            .message = {.from = link->from, .to = link->to, .conn = conn->number, .sent_at = world->now},
            .by = CONNECT_RETRY_NS,
        };

        way += CONNECT_RETRY_NS;
        SIM_TELL(world, SIM_SEES_LINK_HIT, link_hit, &event);
    }
    return way;
}

dfs_conn sim_net_connect(void *ctx, const struct dfs_addr *to_addr, enum dfs_role role, const struct dfs_id *node,
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
    sim_endpoint_register(&conn->end[0]);
    conn->end[0].user = user;
    world->counts.connects++;
    sim_trace_bytes(world, to_addr, sizeof *to_addr);
    sim_trace_mix(world, conn->end[0].handle, (uint64_t)role << 32 | host->index);
    if (to == NULL) {
        /* Nobody has the address: a router says so. */
        sim_conn_handshake_at(conn, SIM_CONN_REFUSED, host, world->now + 2 * world->options.link.latency.min);
        return conn->end[0].handle;
    }
    conn->end[0].link = sim_link_between(host, to);
    conn->end[1].link = sim_link_between(to, host);
    conn->key = sim_prf(conn->end[0].link->key, SIM_DRAW_CONN, ++conn->end[0].link->conns);
    sim_conn_handshake_at(conn, SIM_CONN_HELLO, to, world->now + handshake_way(conn, 0, SIM_CONN_HELLO));
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
    sim_segment_launch(end, sim_segment_new(world, SIM_SEGMENT_ACCEPT, 0, 0));
    sim_pipe_queue_launch(end);
    if (end->state != SIM_ENDPOINT_CONNECTING)
        return; /* closed with frames queued: they go, and nobody waits here */
    end->state = SIM_ENDPOINT_OPEN;
    if (world->observed & SIM_SEES_OPENED) {
        const struct sim_connection connection = {.conn = conn->number, .from = host, .to = conn->end[1].host};

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
            sim_conn_handshake_at(conn, SIM_CONN_REFUSED, from, now + handshake_way(conn, 1, SIM_CONN_REFUSED));
        } else {
            conn->end[1].life = to->life;
            sim_conn_handshake_at(conn, SIM_CONN_ANSWER, from, now + handshake_way(conn, 1, SIM_CONN_ANSWER));
        }
        return;
    case SIM_CONN_REFUSED:
        if (to != NULL && sim_blocked(to, from))
            handshake_stall(conn);
        else if (made->handle != 0)
            sim_endpoint_closed_step(made, DFS_UNREACHABLE);
        return;
    case SIM_CONN_ANSWER:
        if (sim_blocked(to, from)) {
            handshake_stall(conn);
            return;
        }
        status = identity_check(conn);
        if (status == DFS_OK)
            sim_conn_handshake_at(conn, SIM_CONN_FINISH, from, now + handshake_way(conn, 0, SIM_CONN_FINISH));
        else if (made->handle != 0)
            sim_endpoint_closed_step(made, status);
        else
            sim_pipe_clear(made);
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
    sim_conn_maybe_free(conn);
}

/* The end of the world --------------------------------------------------------------------------------------------- */

void sim_conn_item_drop(struct sim_world *world, struct sim_item *item)
{
    struct sim_conn *conn = NULL;

    (void)world;
    if (item->kind == SIM_ITEM_ARRIVE) {
        struct sim_pipe *pipe = dfs_container_of(item, struct sim_pipe, arrive);

        pipe->arrive_queued = false;
        conn = sim_endpoint_conn(sim_pipe_end(pipe));
    } else if (item->kind == SIM_ITEM_SENT) {
        struct sim_pipe *pipe = dfs_container_of(item, struct sim_pipe, sent);

        pipe->sent_queued = false;
        conn = sim_endpoint_conn(sim_pipe_end(pipe));
    } else if (item->kind == SIM_ITEM_CLOSED) {
        struct sim_endpoint *end = dfs_container_of(item, struct sim_endpoint, closed);

        end->closed_queued = false;
        conn = sim_endpoint_conn(end);
    } else {
        conn = dfs_container_of(item, struct sim_conn, handshake);
        conn->handshake_queued = false;
    }
    conn->queued--;
    sim_conn_maybe_free(conn);
}

void sim_streams_free(struct sim_world *world)
{
    /* With every machine gone and the queue empty, only what waits for a heal or was muted is left. */
    while (!dfs_list_empty(&world->conns))
        conn_free(dfs_container_of(dfs_list_first(&world->conns), struct sim_conn, of_world));
}
