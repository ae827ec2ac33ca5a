/*
 * world.h - the simulated world: virtual time, one event queue, hosts, and the only scheduler.
 *
 * Caveats first
 *   - The same seed, options and calls give the same run and the same trace hash, on any machine, compiler and
 *     optimisation. Calls made from outside are part of what must be repeated.
 *   - Verbs that change hosts (start, crash, restart, pause, stop, command) and the links, disks and clocks are called
 *     between steps: from outside of sim_world_run, or from a call (sim_world_call). An observer that wants to do such
 *     a thing asks for a call at the present time.
 *   - A machine's step is never entered twice; its env only enqueues.
 *
 * The world knows nothing of roles, messages or scenarios. An *event* is one step of one machine. Names begin
 * with sim_; hosts, disks and links are owned by the world and freed with it.
 */
#ifndef DFS_NET_SIM_WORLD_H
#define DFS_NET_SIM_WORLD_H

#include "net_sim/disk_sim.h"
#include "net_sim/link.h"
#include "net_sim/partition.h"
#include "net_sim/prf.h"

#include "core/env/env.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_world;
struct sim_host;

/* The world -------------------------------------------------------------------------------------------------------- */

struct sim_world_options {
    struct sim_link_options link;   /* what links follow that have none of their own */
    dfs_wall_ns wall;               /* the calendar at time 0 */
    struct sim_range local_latency; /* of the hosts' local sources and sinks */
    uint64_t events_max;            /* the budget: sim_world_run stops there; 0: none */
    /* What stands for a frame's head in the trace hash instead of its bytes, where a library decides some of them (the
     * signature of a token): true and *ret_digest, or false for the bytes. NULL: always the bytes. */
    bool (*digest)(void *arg, const uint8_t *head, size_t head_bytes, uint64_t *ret_digest);
    void *digest_arg;
    bool stays; /* machines say also which events left their state as it was (DFS_TRACE_STAY); not hashed */
};

/* Time 0 is 2024-01-01; local files answer within 10-50 us; no budget. */
struct sim_world_options sim_world_options_default(void);

/* `options` NULL: the defaults. */
struct sim_world *sim_world_new(uint64_t seed, const struct sim_world_options *options);

/* Destroys running machines (silently), then all the rest. NULL is fine. */
void sim_world_free(struct sim_world *world);

enum sim_end {
    SIM_END_TIME,   /* `until` was reached; the world's time is `until` */
    SIM_END_IDLE,   /* nothing will ever happen again by itself; the time is `until`, or that of the last event */
    SIM_END_BUDGET, /* events_max was reached */
    SIM_END_STOPPED /* sim_world_stop */
};

/* Runs everything due at or before `until` (DFS_NEVER: to the end). May be called again and again. */
enum sim_end sim_world_run(struct sim_world *world, dfs_time_ns until);

/* Takes one item off the queue, which steps one machine as a rule (none for what was lost, several for frames
 * that came in together). false when the queue is empty. */
bool sim_world_step_one(struct sim_world *world);

/* sim_world_run returns after the present item; for observers and calls. */
void sim_world_stop(struct sim_world *world);

dfs_time_ns sim_world_now(const struct sim_world *world);
uint64_t sim_world_seed(const struct sim_world *world);

/* Whose machine is being stepped; NULL between steps. */
struct sim_host *sim_world_stepping(const struct sim_world *world);

/* Everything that happened so far: virtual time, kind, host, every payload byte, every draw, every deadline. */
uint64_t sim_world_hash(const struct sim_world *world);

/* Adds something of the simulator's own to the trace hash (claims of a token, an operation's outcome). */
void sim_world_hash_add(struct sim_world *world, const void *bytes, size_t count);

struct sim_counts {
    uint64_t events; /* steps of machines */
    uint64_t datagrams, datagram_bytes, datagrams_lost;
    uint64_t frames, frame_bytes, frames_delivered;
    uint64_t connects;
    uint64_t disk_operations, syncs, disk_bytes_written, disk_bytes_read;
    uint64_t crashes, starts;
};
const struct sim_counts *sim_world_counts(const struct sim_world *world);

/* How much is waiting to happen: what stands in the queue, deadlines, and segments that travel behind another one. Walks over all
 * connections: for figures, not for every event. */
