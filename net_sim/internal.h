/*
 * internal.h - what the files of net_sim share; nobody else includes it.
 */
#ifndef DFS_NET_SIM_INTERNAL_H
#define DFS_NET_SIM_INTERNAL_H

#include "net_sim/clock_sim.h"
#include "net_sim/digest.h"
#include "net_sim/faults.h"
#include "net_sim/pool.h"
#include "net_sim/queue.h"
#include "net_sim/store.h"
#include "net_sim/world.h"

#include "core/base/assert.h"
#include "core/base/heap.h"
#include "core/base/list.h"

/* Limits ----------------------------------------------------------------------------------------------------------- */

/* What a packet of a stream carries: Ethernet's MTU less IPv4, TCP and its timestamps. Only loss is counted
 * in packets. */
#define SIM_PACKET_BYTES 1448u

/* Pieces of a cut segment come at most so long after each other. */
#define SIM_PIECE_DELAY_MAX_NS (20 * DFS_MICROSECONDS)

/* Steps of one host at one instant before we say that its machine spins. */
#define SIM_STEPS_AT_ONCE_MAX 10000000u

/* Slots of a host's connections: the low bits of a dfs_conn. */
#define SIM_CONN_SLOT_BITS 20

/* Streams ---------------------------------------------------------------------------------------------------------- */

enum sim_segment_kind { SIM_SEGMENT_FRAME, SIM_SEGMENT_ACCEPT, SIM_SEGMENT_END };
enum sim_segment_cut { SIM_CUT_NONE, SIM_CUT_PIECES, SIM_CUT_BYTES };

/* What a delivery looks at stands in front. */
struct sim_segment {
    struct sim_segment *next;
    dfs_time_ns arrive_at;
    dfs_time_ns leave_at; /* when its last byte has left the sending host */
    uint64_t number;      /* of the frames of this direction, from 1 */
    uint32_t head_bytes;
    uint32_t bulk_bytes;
    uint32_t done_bytes; /* in the receiver's sink */
    uint8_t kind;
    uint8_t cut;
    uint8_t pool_class;
    struct dfs_buf *buf; /* a reference until the frame has left; then NULL */
    dfs_time_ns sent_at;
    uint64_t offset;       /* bytes of this direction in front of it */
    dfs_duration_ns delay; /* a filter's */
    uint8_t bytes[];
};

/* A bulk frame under way to the wire. */
struct sim_sent {
    struct sim_sent *next;
    dfs_time_ns leave_at;
    struct dfs_buf *buf;
    uint8_t pool_class;
};

struct sim_conn;

/* One direction of a connection, kept by the end that sends. In lines of the cache: what a delivery needs, what sending needs besides, the rest. */
struct sim_pipe {
    struct sim_item arrive;     /* queued for the time of the oldest segment in flight */
    struct sim_segment *flight; /* given to the link, oldest first */
    struct sim_segment *flight_last;
    dfs_time_ns hold_until; /* sim_streams_stall */
    bool arrive_queued;
    bool sent_queued;
    bool reader_waits; /* the sink granted nothing: until resume() */
    bool muted;
    bool was_cut; /* otherwise the credit is whole, and it is not stalled: nobody need look */

    struct sim_segment *queue;   /* waits for room in flight */
    struct sim_segment *leaving; /* the first of those in flight that has not been seen to leave */
    size_t flight_bytes;         /* not read yet */
    size_t control_bytes;        /* heads that have not left */
    dfs_time_ns arrive_last;
    uint64_t frames; /* sent so far */
    uint64_t frames_read;
    uint64_t frame_bytes; /* sent so far */

    struct sim_segment *queue_last;
    struct sim_sent *bulk; /* of those in flight, whose leaving was not told */
    struct sim_sent *bulk_last;
    struct sim_item sent;    /* queued for the leaving of the oldest bulk frame */
    struct dfs_list stalled; /* in the world's list while something must heal first */
    dfs_time_ns stalled_at;
};

