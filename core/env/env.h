/*
 * env.h - what the world must provide to a machine, and the one door through which the world speaks to it.
 *
 * A machine (auth, metadata, data, client) is moved by one function only:
 *
 *     dfs_time_ns x_step(struct x *machine, const struct dfs_event *event);
 *
 * which returns the time at which it wants to be stepped again (an EV_TICK) if nothing else happens before. Both clocks
 * stand in the event. The verbs below only enqueue: an env NEVER calls a machine, or changes anything that a machine
 * owns, before step has returned (the two functions of a dfs_sink are the named exception: they are called by the
 * transport between steps, and change nothing but the sink). `random` alone answers at once.
 *
 * The same machines run over net_real (libuv, TLS, files) and over net_sim (a seed). Anything a machine can see or do
 * stands in this header.
 *
 * Rules for machines
 *   - Never two env calls in one argument list: compilers differ in the order.
 *   - Time comes from the event, never from anywhere else.
 *   - A step that comes later than the deadline the machine asked for, by more than DFS_STALL_TOLERANCE, is the machine's
 *     own stall: every deadline about others moves by it (dfs_stall below).
 */
#ifndef DFS_CORE_ENV_ENV_H
#define DFS_CORE_ENV_ENV_H

#include "core/base/buf.h"
#include "core/base/id.h"
#include "core/base/limits.h"
#include "core/base/status.h"
#include "core/base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who is who ------------------------------------------------------------------------------------------------------ */

enum dfs_role { DFS_ROLE_NONE, DFS_ROLE_AUTH, DFS_ROLE_META, DFS_ROLE_DATA, DFS_ROLE_CLIENT, DFS_ROLE_COUNT };

/* "auth", "meta", "data", "client"; "none". */
const char *dfs_role_name(enum dfs_role role);

/* A numeric endpoint: IPv6, or IPv4 in its mapped form (::ffff:a.b.c.d). Names are resolved by the host, never here. */
struct dfs_addr {
    uint8_t ip[16];
    uint16_t port;
};

#define DFS_FINGERPRINT_BYTES 32 /* SHA-256 of a certificate in DER */

/*
 * What the transport has authenticated about the other end of a connection. NODE: a certificate of this cluster's CA
 * which names role and node id (auth and meta have node ids too). CLIENT: any other certificate, known by fingerprint.
 * NONE: no certificate. The fingerprint is set for NODE and CLIENT.
 */
enum dfs_peer_kind { DFS_PEER_NONE, DFS_PEER_CLIENT, DFS_PEER_NODE };

struct dfs_peer {
    enum dfs_peer_kind kind;
    enum dfs_role role; /* of a NODE */
    struct dfs_id node; /* of a NODE */
    uint8_t fingerprint[DFS_FINGERPRINT_BYTES];
};

/* Net -------------------------------------------------------------------------------------------------------------- */

/*
 * Where received bytes go: "here is a buffer you may fill", "I filled n bytes". One sink a connection, owned by the
 * machine, attached with net.attach. The transport calls want() and fills up to the returned count of bytes at *ret_at,
 * then calls got() with what it filled (1..want). Bulk payload is thus received in place.
 *
 * want() == 0: no room is granted; the transport stops reading the connection until net.resume(conn). That is the
 * back-pressure of streams.
 * got() == true: something is complete. The transport must deliver EV_RECV for the connection, by a step of the machine,
 * before it calls want() again (want() returns 0 until the machine has taken it, so a transport that forgets only stalls).
 *
 * want() grants no more than the peer still has to send before anything is complete: a transport may wait for a part of that before it reads.
 * Neither may call the env. The bytes a transport may put down between two steps are unbounded only by what want() grants.
 */
struct dfs_sink {
    size_t (*want)(struct dfs_sink *sink, uint8_t **ret_at);
    bool (*got)(struct dfs_sink *sink, size_t count);
};