size_t sim_world_in_flight(const struct sim_world *world);

/* Calls `call` at that time (now at the earliest), after what is already due then. Cannot be taken back: let
 * it look whether it is still wanted. */
void sim_world_call(struct sim_world *world, dfs_time_ns at, void (*call)(void *arg, struct sim_world *world),
                    void *arg);

/* A keyed draw for the simulator's own use; `stream` is hashed with it. Not part of the trace hash unless it
 * is added. */
uint64_t sim_world_draw(const struct sim_world *world, const char *stream, uint64_t number);

/* The same for who draws often: the hash of the stream's name, and a draw by it. */
uint64_t sim_world_stream(const char *stream);
uint64_t sim_world_draw_of(const struct sim_world *world, uint64_t stream, uint64_t number);

/* The same from the seed alone, whatever suffix the world has: for what keeps its value through a run, such as identities. */
uint64_t sim_world_identity(const struct sim_world *world, const char *stream, uint64_t number);

/*
 * From now on everything is drawn with other keys, which follow from the present ones and `suffix`: the same past with another future. What was drawn
 * already (a latency of what is under way, times of calls) stays. May be called at any moment, in a step and by an observer too; meant for a process
 * that was forked off a run. Walks over all hosts, links, disks and connections.
 */
void sim_world_suffix(struct sim_world *world, uint64_t suffix);

/* Hosts ------------------------------------------------------------------------------------------------------------ */

/* The machine of a host. create() must not call the env except `random`; the first step is EV_START.
 * destroy() frees the machine, poisoned. */
struct sim_machine_ops {
    void *(*create)(void *arg, const struct dfs_env *env);
    dfs_time_ns (*step)(void *machine, const struct dfs_event *event);
    void (*destroy)(void *machine);
};

/* The local files of a client, held by the simulator. Called between steps, except `answer`, which is called
 * inside one and must only take note. */
struct sim_local_ops {
    /* Fills up to `count` bytes of `source` from `offset`; returns how many, short only at the end;
     * *ret_status may be set to IO and the like. */
    size_t (*fill)(void *arg, uint64_t source, uint64_t offset, uint8_t *bytes, size_t count,
                   enum dfs_status *ret_status);
    enum dfs_status (*accept)(void *arg, uint64_t sink, uint64_t offset, const uint8_t *bytes, size_t count);
    enum dfs_status (*finish)(void *arg, uint64_t sink, bool commit);
    void (*answer)(void *arg, uint64_t command, const void *result);
};

struct sim_host_options {
    struct dfs_peer peer;  /* what others are told that this host has proved to be; a scenario may give a wrong one */
    bool listens;          /* accepts connections on its address */
    struct sim_disk *disk; /* NULL: none */
    const struct sim_local_ops *local; /* NULL: none */
    void *local_arg;
    dfs_duration_ns step_cost_ns; /* each step occupies the host for so long; 0: no time at all */
    int64_t wall_offset_ns;
    int64_t drift_ppm;
};

/* A host that listens on nothing and has no disk. */
struct sim_host_options sim_host_options_default(void);

/* `name` (copied) keys its draws, so it must be the only one of that name; so must `addr` be. Down until
 * started. */
struct sim_host *sim_host_add(struct sim_world *world, const char *name, const struct dfs_addr *addr,
                              const struct sim_host_options *options);

/* One more address under which the host is reached. */
void sim_host_addr_add(struct sim_host *host, const struct dfs_addr *addr);

/* Makes the machine; EV_START follows as an event of its own. Again after a crash or stop (then `ops` and
 * `arg` may be new). */
void sim_host_start(struct sim_host *host, const struct sim_machine_ops *ops, void *arg);

/* The same machine ops as before, on what the disk has. Asserts that the host is down and was up before. */
void sim_host_restart(struct sim_host *host);

enum sim_streams { SIM_STREAMS_SILENT, SIM_STREAMS_RESET };

/*
 * The machine is destroyed in the middle of everything; its disk keeps what faults.h says. SILENT: as by loss
 * of power, nobody is told, nothing answers. RESET: as by SIGKILL, the operating system closes the streams
 * and refuses new ones. Asserts that the host is up.
 */
