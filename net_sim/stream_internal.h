/*
 * stream_internal.h - what pipe.c, connect.c, stream.c and stream_faults.c share; nobody else includes it.
 *
 * A connection has two ends, each with the pipe of what it sends. A pipe is named by the end that sends into
 * it.
 */
#ifndef DFS_NET_SIM_STREAM_INTERNAL_H
#define DFS_NET_SIM_STREAM_INTERNAL_H

#include "net_sim/internal.h"

static inline struct sim_endpoint *sim_pipe_end(struct sim_pipe *pipe)
{
    return dfs_container_of(pipe, struct sim_endpoint, out);
}

static inline struct sim_conn *sim_endpoint_conn(struct sim_endpoint *end)
{
    return dfs_container_of(end - end->side, struct sim_conn, end);
}

static inline struct sim_endpoint *sim_endpoint_other(struct sim_endpoint *end)
{
    return end->side == 0 ? end + 1 : end - 1;
}

/* It waits for a heal, in the world's list. */
static inline bool sim_pipe_is_stalled(const struct sim_pipe *pipe)
{
    return pipe->was_cut && dfs_list_linked(&pipe->stalled);
}

static inline size_t sim_segment_bytes(const struct sim_segment *segment)
{
    return (size_t)segment->head_bytes + segment->bulk_bytes;
}

/* pipe.c ----------------------------------------------------------------------------------------------------------- */

struct sim_segment *sim_segment_new(struct sim_world *world, enum sim_segment_kind kind, size_t head_bytes,
                                    size_t bulk_bytes);
void sim_segment_free(struct sim_endpoint *from, struct sim_segment *segment);
void sim_segment_drop(struct sim_host *host, struct sim_segment *segment); /* the host's that made it */

/* The same for what will never be delivered: observers are told. */
void sim_segment_lose(struct sim_endpoint *from, struct sim_segment *segment);
void sim_segments_lose(struct sim_endpoint *from, struct sim_segment *segment); /* and all behind it */

/* The frame as observers see it. */
struct sim_message sim_segment_message(struct sim_endpoint *from, const struct sim_segment *segment);

/* Gives the segment to the link, which decides when it leaves and arrives. */
void sim_segment_launch(struct sim_endpoint *from, struct sim_segment *segment);

/* Launches it, or queues it behind what waits for room. */
void sim_segment_put(struct sim_endpoint *from, struct sim_segment *segment);

/* Control bytes that have not left yet. */
size_t sim_pipe_control_bytes(struct sim_endpoint *from);

/* Keys the draws of this direction. */
uint64_t sim_pipe_key(struct sim_endpoint *from);

/* Looks at the oldest segment in flight at that time, or before. */
void sim_pipe_arrive_at(struct sim_endpoint *from, dfs_time_ns at);

/* ... at the time of its arrival, unless something else must happen first. */
void sim_pipe_arm(struct sim_endpoint *from);

/* ... after a heal. */
void sim_pipe_stall(struct sim_endpoint *from);

void sim_pipe_queue_launch(struct sim_endpoint *from); /* what has room now */
void sim_pipe_queue_drop(struct sim_endpoint *from);   /* what was not launched never will be */
void sim_pipe_flight_pop(struct sim_endpoint *from);   /* the oldest was delivered */
void sim_pipe_flight_lose(struct sim_endpoint *from);  /* the oldest never will be */
void sim_pipe_flight_clear(struct sim_endpoint *from);
void sim_pipe_bulk_forget(struct sim_endpoint *from); /* drops the references to buffers: no EV_SENT any more */
void sim_pipe_clear(struct sim_endpoint *from);

/* The sink of `end` may grant room again, or the end has become one that throws away. */
void sim_endpoint_read_again(struct sim_endpoint *end);

/* connect.c -------------------------------------------------------------------------------------------------------- */

dfs_conn sim_net_connect(void *ctx, const struct dfs_addr *to_addr, enum dfs_role role, const struct dfs_id *node,
                         void *user);

#define SIM_SLOT_MASK ((UINT64_C(1) << SIM_CONN_SLOT_BITS) - 1)

static inline uint64_t sim_slot_place(dfs_conn handle)
{
    return (handle & SIM_SLOT_MASK) - 1;
}

/* Fetches the slot in which the handle is looked for; there may be none. */
static inline void sim_endpoint_expect(const struct sim_host *host, dfs_conn handle)
{
    __builtin_prefetch((const void *)((uintptr_t)host->slots + sim_slot_place(handle) * sizeof *host->slots));
}

/* Fetches what sending into the end touches, where the handle has been found. */
static inline void sim_endpoint_expect_send(const struct sim_host *host, dfs_conn handle,
                                            const struct sim_endpoint *end)
{
    const uint32_t side = host->slots[sim_slot_place(handle)].free_next;

    __builtin_prefetch(end);
    __builtin_prefetch(&end->out.arrive, 1);
    __builtin_prefetch(&end->out.queue, 1);
    __builtin_prefetch((const uint8_t *)(end - side) - offsetof(struct sim_conn, end));
}

/* NULL for a handle that is dead. */
struct sim_endpoint *sim_endpoint_find(struct sim_host *host, dfs_conn handle);

/* Gives the end a handle of its host. */
void sim_endpoint_register(struct sim_endpoint *end);

/* The machine has no more to do with this end. */
void sim_endpoint_finish(struct sim_endpoint *end);

/* As the verb: what is queued goes, then the end; the machine hears no more. */
void sim_endpoint_close(struct sim_endpoint *end);

/* EV_CLOSED at that time. A local cause silences the end at once; news from the other host may be lost on the
 * way. */
void sim_endpoint_tell(struct sim_endpoint *end, enum dfs_status status, dfs_time_ns at, bool by_network);

/* EV_CLOSED now. */
void sim_endpoint_closed_step(struct sim_endpoint *end, enum dfs_status status);

/* How long a reset takes from the other host back to this end's. */
dfs_duration_ns sim_endpoint_way_back(struct sim_endpoint *from, uint64_t number);

void sim_conn_handshake_at(struct sim_conn *conn, enum sim_conn_stage stage, struct sim_host *whose, dfs_time_ns at);

/* Frees what nobody can notice any more. */
void sim_conn_maybe_free(struct sim_conn *conn);

#endif