enum sim_endpoint_state {
    SIM_ENDPOINT_CONNECTING,
    SIM_ENDPOINT_OPEN,
    SIM_ENDPOINT_ENDING, /* EV_CLOSED is under way to the machine; it hears nothing else */
    SIM_ENDPOINT_DEAD    /* the machine has closed, or was told, or is gone */
};

/* What one machine holds of a connection. Every message looks into its first line. */
struct sim_endpoint {
    struct sim_host *host;
    struct dfs_sink *sink;
    void *user;
    dfs_conn handle; /* 0: not told yet */
    enum sim_endpoint_state state;
    uint32_t life; /* of the host, when the connection was made */
    uint8_t side;
    bool closed_queued;
    bool by_network;        /* the news comes from the other host: a cut loses it */
    bool gone;              /* its host went down without a word */
    enum dfs_status status; /* of the EV_CLOSED that is queued */
    struct sim_link *link;  /* that it sends over; NULL: to an address that nobody has */
    size_t credit_bytes;    /* of what it sends: how much the window still lets through while the way back is cut */
    struct sim_pipe out;
    struct sim_item closed;  /* queued for EV_CLOSED */
    struct dfs_list of_host; /* in host->ends while not dead */
};
_Static_assert(offsetof(struct sim_endpoint, out) % SIM_POOL_STEP == 0, "lines of the cache");
_Static_assert(offsetof(struct sim_pipe, queue) % SIM_POOL_STEP == 0, "lines of the cache");

enum sim_conn_stage { SIM_CONN_HELLO, SIM_CONN_ANSWER, SIM_CONN_REFUSED, SIM_CONN_FINISH, SIM_CONN_MADE };

struct sim_conn {
    uint64_t key;
    uint64_t number; /* in the world */
    enum sim_conn_stage stage;
    uint32_t queued; /* items of this connection in the queue or an inbox, and loops that hold it */
    uint8_t pool_class;
    bool handshake_queued;
    bool node_given;
    enum dfs_role role_wanted;
    struct dfs_list of_world; /* in world->conns */
    struct dfs_id node_wanted;
    struct sim_endpoint end[2]; /* 0 connected, 1 accepted */
    struct sim_item handshake;
    struct dfs_list stalled; /* the handshake waits for a heal */
    dfs_time_ns stalled_at;
};

_Static_assert(offsetof(struct sim_conn, end[0]) % SIM_POOL_STEP == 0, "lines of the cache");
_Static_assert(offsetof(struct sim_conn, end[1]) % SIM_POOL_STEP == 0, "lines of the cache");

struct sim_slot {
    struct sim_endpoint *end; /* NULL: free */
    uint32_t generation;      /* with the place it is a dfs_conn */
    uint32_t free_next;       /* in use: the side of the end */
};
_Static_assert(sizeof(struct sim_slot) == 2 * sizeof(uint64_t), "four to a line of the cache");

/* Links ------------------------------------------------------------------------------------------------------------ */

/* One cache line: a world of a thousand hosts has up to a million. */
struct sim_link {
    struct sim_host *from;
    struct sim_host *to;
    uint64_t key;
    struct sim_link_options *options; /* the world's, or its own: then owned */
    dfs_time_ns busy_until;
    uint64_t datagrams; /* so far: their numbers */
    uint64_t injected;
    uint64_t conns;
};
_Static_assert(sizeof(struct sim_link) <= SIM_POOL_STEP, "a link is one piece of the pool");

struct sim_datagram {
    struct sim_item item;
    struct sim_host *from;
    struct dfs_addr shown_from;
    dfs_time_ns sent_at;
    uint64_t number;
    uint32_t count;
    uint8_t pool_class;
    bool injected;
    uint8_t bytes[];
};

/* Hosts ------------------------------------------------------------------------------------------------------------ */

struct sim_command {
    struct sim_item item;
    uint64_t id;
    uint32_t code;
    uint32_t life;
    const void *argument; /* the caller's, or bytes */
    uint8_t pool_class;
    _Alignas(16) uint8_t bytes[];
};