void sim_host_crash(struct sim_host *host, enum sim_unsynced unsynced, enum sim_streams streams);

/* A clean end, after the machine said it is done: streams end orderly, nothing unsynced is lost. */
void sim_host_stop(struct sim_host *host);

/* As SIGSTOP and SIGCONT. Counted: two pauses take two resumes. A pause survives neither crash nor stop. */
void sim_host_pause(struct sim_host *host);
void sim_host_resume(struct sim_host *host);

/* Each step takes `factor` times its cost (SIM_STEP_COST_NS when it has none); 1 is normal speed. */
#define SIM_STEP_COST_NS (20 * DFS_MICROSECONDS)
void sim_host_slow(struct sim_host *host, uint32_t factor);

/* How long a step occupies it now; 0: no time at all. */
dfs_duration_ns sim_host_step_cost(const struct sim_host *host);

/* Wall time is off by `offset_ns`, both clocks run at 1 + drift, from now on; both replace what was set
 * before. */
void sim_host_clock(struct sim_host *host, int64_t offset_ns, int64_t drift_ppm);

/* EV_COMMAND at the present time. `argument_bytes` of it are copied (not what they point to). Lost when the
 * host is or goes down: false when it is. */
bool sim_host_command(struct sim_host *host, uint64_t id, uint32_t code, const void *argument, size_t argument_bytes);

/* What others are told from now on, on new connections. */
void sim_host_peer_set(struct sim_host *host, const struct dfs_peer *peer);

bool sim_host_is_up(const struct sim_host *host);
bool sim_host_is_paused(const struct sim_host *host);
const char *sim_host_name(const struct sim_host *host);
uint32_t sim_host_index(const struct sim_host *host); /* in the order of addition */
uint32_t sim_host_lives(const struct sim_host *host); /* how often started */
const struct dfs_addr *sim_host_addr(const struct sim_host *host);
const struct dfs_peer *sim_host_peer(const struct sim_host *host);
struct sim_disk *sim_host_disk(struct sim_host *host);
struct sim_world *sim_host_world(struct sim_host *host);
void *sim_host_machine(struct sim_host *host); /* NULL when down */

/* A place for the simulator's own pointer. */
void sim_host_user_set(struct sim_host *host, void *user);
void *sim_host_user(const struct sim_host *host);

/* The host's clocks at the world's present time, and the world's time of a mono of its present life. */
dfs_time_ns sim_host_mono(const struct sim_host *host);
dfs_wall_ns sim_host_wall(const struct sim_host *host);
dfs_time_ns sim_host_world_time(const struct sim_host *host, dfs_time_ns mono);

/* NULL when there is none. */
struct sim_host *sim_world_host(const struct sim_world *world, const char *name);
struct sim_host *sim_world_host_at(const struct sim_world *world, const struct dfs_addr *addr);
size_t sim_world_host_count(const struct sim_world *world);
struct sim_host *sim_world_host_get(const struct sim_world *world, size_t index);

/* Observers and filters -------------------------------------------------------------------------------------------- */

/* A frame of a stream, or (bulk empty) a datagram. Pointers are valid during the call. */
struct sim_message {
    struct sim_host *from;
    struct sim_host *to; /* NULL: it went to an address that nobody has */
    uint64_t conn;       /* the same number at both ends, never reused in a world; 0 for datagrams */
    uint64_t number;     /* on this direction of the connection, or of all datagrams of the link; from 1 */
    uint64_t offset;     /* bytes sent before on this direction of the connection; 0 for datagrams */
    dfs_time_ns sent_at;
    const uint8_t *head;
    size_t head_bytes;
    const uint8_t *bulk;
    size_t bulk_bytes;
    bool injected; /* by sim_datagram_inject: told to observers, but a verdict is not asked for */
};

/* What a filter may do to a message. It comes zeroed to the first observer and goes on to the next. */
struct sim_verdict {
    bool drop;             /* a datagram is lost; a stream is reset in front of the frame, for both ends */
    dfs_duration_ns delay; /* added to its latency (a stream keeps its order, so later frames wait too) */
    uint32_t copies;       /* datagrams: so many more, each with a latency of its own */
};