/* A connection, named by the env; never reused within the life of a machine; 0 is none. */
typedef uint64_t dfs_conn;

/*
 * Connections. TLS 1.3 in net_real; the machine sees plain bytes.
 *
 * A connection made by connect() ends in EV_OPEN or EV_CLOSED. An accepted one begins with EV_ACCEPT (already
 * authenticated). One that was begun earlier may be accepted later; `order` tells. Until attach() nothing is read.
 * After the machine called close(), or got EV_CLOSED, no event for the connection follows and the handle is dead:
 * every verb on it is ignored.
 */
struct dfs_net_ops {
    /* Opens a stream to `to`. The other end must prove by its certificate that it has `role` in this cluster, and is
     * `node` unless that is NULL; otherwise EV_CLOSED with UNREACHABLE or WRONG_CLUSTER. `user` comes back in every event. */
    dfs_conn (*connect)(void *ctx, const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node,
                        void *user);

    /* Gives a connection its sink and its user pointer, and starts reading. Allowed at any time after connect() or
     * EV_ACCEPT, once. */
    void (*attach)(void *ctx, dfs_conn conn, struct dfs_sink *sink, void *user);

    /* Asks the transport to read again: the sink that said 0 would now grant room. Harmless otherwise. */
    void (*resume)(void *ctx, dfs_conn conn);

    /* Enqueues one frame: `head` is copied (control bytes), then `bulk_bytes` from `bulk` at `bulk_offset`, which is
     * referenced until sent. `bulk` may be NULL. For a frame with bulk, EV_SENT follows when the transport is done with
     * the buffer; the machine owns a reference of its own and drops it itself. Frames leave in order. More than
     * DFS_SEND_QUEUE_BYTES_MAX of waiting control bytes: the env closes (EV_CLOSED, TOO_LARGE). Before EV_OPEN frames queue. */
    void (*send)(void *ctx, dfs_conn conn, const void *head, size_t head_bytes, struct dfs_buf *bulk,
                 size_t bulk_offset, size_t bulk_bytes);

    /* Sends what is queued, then closes. Peers see an orderly end. No further events. */
    void (*close)(void *ctx, dfs_conn conn);

    /* One datagram to `to`; at most DFS_DATAGRAM_BYTES_MAX. Lost, repeated and reordered at will. */
    void (*datagram)(void *ctx, const struct dfs_addr *to, const void *bytes, size_t count);
};

/* Disk ------------------------------------------------------------------------------------------------------------- */

/*
 * One flat directory. Names are plain ('/' and leading '.' refused by the env's assertion), at most
 * DFS_FILE_NAME_BYTES_MAX - 1 bytes.
 *
 * submit() enqueues; EV_DISK follows exactly once per operation, in any order between operations, unless the machine is
 * gone. What a caller may rely on (Linux, and the disks of net_sim):
 *   CREATE    new empty file, exclusive (EXISTS), room reserved for `length` bytes if not 0 (NO_SPACE). The file is open under its
 *             name for WRITE and SYNC until PUBLISH, REMOVE or FORGET.
 *   WRITE     `length` bytes of `buf` from `buf_offset` at `offset` of the file. The machine keeps a reference to buf until done.
 *             Durable only by a SYNC that was submitted after this write's EV_DISK.
 *   SYNC      data and size on stable storage. IO is final for the file: never synced again, the content is unknown.
 *   PUBLISH   renames `name` to `name2` unless that exists (EXISTS); durable only by a later SYNC_DIR. Closes the file.
 *   SYNC_DIR  all names that were published, created or removed before it was submitted are on stable storage.
 *   READ      up to `length` bytes at `offset` of `name` into `buf` at `buf_offset`; `count` in the answer is short only at the end of
 *             the file. NOT_FOUND.
 *   REMOVE    the name is gone; durable only by a later SYNC_DIR. NOT_FOUND.
 *   LIST      names and sizes, in ascending byte order, in the answer (valid during that step only).
 *   SPACE     capacity and free bytes in the answer.
 *   FORGET    closes an unpublished file without removing it (an abandoned temporary is removed by REMOVE).
 * Operations on one name are carried out in the order of submission, except READs, which may overtake each other; a chain that
 * depends on success still waits for EV_DISK.
 */