struct sim_call {
    struct sim_item item;
    void (*call)(void *arg, struct sim_world *world);
    void *arg;
    uint8_t pool_class;
};

struct sim_local_pending {
    struct sim_item item;
    enum { SIM_LOCAL_PULL, SIM_LOCAL_PUSH, SIM_LOCAL_FINISH } verb;
    uint32_t life;
    uint64_t file;
    uint64_t offset;
    uint64_t token;
    struct dfs_buf *buf;
    size_t buf_offset;
    size_t count;
    bool commit;
    uint8_t pool_class;
};

/* Which steps are told after them: all, or the one under way. */
enum { SIM_HEARS_ALL = 1, SIM_HEARS_THIS = 2 };

/* In lines of the cache: what a step needs stands in the first three. */
struct sim_host {
    _Alignas(SIM_POOL_STEP) struct sim_world *world;
    void *machine; /* NULL: down */
    dfs_time_ns (*step)(void *machine, const struct dfs_event *event);
    struct sim_clock clock;

    bool held; /* paused, busy, or something waits: what comes goes to the inbox */
    bool wake_queued;
    bool start_queued;
    bool tick_waits; /* the tick stands in the inbox */
    bool listens;
    bool dark;             /* down without an operating system that would say so */
    bool hears_before;     /* some observer wants it of this host */
    uint8_t hears_after;   /* SIM_HEARS_ALL, SIM_HEARS_THIS */
    uint32_t hears_traces; /* bits of kinds */
    uint32_t index;
    uint32_t life;
    uint32_t slow_factor;
    dfs_duration_ns step_cost_ns; /* now: 0 is no time at all */
    dfs_time_ns deadline;         /* of the world; DFS_NEVER: none */
    dfs_time_ns deadline_mono;    /* as the machine said it */
    dfs_time_ns stepped_at;
    uint32_t steps_at_once;
    struct dfs_heap_item timer;

    size_t release_count;
    struct sim_slot *slots;
    uint32_t slot_count;
    uint32_t slot_free;
    uint32_t hears_disk_done; /* bits of verbs */
    struct sim_link **links;  /* by the index of the other host; NULL: not used yet */
    size_t link_count;
    void *user;
    uint64_t key;
    struct sim_disk *disk;

    dfs_duration_ns step_cost_full_ns; /* at full speed */
    dfs_time_ns busy_until;
    uint32_t pauses;
    struct sim_item *inbox;
    struct sim_item *inbox_last;
    size_t inbox_datagrams;
    struct dfs_list ends;
    uint64_t random_numbers[DFS_RNG_PURPOSE_COUNT + 1]; /* the last: purposes beyond the list */
    uint64_t local_number;
    struct dfs_addr addr;
    struct dfs_peer peer;
    const struct sim_local_ops *local;
    void *local_arg;
    struct sim_item start;
    struct sim_item tick;
    struct sim_item wake;
    struct dfs_env env;
    struct sim_machine_ops ops;
    void *ops_arg;
    struct dfs_buf **release; /* references to drop when the step has returned */
    size_t release_capacity;
    char *name;
};

_Static_assert(offsetof(struct sim_host, release_count) == (size_t)2 * SIM_POOL_STEP, "lines of the cache");

struct sim_addr_slot {
    struct dfs_addr addr;
    struct sim_host *host; /* NULL: free */
};

/* Bits of world->observed: which functions any observer has. */
enum {
    SIM_SEES_BEFORE = 1u << 0,
    SIM_SEES_AFTER = 1u << 1,
    SIM_SEES_TRACE = 1u << 2,
    SIM_SEES_FRAME_SENT = 1u << 3,
    SIM_SEES_FRAME_DELIVERED = 1u << 4,
    SIM_SEES_DATAGRAM_SENT = 1u << 5,
    SIM_SEES_DATAGRAM_DELIVERED = 1u << 6,
    SIM_SEES_DATAGRAM_LOST = 1u << 7,
    SIM_SEES_DISK_SUBMITTED = 1u << 8,
    SIM_SEES_DISK_DONE = 1u << 9,
    SIM_SEES_OPENED = 1u << 10,
    SIM_SEES_CLOSED = 1u << 11,
    SIM_SEES_HOST = 1u << 12,
    SIM_SEES_FRAME_LOST = 1u << 13,
    SIM_SEES_LINK_HIT = 1u << 14
};
#define SIM_SEES_COUNT 15