/* What a link's own probabilities did: once for every draw that hit. */
enum sim_link_hit {
    SIM_LINK_LOST,    /* a datagram */
    SIM_LINK_COPIED,  /* a datagram */
    SIM_LINK_HELD,    /* a datagram, `by` longer */
    SIM_LINK_RETRIED, /* a segment, `by` later; message.number 0: none that carries a frame */
    SIM_LINK_CONNECT  /* one way of a handshake, `by` later; of the message only from, to and conn are filled */
};

struct sim_link_event {
    enum sim_link_hit hit;
    struct sim_message message;
    dfs_duration_ns by;
};

struct sim_disk_event {
    struct sim_host *host;
    struct sim_disk *disk;
    uint64_t number;                  /* of the operations of the disk, from 1 */
    const struct dfs_disk_op *op;     /* submitted */
    const struct dfs_disk_done *done; /* done */
    const char *name;                 /* of the file; "" if none */
};

struct sim_disk_verdict {
    enum dfs_status status; /* not OK: the operation has no effect (a SYNC drops pages) and answers this */
    dfs_duration_ns delay;
};

enum sim_host_change { SIM_HOST_STARTED, SIM_HOST_CRASHED, SIM_HOST_STOPPED, SIM_HOST_PAUSED, SIM_HOST_RESUMED };

struct sim_connection {
    uint64_t conn;
    struct sim_host *from; /* who connected */
    struct sim_host *to;   /* NULL when nobody has the address */
};

/* What is heard of one host. */
struct sim_hearing {
    bool before_step;
    bool after_step;
    uint32_t traces;    /* bits (1 << enum dfs_trace_kind) */
    uint32_t disk_done; /* bits (1 << enum dfs_disk_verb) */
};

/*
 * Any of the functions may be NULL; one that is absent from all observers costs nothing. Called in the order
 * of addition. They change nothing in the world except by verdicts, sim_world_call, sim_world_stop and
 * sim_world_hash_add.
 */
struct sim_observer {
    void *arg;
    void (*before_step)(void *arg, struct sim_host *host, const struct dfs_event *event);
    void (*after_step)(void *arg, struct sim_host *host, const struct dfs_event *event, dfs_time_ns deadline);
    void (*trace)(void *arg, struct sim_host *host, const struct dfs_trace *trace);
    void (*frame_sent)(void *arg, const struct sim_message *message, struct sim_verdict *verdict);
    void (*frame_delivered)(void *arg, const struct sim_message *message); /* all of it is in the sink */
    /* The stream broke, or an end was gone, before all of it was in the sink. One that is still under way when the
     * world ends is neither. */
    void (*frame_lost)(void *arg, const struct sim_message *message);
    void (*datagram_sent)(void *arg, const struct sim_message *message, struct sim_verdict *verdict);
    void (*datagram_delivered)(void *arg, const struct sim_message *message); /* before the step that gets it */
    void (*datagram_lost)(void *arg, const struct sim_message *message);
    void (*link_hit)(void *arg, const struct sim_link_event *event);
    void (*disk_submitted)(void *arg, const struct sim_disk_event *event, struct sim_disk_verdict *verdict);
    void (*disk_done)(void *arg, const struct sim_disk_event *event);              /* before the step that gets it */
    void (*connection_opened)(void *arg, const struct sim_connection *connection); /* the connecting side has it */
    void (*connection_closed)(void *arg, const struct sim_connection *connection, struct sim_host *told,
                              enum dfs_status status);
    void (*host_changed)(void *arg, struct sim_host *host, enum sim_host_change change);
    /* Of which hosts, and which kinds of traces, it wants to hear: takes away from *hearing, which has all that it has functions for. What no
     * observer wants costs nothing; what another one wants is told all the same. Asked when it is added and when a machine starts. NULL: all of all. */
    void (*hears)(void *arg, const struct sim_host *host, struct sim_hearing *hearing);
};

/* From a trace: after_step is called for the step of this host that is under way, even if nobody hears its steps. */
void sim_host_hear_step(struct sim_host *host);

/* Copied. Before the first event, or between items. */
void sim_world_observe(struct sim_world *world, const struct sim_observer *observer);

#endif