enum dfs_disk_verb {
    DFS_DISK_CREATE,
    DFS_DISK_WRITE,
    DFS_DISK_SYNC,
    DFS_DISK_PUBLISH,
    DFS_DISK_SYNC_DIR,
    DFS_DISK_READ,
    DFS_DISK_REMOVE,
    DFS_DISK_LIST,
    DFS_DISK_SPACE,
    DFS_DISK_FORGET,
    DFS_DISK_VERB_COUNT
};

/* "create" ... "space", "forget": the names of scenario files. */
const char *dfs_disk_verb_name(enum dfs_disk_verb verb);

struct dfs_disk_op {
    enum dfs_disk_verb verb;
    uint64_t token;    /* comes back in the answer: slot and generation, never a pointer */
    const char *name;  /* copied by submit() */
    const char *name2; /* PUBLISH: the new name; copied */
    struct dfs_buf *buf;
    size_t buf_offset;
    uint64_t offset;
    uint64_t length;
};

struct dfs_disk_entry {
    const char *name;
    uint64_t bytes;
};

struct dfs_disk_done {
    enum dfs_disk_verb verb;
    uint64_t token;
    enum dfs_status status; /* OK, NOT_FOUND, EXISTS, NO_SPACE, IO */
    uint64_t count;         /* READ: bytes read. LIST: entries */
    const struct dfs_disk_entry *entries;
    uint64_t capacity_bytes; /* SPACE */
    uint64_t free_bytes;     /* SPACE */
};

struct dfs_disk_ops {
    void (*submit)(void *ctx, const struct dfs_disk_op *op);
};

/* The client's local file ------------------------------------------------------------------------------------------ */

/*
 * A source is pulled, a sink is pushed; both are numbered by whoever gave them to the client (command line, library,
 * simulator). pull: fill up to `length` bytes of buf from `offset`, EV_SOURCE follows with the count, short only at the end; a source
 * that cannot seek is pulled in order, and at most once per byte unless `rereadable` was said in the request.
 * push: write `length` bytes of buf at `offset`; EV_SINK follows. finish: all bytes were pushed (commit=true: the local file appears
 * whole; false: nothing of it stays); EV_SINK with `finished` follows.
 */
struct dfs_local_ops {
    void (*pull)(void *ctx, uint64_t source, uint64_t offset, struct dfs_buf *buf, size_t buf_offset, size_t length,
                 uint64_t token);
    void (*push)(void *ctx, uint64_t sink, uint64_t offset, struct dfs_buf *buf, size_t buf_offset, size_t length,
                 uint64_t token);
    void (*finish)(void *ctx, uint64_t sink, bool commit, uint64_t token);
    /* The answer to a command (EV_COMMAND): `result` is valid during the call only and belongs to the machine. */
    void (*answer)(void *ctx, uint64_t command, const void *result);
};

/* Trace ------------------------------------------------------------------------------------------------------------ */

/*
 * What a machine wants to be known: state changes and the events of the scenario language. A verb that only records: a
 * machine's behaviour never depends on it. net_real makes log lines of it, net_sim hashes it and fires triggers.
 *
 * X(NAME, "name in scenarios")
 */