/* The observers that have one of the functions, in the order of addition. */
struct sim_hearers {
    const struct sim_observer **at;
    size_t count;
};

struct sim_partition {
    struct sim_partition *next;
    sim_partition_id id;
    bool one_way;
    size_t host_count;
    uint16_t group_of[]; /* by host index: 0 none, else the group from 1 */
};

/* Edges of machines, by the addresses of their texts, whose hash is known: more than there are, so that few share a slot. */
#define SIM_EDGE_SLOTS 1024

struct sim_edge {
    const char *texts[4];
    uint64_t hash;
    uint64_t pad[3]; /* to a power of two: a slot is a shift away */
};

struct sim_world {
    dfs_time_ns now;
    uint64_t hash;
    uint64_t draws; /* since the last event; goes into its hash */
    struct sim_host *stepping;
    uint32_t observed;
    bool stopped;
    bool frame_by_frame; /* an explorer wants every frame as an item of its own */
    struct sim_partition *partitions;
    struct sim_queue queue;
    struct dfs_heap timers; /* the hosts' deadlines */
    struct sim_counts counts;
    struct sim_hearers hearers[SIM_SEES_COUNT]; /* by the numbers of the bits */
    uint64_t seed;
    uint64_t key; /* of its own draws: the seed, or a branch's */
    struct sim_pool pool;
    sim_partition_id partition_last;
    struct dfs_list stalled_pipes;
    struct dfs_list stalled_handshakes;
    struct dfs_list conns;
    uint64_t conn_last;
    struct sim_world_options options;
    struct sim_observer **observers; /* each an allocation: the hearers point to it */
    size_t observer_count;
    struct sim_host **hosts;
    size_t host_count;
    size_t host_capacity;
    struct sim_addr_slot *addrs;
    size_t addr_count;
    size_t addr_capacity; /* a power of two */
    struct sim_disk *disks;
    struct sim_store store;
    struct sim_edge edges[SIM_EDGE_SLOTS];
};

/* Every walk over observers looks like this; costs a test of a bit when nobody has the function. */
#define SIM_TELL(world_, bit, function, ...) \
    do { \
        if ((world_)->observed & (bit)) { \
            const struct sim_hearers *const tell = &(world_)->hearers[__builtin_ctz(bit)]; \
            for (size_t tell_i = 0; tell_i < tell->count; tell_i++) \
                tell->at[tell_i]->function(tell->at[tell_i]->arg, __VA_ARGS__); \
        } \
    } while (0)

/* world.c ---------------------------------------------------------------------------------------------------------- */

static inline void sim_trace_mix(struct sim_world *world, uint64_t a, uint64_t b)
{
    world->hash = sim_mix(world->hash ^ a, world->now + b);
}

static inline void sim_trace_bytes(struct sim_world *world, const void *bytes, size_t count)
{
    world->hash = sim_digest(world->hash, bytes, count);
}

/* A draw, noted for the trace hash. */
static inline uint64_t sim_draw(struct sim_world *world, uint64_t key, uint64_t stream, uint64_t number)
{
    const uint64_t value = sim_prf(key, stream, number);

    world->draws = (world->draws << 7 | world->draws >> 57) + value;
    return value;
}

static inline void sim_push(struct sim_world *world, struct sim_item *item, dfs_time_ns at)
{
    sim_queue_push(&world->queue, item, at < world->now ? world->now : at);
}

/* Does what an item stands for; its host, if any, is not held. */
void sim_item_run(struct sim_world *world, struct sim_item *item);

/* host.c ----------------------------------------------------------------------------------------------------------- */

