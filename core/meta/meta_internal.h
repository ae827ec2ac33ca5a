/*
 * meta_internal.h - the inside of the metadata server, shared by its files.
 *
 * Two halves. Names: clients, their messages, the journal and the state that it brings back. Nodes: data servers, their
 * messages, membership and repair. They meet in this header only: what names give to nodes, and meta_nodes_*.
 *
 *   meta.c peers.c hello.c          the door; connections and answers; tokens and public keys
 *   boot.c apply.c checkpoint.c     from the disk to the state and back
 *   journal, record                 batches and their records
 *   namespace, blockmap, uploads    the state
 *   put*.c get_open.c stat.c list.c move.c ...   one message a file; put, read and change hold what a family shares
 *   expiry.c                        what ends by itself
 *   nodes.h                         the map of the other half
 *
 * The rule of answers. A request is decided on the state in memory at once, its records are appended and
 * applied at once, and *every* answer waits until all that was appended before it is synced (meta_reply does
 * that: it encodes now and sends later). So nobody ever sees what a crash could take back. What else reaches
 * the outside (orders that delete, traces of COMMITTED, REMOVED, ...) goes through meta_after_sync. A journal
 * that fails ends the service: what waits is answered UNAVAILABLE, nothing is served any more,
 * dfs_meta_failure says why.
 *
 * The rule of time. meta->now is the event's mono. meta->fair is mono less all our own stalls: every deadline
 * about others (heartbeats, leases, time-outs of peers) is kept and compared in fair time, so a stall of ours
 * moves them all. meta_mono(meta, fair) turns one into a deadline for step's return value.
 */
#ifndef DFS_CORE_META_META_INTERNAL_H
#define DFS_CORE_META_META_INTERNAL_H

#include "core/auth/token.h"
#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/env/env.h"
#include "core/env/trace.h"
#include "core/meta/blockmap.h"
#include "core/meta/journal.h"
#include "core/meta/meta.h"
#include "core/meta/namespace.h"
#include "core/meta/record.h"
#include "core/meta/uploads.h"
#include "core/wire/grant.h"
#include "core/wire/link.h"
#include "core/wire/message.h"

struct meta_nodes; /* nodes.h */
struct meta_boot;
struct meta_checkpoint;

/* Limits ------------------------------------------------------------------------------------------------- */

/* Of conns_max, this part is kept for data servers: clients must not keep a node from joining. One in
 * eight. */
#define META_CONNS_FOR_NODES_PART 8

/* A client that says nothing for so many request time-outs is taken for gone; it connects again when it
 * needs us. */
#define META_IDLE_TIMEOUTS 10

/* Peers -------------------------------------------------------------------------------------------------- */

/* What a connection is to us; decides which messages it may send. */
enum meta_peer_kind {
    META_PEER_CLIENT, /* any certificate that is no node's: speaks after a token */
    META_PEER_DATA,   /* a certificate of a data server */
    META_PEER_AUTH    /* our own connection to auth */
};

#define META_PEER_PHASE_MAP(X) \
    X(STRANGER) /* a client before its HELLO */ \
    X(CHECKING) /* its token waits for newer public keys; the tap is closed */ \
    X(KNOWN)    /* client: claims hold. data, auth: from the start */ \
    X(CLOSED)   /* freed at the end of the step */
enum meta_peer_phase {
#define X(name) META_PEER_##name,
    META_PEER_PHASE_MAP(X)
#undef X
        META_PEER_PHASE_COUNT
};

struct meta_peer {
    struct dfs_link link;
    struct dfs_list all; /* in meta->peers, in order of arrival */
    uint32_t slot;       /* with `generation` the peer's name in whatever outlives a step: meta_peer_name() */
    uint32_t generation;
    enum meta_peer_kind kind;
    enum meta_peer_phase phase;
    uint32_t hello_request;
    uint32_t hello_token_count;
    char *hello_token;          /* in CHECKING */
    uint32_t answers_waiting;   /* for the journal */
    struct dfs_heap_item timer; /* in meta->timers, fair time: half-open, idle */
    dfs_time_ns heard_at;       /* fair: the newest complete message */
    bool halfway;               /* half a message lay there when the timer looked last */
    struct dfs_claims claims;   /* CLIENT in KNOWN */

    uint64_t order; /* of EV_ACCEPT */
    uint16_t node;  /* DATA: the member this connection speaks for; META_NODE_NONE before JOIN or RESUME */
};

typedef uint64_t meta_peer_name; /* 0: nobody */