#define DFS_TRACE_MAP(X) \
    X(STATE, "state")                   /* a gate let a machine pass: what, from, to, why */ \
    X(EVICTED, "evicted")               /* node, a = incarnation, b = mono of the last accepted heartbeat */ \
    X(JOINED, "joined")                 /* JOINING -> ACTIVE: node, a = incarnation */ \
    X(SUSPECTED, "suspected")           /* node, a = incarnation */ \
    X(FENCED, "fenced")                 /* node (itself), a = incarnation */ \
    X(REPAIR_STARTED, "repair_started") /* block, node = target, node2 = source */ \
    X(REPAIR_DONE, "repair_done")       /* block, node = target, node2 = source, a = bytes, status */ \
    X(BRAKE_ON, "brake_on")             /* a = nodes gone, b = nodes before */ \
    X(BRAKE_OFF, "brake_off") \
    X(BLOCK_BAD, "block_bad")         /* block, node: a copy does not verify or is missing */ \
    X(TRIMMED, "trimmed")             /* block, node: an excess copy was ordered away */ \
    X(SCRUB_DONE, "scrub_done")       /* node, a = blocks read, b = bad */ \
    X(TOKEN_REFUSED, "token_refused") /* status */ \
    X(CHECKPOINT, "checkpoint")       /* a = journal position */ \
    X(COMMITTED, "committed") /* meta made a version visible: block.file, text = path, a = size, b = version number */ \
    X(REMOVED, "removed")     /* meta removed or replaced a version: block.file, text = path */ \
    X(MOVED, "moved")         /* block.file, text = old path, text2 = new path */ \
    X(PUBLISHED, "published") /* data node made a copy visible: block, a = bytes, b = change number */ \
    X(DELETED, "deleted")     /* data node removed a copy: block, b = change number */ \
    X(FRAME_BAD, "frame_bad") /* a peer sent what does not decode: status, text */ \
    X(NOTE, "note")           /* for people: text */ \
    X(STAY, "stay")           /* an event left a machine's state as it was: texts as STATE; only when `stays` */

enum dfs_trace_kind {
#define X(name, text) DFS_TRACE_##name,
    DFS_TRACE_MAP(X)
#undef X
        DFS_TRACE_COUNT
};

const char *dfs_trace_name(enum dfs_trace_kind kind);

struct dfs_block_id {
    struct dfs_id file;
    uint32_t index;
    uint32_t generation;
};

struct dfs_trace {
    enum dfs_trace_kind kind;
    enum dfs_status status;
    struct dfs_id node;
    struct dfs_id node2;
    struct dfs_block_id block;
    uint64_t a;
    uint64_t b;
    /* STATE: machine ("put", "node", "link"), from, to, why (the event that moved it). Static strings. Others: free text,
     * valid during the call only. */
    const char *text;
    const char *text2;
    const char *text3;
    const char *text4;
};

struct dfs_trace_ops {
    void (*trace)(void *ctx, const struct dfs_trace *trace);
    bool stays; /* STAY is wanted: who counts the paths of machines (core/base/gate.h) */
};

/* The env ---------------------------------------------------------------------------------------------------------- */

struct dfs_rng_ops {
    /* Fills `bytes` at once. In net_sim the stream is keyed by host and purpose; purposes are small constants of the caller so that
     * one more draw in one place shifts nothing elsewhere. */
    void (*random)(void *ctx, uint32_t purpose, void *bytes, size_t count);
};

/* Purposes of random draws. */
enum dfs_rng_purpose {
    DFS_RNG_ID,     /* file ids, operation ids, boot ids */
    DFS_RNG_JITTER, /* back-off, heartbeat phase */
    DFS_RNG_KEY,    /* keys, salts, nonces */
    DFS_RNG_CHOICE, /* which replica to read */
    DFS_RNG_PURPOSE_COUNT
};

/* Handed to every machine at its creation; copied by value; the tables and contexts outlive the machine. Roles that have no local files
 * (or no disk) get NULL there and never touch it. */
struct dfs_env {
    void *ctx;
    const struct dfs_net_ops *net;
    const struct dfs_disk_ops *disk;
    const struct dfs_local_ops *local;
    const struct dfs_rng_ops *rng;
    const struct dfs_trace_ops *trace;
};

/* Events ----------------------------------------------------------------------------------------------------------- */

