/*
 * stream_faults.c - what crashes, heals and the nemesis do to streams.
 */
#include "net_sim/stream_internal.h"

/* Crashes ---------------------------------------------------------------------------------------------------------- */

/* What has left is on its way; the rest dies with the host. */
static void unsent_drop(struct sim_endpoint *end)
{
    struct sim_pipe *pipe = &end->out;
    const dfs_time_ns now = end->host->world->now;
    struct sim_segment **at = &pipe->flight;
    struct sim_segment *last = NULL;

    sim_segments_lose(end, pipe->queue);
    pipe->queue = NULL;
    while (*at != NULL && (*at)->leave_at <= now) {
        last = *at;
        at = &last->next;
    }
    for (const struct sim_segment *lost = *at; lost != NULL; lost = lost->next)
        pipe->flight_bytes -= sim_segment_bytes(lost);
    sim_segments_lose(end, *at);
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
    while (from->out.flight != NULL && from->out.flight->arrive_at <= now && !sim_pipe_is_stalled(&from->out)) {
        struct sim_segment *segment = from->out.flight;

        from->out.flight_bytes -= sim_segment_bytes(segment) - segment->done_bytes;
        sim_pipe_flight_lose(from);
    }
    sim_pipe_queue_launch(from);
    sim_pipe_arm(from);
}

void sim_streams_host_down(struct sim_host *host, enum sim_streams_end how)
{
    while (!dfs_list_empty(&host->ends)) {
        struct sim_endpoint *end = dfs_container_of(dfs_list_first(&host->ends), struct sim_endpoint, of_host);
        struct sim_endpoint *other = sim_endpoint_other(end);
        struct sim_conn *conn = sim_endpoint_conn(end);

        if (how == SIM_ENDS_ORDERLY) {
            sim_endpoint_close(end);
        } else {
            const bool was_made = conn->stage == SIM_CONN_MADE;

            sim_endpoint_finish(end);
            unsent_drop(end);
            end->gone = true;
            if (how == SIM_ENDS_RESET && was_made)
                sim_endpoint_tell(other, DFS_UNREACHABLE,
                                  host->world->now + sim_endpoint_way_back(other, other->out.frames), true);
        }
        if (other->host != NULL && conn->stage == SIM_CONN_MADE)
            unread_drop(other);
        sim_conn_maybe_free(conn);
    }
}

/* Heals ------------------------------------------------------------------------------------------------------------ */

static dfs_duration_ns heal_delay(struct sim_world *world, uint64_t key, uint64_t number, dfs_time_ns since)
{
    const dfs_duration_ns length = world->now - since;
    const struct sim_range range = {.min = 0, .max = length < SIM_HEAL_DELAY_MAX_NS ? length : SIM_HEAL_DELAY_MAX_NS};

    return sim_in_range(sim_draw(world, key, SIM_DRAW_HEAL, number), range);
}

void sim_streams_heal(struct sim_world *world)
{
    while (!dfs_list_empty(&world->stalled_pipes)) {
        struct sim_pipe *pipe = dfs_container_of(dfs_list_pop(&world->stalled_pipes), struct sim_pipe, stalled);
        struct sim_endpoint *from = sim_pipe_end(pipe);

        sim_pipe_arrive_at(from,
                           world->now + heal_delay(world, sim_pipe_key(from), pipe->frames_read, pipe->stalled_at));
    }
    while (!dfs_list_empty(&world->stalled_handshakes)) {
        struct sim_conn *conn = dfs_container_of(dfs_list_pop(&world->stalled_handshakes), struct sim_conn, stalled);

        sim_conn_handshake_at(conn, conn->stage, conn->handshake.host,
                              world->now + heal_delay(world, conn->key, conn->stage, conn->stalled_at));
    }
}

/* Faults of streams ------------------------------------------------------------------------------------------------ */

static bool is_between(struct sim_endpoint *end, const struct sim_host *other)
{
    return sim_endpoint_other(end)->host == other;
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
            sim_endpoint_tell(sim_endpoint_other(end), DFS_UNREACHABLE, now, false);
            sim_endpoint_tell(end, DFS_UNREACHABLE, now, false);
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