/* Steps the machine of an up host. `detail` goes into the trace hash. */
void sim_host_step(struct sim_host *host, struct dfs_event *event, uint64_t detail);

void sim_host_on_start(struct sim_host *host);
void sim_host_on_timer(struct sim_host *host); /* from the heap of timers: may be early */
void sim_host_on_tick(struct sim_host *host);  /* from the inbox */
void sim_host_on_wake(struct sim_host *host);
void sim_host_on_command(struct sim_world *world, struct sim_command *command);
void sim_host_hold(struct sim_host *host, struct sim_item *item); /* into the inbox; may drop a datagram */
void sim_host_free(struct sim_host *host);
void sim_host_hearing(struct sim_host *host); /* asks observers what they want to hear of it */
void sim_host_buf_release(struct sim_host *host, struct dfs_buf *buf);

/* Drops an item unseen, at a crash. */
void sim_item_drop(struct sim_world *world, struct sim_item *item);

/* link.c ----------------------------------------------------------------------------------------------------------- */

struct sim_link *sim_link_between(struct sim_host *from, struct sim_host *to);
void sim_links_free(struct sim_host *host);

/* The bytes' turn on the link: when the last of them has left. */
dfs_time_ns sim_link_reserve(struct sim_link *link, size_t bytes);
dfs_duration_ns sim_link_latency(struct sim_link *link, uint64_t key, uint64_t stream, uint64_t number);

void sim_datagram_send(void *ctx, const struct dfs_addr *to, const void *bytes, size_t count);
void sim_datagram_on_arrive(struct sim_world *world, struct sim_datagram *datagram);
void sim_datagram_drop(struct sim_world *world, struct sim_datagram *datagram);

/* stream.c --------------------------------------------------------------------------------------------------------- */

extern const struct dfs_net_ops sim_net_ops;

void sim_pipe_on_arrive(struct sim_world *world, struct sim_pipe *pipe);
void sim_pipe_on_sent(struct sim_world *world, struct sim_pipe *pipe);
void sim_endpoint_on_closed(struct sim_world *world, struct sim_endpoint *end);
void sim_conn_on_handshake(struct sim_world *world, struct sim_conn *conn);
void sim_conn_item_drop(struct sim_world *world, struct sim_item *item);

/* The host's machine is about to be destroyed. How its streams end: */
enum sim_streams_end { SIM_ENDS_SILENT, SIM_ENDS_RESET, SIM_ENDS_ORDERLY };
void sim_streams_host_down(struct sim_host *host, enum sim_streams_end how);

/* Something may go on now: partitions healed, a host came back. */
void sim_streams_heal(struct sim_world *world);
void sim_streams_free(struct sim_world *world);

/* disk_sim.c, disk_crash.c ----------------------------------------------------------------------------------------- */

extern const struct dfs_disk_ops sim_disk_ops;

struct sim_disk_pending;
void sim_disk_on_done(struct sim_world *world, struct sim_disk_pending *pending);
void sim_disk_item_drop(struct sim_world *world, struct sim_item *item);
void sim_disk_crash(struct sim_disk *disk, enum sim_unsynced mode);
void sim_disk_settle(struct sim_disk *disk); /* everything carried out and on stable storage */
void sim_disk_free(struct sim_disk *disk);
void sim_disks_suffix(struct sim_world *world, uint64_t suffix); /* the disks' part of sim_world_suffix */

/* local_sim.c ------------------------------------------------------------------------------------------------------ */

extern const struct dfs_local_ops sim_local_env_ops;

void sim_local_on_done(struct sim_world *world, struct sim_local_pending *pending);
void sim_local_item_drop(struct sim_world *world, struct sim_item *item);

/* partition.c ------------------------------------------------------------------------------------------------------ */

bool sim_partition_looks(const struct sim_host *from, const struct sim_host *to);

static inline bool sim_blocked(const struct sim_host *from, const struct sim_host *to)
{
    return from->world->partitions != NULL && sim_partition_looks(from, to);
}

#endif