static inline meta_peer_name meta_peer_name_of(const struct meta_peer *peer)
{
    return (uint64_t)peer->generation << 32 | peer->slot;
}

/* The machine -------------------------------------------------------------------------------------------- */

#define META_PHASE_MAP(X) \
    X(IDLE)    /* before START */ \
    X(BOOTING) /* reads the disk */ \
    X(OPENING) /* writes the START record of this epoch */ \
    X(SERVING) \
    X(STOPPING) /* the last checkpoint */ \
    X(STOPPED) \
    X(FAILED)
enum meta_phase {
#define X(name) META_##name,
    META_PHASE_MAP(X)
#undef X
        META_PHASE_COUNT
};

struct meta_counters {
    uint64_t messages;
    uint64_t messages_bad;
    uint64_t tokens_refused;
    uint64_t conns_refused;
    uint64_t conns_timed_out;
    uint64_t commits;
    uint64_t commits_lost;
    uint64_t receipts_bad;
    uint64_t denied;
    uint64_t reads;
    uint64_t changes;
    uint64_t expired;
    uint64_t uploads_expired;
    uint64_t answers_held; /* had to wait for the journal */
};

struct meta_answer;
struct meta_outcomes;
struct meta_staged;

struct dfs_meta {
    /* What every step asks stands in front, in a few cache lines. First the event of this step. */
    dfs_time_ns now;
    dfs_wall_ns wall;
    dfs_time_ns fair;
    struct dfs_stall stall;
    dfs_time_ns keys_due; /* mono: ask auth again */
    enum meta_phase phase;
    /* Something has happened that nodes_step may have to act on: it looks at everything then, and otherwise only at the time. Set by every event but the
     * quiet ones, and by what those may come to (what waited for the journal, a closed connection, an order to remove); repair says so itself. */
    bool nodes_stirred;
    struct meta_nodes *nodes;
    struct meta_checkpoint *checkpoint;
    struct dfs_heap timers; /* peers, fair time */
    struct dfs_list peers_closed;
    struct dfs_list answers; /* struct meta_answer: what waits for the journal, oldest first */
    uint64_t answers_count;
    struct dfs_env env;
    struct meta_journal journal;
    struct meta_uploads uploads;
    struct meta_namespace ns;
    struct meta_blockmap map;
    struct dfs_links links;

    struct dfs_meta_config config;
    enum dfs_status failure;
    char failure_words[DFS_WORDS_BYTES_MAX];
    uint64_t epoch;

    struct dfs_list peers;
    struct meta_peer **peer_slots;
    uint32_t *peer_generations;
    uint32_t peer_slots_room;
    uint32_t clients_count;
    uint32_t datas_count;
    struct dfs_buf_pool pool;

    struct dfs_verifier *verifier;
    struct meta_peer *auth; /* while keys are being asked for */
    dfs_time_ns keys_asked_at;
    struct dfs_w_token_key token_keys[DFS_TOKEN_KEYS_MAX]; /* texts point into token_keys_text */
    uint32_t token_keys_count;
    char *token_keys_text;

    uint64_t journal_recovered; /* the position up to which this start has read */
    struct meta_boot *boot;     /* until SERVING */

    struct meta_outcomes *outcomes;
    struct meta_staged *staged;
    struct dfs_grant_cache grants; /* what was signed lately */
    struct dfs_arena scratch;      /* lists of an answer under construction; reset before each handler */

    uint64_t command_stop; /* ids of commands to be answered; 0: none */
    uint64_t command_checkpoint;
    struct meta_counters counters;
};

/* What names give to nodes -------------------------------------------------------------------------------- */

static inline dfs_time_ns meta_mono(const struct dfs_meta *meta, dfs_time_ns fair)
{
    return dfs_time_add(fair, meta->stall.total_ns);
}

/* true: requests are decided (SERVING). */
static inline bool meta_is_serving(const struct dfs_meta *meta)
{
    return meta->phase == META_SERVING;
}

/* Ends the service for good; `words` is kept (cut at DFS_WORDS_BYTES_MAX). */
void meta_fail(struct dfs_meta *meta, enum dfs_status status, const char *words);

/* Answers a command of the host, if *id is not 0, and forgets it. */
void meta_command_answer(struct dfs_meta *meta, uint64_t *id, enum dfs_status status);

/* The one way of meta->phase; `why` as gate.h says. */
void meta_enter(struct dfs_meta *meta, enum meta_phase phase, const char *why);

/* The peer of that name, or NULL when it has gone. */
struct meta_peer *meta_peer_find(const struct dfs_meta *meta, meta_peer_name name);