/* X(NAME, "name") */
#define DFS_EVENT_MAP(X) \
    X(START, "start")       /* first of all, once */ \
    X(TICK, "tick")         /* the deadline has come (or earlier: harmless) */ \
    X(ACCEPT, "accept")     /* conn, peer, addr: a new incoming connection */ \
    X(OPEN, "open")         /* conn, user, peer: a connect() succeeded */ \
    X(RECV, "recv")         /* conn, user: the sink has something complete */ \
    X(SENT, "sent")         /* conn, user, bulk: the oldest bulk frame has left */ \
    X(CLOSED, "closed")     /* conn, user, status: the connection is gone */ \
    X(DATAGRAM, "datagram") /* addr, bytes, count */ \
    X(DISK, "disk")         /* disk */ \
    X(SOURCE, "source")     /* local: an answer to pull */ \
    X(SINK, "sink")         /* local: an answer to push or finish */ \
    X(COMMAND, "command")   /* command, argument: from the host (command line, signal, simulator) */

enum dfs_event_kind {
#define X(name, text) DFS_EV_##name,
    DFS_EVENT_MAP(X)
#undef X
        DFS_EV_COUNT
};

const char *dfs_event_name(enum dfs_event_kind kind);

struct dfs_event {
    enum dfs_event_kind kind;
    dfs_time_ns mono;
    dfs_wall_ns wall;
    union {
        struct {
            dfs_conn conn;
            void *user;                  /* as attached; NULL for ACCEPT */
            const struct dfs_peer *peer; /* ACCEPT, OPEN */
            const struct dfs_addr *addr; /* ACCEPT: where it comes from */
            uint64_t order;         /* ACCEPT: of two connections of one peer the one begun later has the greater */
            struct dfs_buf *bulk;   /* SENT: which buffer */
            enum dfs_status status; /* CLOSED: why: OK (orderly), UNREACHABLE, TIMEOUT, TOO_LARGE, WRONG_CLUSTER */
        } net;
        struct {
            const struct dfs_addr *from;
            const uint8_t *bytes;
            size_t count;
        } datagram;
        struct dfs_disk_done disk;
        struct {
            uint64_t token;
            uint64_t count; /* SOURCE: bytes pulled */
            enum dfs_status status;
            bool finished;
        } local;
        struct {
            uint64_t id;          /* for local.answer */
            uint32_t code;        /* each machine's header names its commands */
            const void *argument; /* valid during the step only */
        } command;
    };
};

/* Own stalls ------------------------------------------------------------------------------------------------------- */

/* Lateness below this is the scheduler's; above it, ours (design, section 3). Never more than a tenth of the shortest interval a
 * machine judges others by: see dfs_stall_init. */
#define DFS_STALL_TOLERANCE_NS (100 * DFS_MILLISECONDS)

/*
 * Counts the time during which this machine did not run though it wanted to. A machine calls dfs_stall_step first in its
 * step and adds the returned lateness to every deadline about others.
 */
struct dfs_stall {
    dfs_time_ns deadline; /* what the last step returned */
    dfs_duration_ns tolerance_ns;
    dfs_duration_ns total_ns;
};

static inline void dfs_stall_init(struct dfs_stall *stall, dfs_duration_ns interval_ns)
{
    stall->deadline = DFS_NEVER;
    stall->tolerance_ns = DFS_STALL_TOLERANCE_NS < interval_ns / 10 ? DFS_STALL_TOLERANCE_NS : interval_ns / 10;
    stall->total_ns = 0;
}

/* How late this step is, 0 when not by more than the tolerance. */
static inline dfs_duration_ns dfs_stall_step(struct dfs_stall *stall, dfs_time_ns now)
{
    if (stall->deadline == DFS_NEVER || now <= stall->deadline || now - stall->deadline <= stall->tolerance_ns)
        return 0;
    stall->total_ns += now - stall->deadline;
    return now - stall->deadline;
}

#endif