/* Closes a connection: counted, traced, meta_nodes_peer_closed called, memory freed at the end of the step
 * (so the caller may still look at it). */
void meta_peer_close(struct dfs_meta *meta, struct meta_peer *peer, enum dfs_status status, const char *why);

/* Answers (or says unasked, with request 0) to a peer, now or as soon as everything appended so far is
 * synced; in order. `value` is the struct of message `number`; it is encoded before this returns. */
void meta_reply(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, uint32_t number, const void *value);
void meta_reply_status(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, enum dfs_status status,
                       const char *words);
void meta_reply_retry(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, enum dfs_status status,
                      const char *words, dfs_duration_ns retry_after_ns);

/* Appends a record and applies it (the same meta_apply as at replay). All records appended in one step
 * before the next meta_append_group are one atomic group if they are smaller than META_GROUP_BYTES_MAX
 * (BLOCKS pages before a FILE need not be: they mean nothing without it). */
void meta_append_group(struct dfs_meta *meta);
void meta_append(struct dfs_meta *meta, enum meta_record_number number, const void *record);

/* Calls `fn` when everything appended so far is synced (at once if it is). Not called when the journal
 * fails or the machine is freed: the words hold no memory. */
struct meta_after {
    uint64_t words[4];
    struct dfs_id id;
    struct dfs_block_id block;
    struct dfs_text text; /* both are copied, and end in a 0 when they come back */
    struct dfs_text text2;
};
typedef void (*meta_after_fn)(struct dfs_meta *meta, const struct meta_after *after);
void meta_after_sync(struct dfs_meta *meta, meta_after_fn fn, const struct meta_after *after);

/* The block of the map with this id, or 0: no committed file has it (or in another generation). */
meta_block_no meta_block_find(const struct dfs_meta *meta, const struct dfs_block_id *id);
void meta_block_id(const struct dfs_meta *meta, meta_block_no number, struct dfs_block_id *ret_id);

/*
 * A block that a node has and the map does not know: does it belong to an open upload (then it is left alone)?
 * false: an orphan. With `confirmed` it was met in a complete inventory of the node's present incarnation: the copy
 * counts at the commit whatever its receipt's incarnation. Without, it was published just now: the upload's lease is
 * renewed.
 */
bool meta_upload_has(struct dfs_meta *meta, const struct dfs_block_id *block, uint16_t node, uint32_t length_bytes,
                     bool confirmed);
/* The node says that it has lost (removed, found bad) a block of an open upload: the upload does not count
 * on it. Nothing happens when there is no such upload. */
void meta_upload_lost(struct dfs_meta *meta, const struct dfs_block_id *block, uint16_t node);

/*
 * For JOIN: was this node told a position that our journal does not reach (OLDER_JOURNAL)? A node that joins
 * with --accept-older-journal says journal_seen 0.
 */
bool meta_journal_is_older_than(const struct dfs_meta *meta, uint64_t journal_seen);

/* What a new segment reserves on the disk. */
uint64_t meta_segment_reserve(const struct dfs_meta *meta);

/* A random id of ours (operations of orders). */
void meta_id_new(struct dfs_meta *meta, struct dfs_id *ret_id);

/* Handlers ----------------------------------------------------------------------------------------------- */

/*
 * X(NAME, name, kinds, phases): void meta_on_name(meta, peer, request, const struct dfs_m_name *body). Called
 * only for a peer of one of the kinds, in SERVING (HELLO and KEYS always); any other message closes the peer.
 * A handler answers with meta_reply*, or closes with meta_peer_close. The body lives until it returns.
 */
#define META_FROM_CLIENT 1u
#define META_FROM_DATA 2u
#define META_FROM_AUTH 4u
#define META_QUIET 8u /* whatever it changes for nodes, it says so: meta->nodes_stirred */
/* clang-format off */
#define META_HANDLER_MAP(X) \
    X(HELLO, hello, META_FROM_CLIENT | META_FROM_DATA) X(KEYS, keys, META_FROM_AUTH) \
    X(PUT_OPEN, put_open, META_FROM_CLIENT | META_QUIET) X(PUT_PLACE, put_place, META_FROM_CLIENT | META_QUIET) \
    X(PUT_COMMIT, put_commit, META_FROM_CLIENT | META_QUIET) X(PUT_ABORT, put_abort, META_FROM_CLIENT) \
    X(GET_OPEN, get_open, META_FROM_CLIENT | META_QUIET) X(BLOCK_BAD, block_bad, META_FROM_CLIENT) \
    X(STAT, stat, META_FROM_CLIENT | META_QUIET) X(LIST, list, META_FROM_CLIENT | META_QUIET) X(MOVE, move, META_FROM_CLIENT) \
    X(REMOVE, remove, META_FROM_CLIENT) X(RESTORE, restore, META_FROM_CLIENT) \
    X(VERSIONS, versions, META_FROM_CLIENT) X(FSCK, fsck, META_FROM_CLIENT) \
    X(EXPLAIN, explain, META_FROM_CLIENT) \
    X(NODES, nodes, META_FROM_CLIENT) X(DRAIN, drain, META_FROM_CLIENT) X(HEALTH, health, META_FROM_CLIENT) \
    X(JOIN, join, META_FROM_DATA) X(RESUME, resume, META_FROM_DATA) X(INVENTORY, inventory, META_FROM_DATA) \
    X(INVENTORY_END, inventory_end, META_FROM_DATA) X(BLOCK_EVENTS, block_events, META_FROM_DATA | META_QUIET) \
    X(COPY_DONE, copy_done, META_FROM_DATA) X(REMOVE_DONE, remove_done, META_FROM_DATA) \
    X(VERIFY_DONE, verify_done, META_FROM_DATA) X(LEAVE, leave, META_FROM_DATA)
/* clang-format on */

#define X(NAME, name, from) \
    void meta_on_##name(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, \
                        const struct dfs_m_##name *body);
META_HANDLER_MAP(X)
#undef X
/* STATUS is nobody's request: what a data server says with it goes here. */
void meta_on_status(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_status *body);

/* true when the peer's claims hold now and allow `mode` on the path; otherwise it was answered (TOKEN_...,
 * DENIED) and counted. path "" with mode 'a': cluster-wide. */
bool meta_claims_allow(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, char mode, const char *path,
                       size_t path_bytes);

/* Did a request with this operation id already change something? Then it was answered as it was then, and
 * true. */
struct meta_outcome {
    struct dfs_list age; /* oldest first */
    struct dfs_id operation;
    uint64_t version;
    uint32_t blocks;
    uint8_t status;
    uint8_t replicas_durable;
};
const struct meta_outcome *meta_outcome_find(const struct dfs_meta *meta, const struct dfs_id *operation);

/* What nodes give to names -------------------------------------------------------------------------------- */

/* Life: called in dfs_meta_new and dfs_meta_free. */
void meta_nodes_init(struct dfs_meta *meta);
void meta_nodes_close(struct dfs_meta *meta);

/* Records of nodes and keys, live (inside meta_append) and at replay: whole-state assignments. The number
 * may be new. */
void meta_nodes_apply_node(struct dfs_meta *meta, const struct meta_r_node *record);
void meta_nodes_apply_key(struct dfs_meta *meta, const struct meta_r_key *record);
/* For checkpoints: the node records in order of number, from *cursor (starts at 0) on; false past the end.
 * Then the newest key; false when there is none. */
bool meta_nodes_record_at(const struct dfs_meta *meta, uint32_t *cursor, struct meta_r_node *ret_record);
bool meta_nodes_record_key(const struct dfs_meta *meta, struct meta_r_key *ret_record);
/* The journal is replayed, this epoch is on the disk: warm-up begins. */
void meta_nodes_started(struct dfs_meta *meta);

/* At the end of every step while SERVING: timers, evictions, repair. Returns the next deadline (mono). */
dfs_time_ns meta_nodes_step(struct dfs_meta *meta);
void meta_nodes_on_datagram(struct dfs_meta *meta, const struct dfs_addr *from, const uint8_t *bytes, size_t count);
/* The connection of a META_PEER_DATA is gone (its link is closed already). */
void meta_nodes_peer_closed(struct dfs_meta *meta, struct meta_peer *peer);
/* meta->token_keys are new: KEYS_UPDATE to all. */
void meta_nodes_token_keys_changed(struct dfs_meta *meta);
void meta_nodes_brake_release(struct dfs_meta *meta);

/* Warm-up is over: missing copies are missing. */
bool meta_nodes_is_warm(const struct dfs_meta *meta);
/* Warm-up is over and no member is still JOINING: a block without copies has lost them (DATA_LOST), it is
 * not only untold yet (UNAVAILABLE). */
bool meta_nodes_have_told(const struct dfs_meta *meta);
/* Beside that no data server that was ever known is away: nobody can come back with a copy. */
bool meta_nodes_are_all_here(const struct dfs_meta *meta);

/* Placement: up to `count` nodes for a new block of at most length_bytes, the primary first, none of the
 * excluded; returns how many were found. Only nodes that may take writes (ACTIVE, lease good, room over
 * the reserve). */
uint32_t meta_nodes_place(struct dfs_meta *meta, const struct dfs_block_id *block, uint32_t length_bytes,
                          uint32_t count, const uint16_t *excluded, uint32_t excluded_count, uint16_t *ret_nodes);
/* How many members have room for it, or may have it again (suspected or fenced just now, or without a store that takes writes), none of the excluded. */
uint32_t meta_nodes_with_room(const struct dfs_meta *meta, uint32_t length_bytes, const uint16_t *excluded,
                              uint32_t excluded_count);
/* How many nodes may take writes now. */
uint32_t meta_nodes_placeable(const struct dfs_meta *meta);

/* The node's index; false when it was never a member. */
bool meta_nodes_find(const struct dfs_meta *meta, const struct dfs_id *id, uint16_t *ret_node);
/* Its id; for any index that stands in the block map. */
const struct dfs_id *meta_nodes_id(const struct dfs_meta *meta, uint16_t index);
enum dfs_node_state meta_nodes_state(const struct dfs_meta *meta, uint16_t index);
/* May a copy there be read now (member, connected lately, not evicted)? */
bool meta_nodes_serves(const struct dfs_meta *meta, uint16_t index);
/* node, incarnation and addr of the node's present or (false: it was evicted) last life; mac zeroed. */
bool meta_nodes_replica(const struct dfs_meta *meta, uint16_t index, struct dfs_w_replica *ret_replica);

/* Grants: the newest key's number, and a node's MAC under it (present incarnation); NULL when evicted. */
uint32_t meta_nodes_key_id(const struct dfs_meta *meta);
struct dfs_mac *meta_nodes_grant_mac(struct dfs_meta *meta, uint16_t index);
/* The older of the two keys in force: nobody signs with an earlier one from now on. */
uint32_t meta_nodes_key_oldest(const struct dfs_meta *meta);
/* Does the receipt verify under its node's key of its incarnation and key id? `key_oldest`: what was the oldest in force when it
 * may first have been signed; an upload may outlast its keys, for they bound how long a grant opens a door, not what was stored. */
bool meta_nodes_receipt_check(struct dfs_meta *meta, const struct dfs_w_receipt *receipt, uint32_t key_oldest,
                              uint16_t *ret_node);
/* Is this the node's present incarnation, and is it a member (not evicted)? */
bool meta_nodes_is_present(const struct dfs_meta *meta, uint16_t index, uint64_t incarnation);

/* Blocks. committed: new in the map, with the copies of its receipts. changed: a copy was doubted.
 * dropped: it leaves the map right after: out of queues, copies for it are cancelled. All may be called
 * during replay (no env verbs then: meta->phase). */
void meta_nodes_block_committed(struct dfs_meta *meta, meta_block_no block);
void meta_nodes_block_changed(struct dfs_meta *meta, meta_block_no block);
void meta_nodes_block_dropped(struct dfs_meta *meta, meta_block_no block);
/* A reader complains about a copy of the map: VERIFY it there (bounded; repeated complaints are one). The
 * copy was flagged DOUBTED. */
void meta_nodes_block_doubted(struct dfs_meta *meta, meta_block_no number, uint16_t index, enum dfs_status status);
/* The file of this block is gone, or the upload: the node may delete it. Not in the map any more (or never
 * was). Called only after the decision is synced. A node that is away is told when it joins: its inventory
 * names a block that nobody knows. */
void meta_nodes_order_removal(struct dfs_meta *meta, uint16_t index, const struct dfs_block_id *block,
                              enum dfs_remove_reason reason);

/* For EXPLAIN: why, queue, position, eta of a block (static texts); copies and wanted are A's. */
void meta_nodes_explain(const struct dfs_meta *meta, meta_block_no number, struct dfs_w_explain_block *ret_explain);

/* copies_running, removals_waiting, blocks_under. */
void meta_nodes_account(const struct dfs_meta *meta, struct dfs_meta_accounting *ret_accounting);
void meta_nodes_metrics(const struct dfs_meta *meta,
                        void (*emit)(void *ctx, const char *name, const char *help, uint64_t value), void *ctx);

/* Each stands beside its machine. */
extern const struct dfs_gate meta_phase_gate;
extern const struct dfs_gate meta_peer_gate;
extern const struct dfs_gate meta_checkpoint_gate;

#endif
