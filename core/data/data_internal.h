/*
 * data_internal.h - what the files of core/data share: the machine's struct, its parts, and who does what.
 *
 *   data.c          life, step, dispatch by message number, deadlines, metrics
 *   io.c            disk operations with an owner
 *   peer.c          connections: accepted, to metadata, to other data servers; bulk frames on their way
 *   store.c         the index of published blocks, room, directory syncs
 *   start.c         the store at the start: listing, marker, seen journal position; its later checks
 *   writable.c      whether the store can be written and has room, when a write says that it has not
 *   control.c       the connection to metadata: connect, back-off, join, resume, stop
 *   inventory.c     INVENTORY, INVENTORY_END, BLOCK_EVENTS
 *   heartbeat.c     HEARTBEAT, HEARTBEAT_ACK, lease
 *   keys.c          grant keys, token keys, receipts
 *   hello.c block_write.c block_read.c block_copy.c copy.c remove_block.c verify.c leave.c   one message each
 *   write.c         a block being written here, from the first frame to the receipt
 *   pass.c          a block being passed on to another data server
 *   stream.c        bytes of one block file, verified, on their way to a connection (or to nobody: verification)
 *   opening.c       the footer of a block file (with a small block: the whole file in one read)
 *   scrub.c         all blocks, slowly
 */
#ifndef DFS_CORE_DATA_DATA_INTERNAL_H
#define DFS_CORE_DATA_DATA_INTERNAL_H

#include "core/auth/token.h"
#include "core/base/gate.h"
#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/base/mac.h"
#include "core/base/map.h"
#include "core/base/order.h"
#include "core/base/slab.h"
#include "core/data/block_file.h"
#include "core/data/data.h"
#include "core/env/env.h"
#include "core/env/trace.h"
#include "core/wire/grant.h"
#include "core/wire/link.h"
#include "core/wire/message.h"

/* Times -------------------------------------------------------------------------------------------------- */

/* Before the first JOINED nobody has said what I is. */
#define DATA_INTERVAL_FIRST_NS DFS_SECONDS

/* An accepted connection without requests is closed after this: longer than clients keep idle ones in their pools. */
#define DATA_PEER_IDLE_NS (300 * DFS_SECONDS)

/* A connection to another data server without work. Shorter than the receiving side's, so that the one who
 * knows closes. */
#define DATA_PEER_OUT_IDLE_NS (120 * DFS_SECONDS)

/* While someone waits for memory the machine looks again this often: the last reference to a buffer may fall
 * between steps. */
#define DATA_STARVED_POLL_NS (10 * DFS_MILLISECONDS)

/* How often room and marker are looked at. */
#define DATA_STORE_CHECK_NS (10 * DFS_SECONDS)

/* A disk that fails at the start is tried again. */
#define DATA_START_RETRY_NS DFS_SECONDS

/* What the probe of a store consists of (writable.c). */
#define DATA_PROBE_STEPS 7

/* The newest journal position is written down at most this often, and at every JOINED. */
#define DATA_SEEN_NS (60 * DFS_SECONDS)

/* A HELLO whose token is under a key not known yet waits this long for KEYS_UPDATE: metadata hears of new
 * keys at about the same time. */
#define DATA_TOKEN_WAIT_NS (2 * DFS_SECONDS)

/* Scrubbing never reads faster than this, whatever the interval: it must not be felt. */
#define DATA_SCRUB_BYTES_PER_S_MAX (UINT64_C(20) * 1000 * 1000)

#define DATA_BACKOFF_INTERVALS_MAX 5 /* design, section 4: JOIN is retried with back-off, at most five intervals */

/* Timers ------------------------------------------------------------------------------------------------- */

struct data_timer {
    struct dfs_heap_item item;
    void (*fire)(struct dfs_data *data, struct data_timer *timer);
};

/* Disk operations ---------------------------------------------------------------------------------------- */

/* `buf` is the operation's buffer, still referenced; `tag` what the submitter gave. */
typedef void data_io_done(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                          uint64_t tag);

struct data_io {
    struct dfs_list link; /* in the owner's list */
    uint32_t slot;
    uint32_t generation;
    bool busy;
    data_io_done *done; /* NULL: the owner is gone, the answer finds nobody */
    union {
        void *owner;
        struct data_io *next_free; /* while not busy */
    };
    struct dfs_buf *buf;
    uint64_t tag;
};
_Static_assert(sizeof(struct data_io) <= 64, "the half dozen of every write touch a cache line each");

/* Connections -------------------------------------------------------------------------------------------- */

enum data_peer_kind { DATA_PEER_IN, DATA_PEER_OUT, DATA_PEER_CONTROL, DATA_PEER_KINDS };

/* Whom an outgoing connection was made to. */
struct data_peer_key {
    struct dfs_id node;
    struct dfs_addr addr;
};
_Static_assert(sizeof(struct data_peer_key) == sizeof(struct dfs_id) + sizeof(struct dfs_addr), "a key: no padding");

/* Of hundreds none is cached when its message comes: behind the link stands what every message looks at, then what a block needs, then the rest. */
struct data_peer {
    struct dfs_link link;
    struct dfs_list at; /* data->peers[kind], or data->dead */
    struct dfs_data *data;
    uint64_t frames;    /* received */
    dfs_time_ns active; /* fair time of the last sign of life */
    enum data_peer_kind kind;
    enum dfs_status hello; /* IN: OK once a good HELLO came */
    bool dead;             /* closed; its memory lives until the end of the step */
    bool hello_waits;      /* IN: for keys; the link is paused */
    bool was_open;         /* OUT: EV_OPEN came */
    uint32_t hello_request;
    uint32_t writes_count;
    uint32_t reads_count;
    struct dfs_list writes; /* struct data_write that it sends us */
    struct dfs_list reads;  /* struct data_read that it asked for */
    struct dfs_list passes; /* struct data_pass that we send it */
    struct dfs_list sent;   /* struct data_sent: bulk frames that the transport holds, oldest first */

    struct data_timer timer; /* idle, hello, connect */
    struct data_peer_key to; /* OUT */
    char *token;             /* of a waiting HELLO */
    uint32_t token_count;
};

/* A bulk frame on its way. */
struct data_sent {
    struct dfs_list at_peer;
    struct dfs_list at_stream;
    struct dfs_buf *buf;
    struct data_stream *stream; /* NULL: nobody cares any more */
};

/* Blocks ------------------------------------------------------------------------------------------------- */

struct data_block {
    struct dfs_list order; /* in data->blocks */
    struct dfs_block_id id;
    uint64_t file_bytes;
    uint64_t change;       /* the number under which this incarnation reported it; 0: in the inventory */
    uint32_t length_bytes; /* 0, a stump: the file is no copy of the block */
    bool durable;
    bool bad;      /* does not verify, or is gone from the disk: never a source */
    bool removing; /* REMOVE is under way */
};

/* Whoever waits for the directory to be on stable storage. */
struct data_dir_wait {
    struct dfs_list link;
    void (*done)(struct data_dir_wait *wait, enum dfs_status status);
};

/* Reading ------------------------------------------------------------------------------------------------ */

/* Whoever found no memory; run again in the order of waiting. */
struct data_hungry {
    struct dfs_list link;
    void (*run)(struct data_hungry *hungry);
};

/*
 * Reads the footer of a published block. done() is called once: OK with crcs filled; BLOCK_MISSING,
 * BLOCK_CORRUPT, IO after the second try. done() may close the opening. A small block comes whole: `buf` then
 * holds its data from the first byte on.
 */
struct data_opening {
    struct dfs_data *data;
    struct data_hungry hungry;
    struct dfs_list ios;
    struct dfs_block_id block;
    uint32_t length_bytes;
    bool whole; /* wanted: data too if small */
    bool tried; /* once in vain */
    uint32_t crc;
    uint32_t *crcs;
    struct dfs_buf *buf;
    void (*done)(struct data_opening *opening, enum dfs_status status);
};

/*
 * Bytes begin..end of a file, read in frames, verified, sent to `peer` (NULL: to nobody) as BLOCK_DATA of `request`.
 *
 * sent_all  every byte was handed to the transport (or verified); called once; may close the stream.
 * failed    reading failed twice: BLOCK_CORRUPT, BLOCK_MISSING, IO; may close the stream.
 * moved     a frame has left: a sign of life. May be NULL.
 */
struct data_stream {
    struct dfs_data *data;
    struct data_hungry hungry;
    struct dfs_list ios;
    struct dfs_list sent; /* struct data_sent, by at_stream */
    struct data_peer *peer;
    uint32_t request;
    uint32_t window;
    uint32_t inflight;
    const char *name; /* the file's; the owner keeps it */
    uint32_t length_bytes;
    const uint32_t *crcs;  /* of the block's chunks; those below `available` mean something */
    struct dfs_buf *first; /* the whole block, read already; NULL otherwise */
    uint32_t offset;       /* next byte to send */
    uint32_t available;    /* bytes of the file that may be read */
    uint32_t end;
    bool hold; /* no reads for now: the file is being renamed */
    bool reading;
    bool tried; /* this piece was read once in vain */
    bool done;
    void (*sent_all)(struct data_stream *stream);
    void (*failed)(struct data_stream *stream, enum dfs_status status);
    void (*moved)(struct data_stream *stream);
};

/* Passing a block on to another data server -------------------------------------------------------------- */

#define DATA_PASS_PHASES(X) X(IDLE) X(SENDING) X(WAITING) X(ENDED)
enum data_pass_phase {
#define X(name) DATA_PASS_##name,
    DATA_PASS_PHASES(X)
#undef X
        DATA_PASS_COUNT
};

/*
 * answered  BLOCK_WRITTEN came. The pass has ended.
 * failed    UNREACHABLE, TIMEOUT, or what the connection said; source_bad: our own file could not be read. The pass has ended.
 */
struct data_pass {
    struct dfs_data *data;
    enum data_pass_phase phase;
    struct dfs_list at_peer;
    struct data_peer *peer;
    struct dfs_id node;
    struct dfs_addr addr;
    uint32_t request;
    bool pooled;          /* the connection was there before: if it turns out dead, a fresh one is tried */
    uint64_t peer_frames; /* what the peer had said when the pass began */
    struct data_stream stream;
    struct data_timer timer;
    dfs_time_ns progress; /* fair time */
    dfs_duration_ns patience_ns;
    void (*header)(struct data_pass *pass); /* sends BLOCK_WRITE or BLOCK_COPY under pass->request */
    void (*answered)(struct data_pass *pass, const struct dfs_m_block_written *message);
    void (*failed)(struct data_pass *pass, enum dfs_status status, bool source_bad);
};

/* Writing ------------------------------------------------------------------------------------------------ */

#define DATA_WRITE_PHASES(X) X(RECEIVING) X(SYNCING) X(PUBLISHING) X(COMPARING) X(NAMING) X(CHAINING) X(ENDED)
enum data_write_phase {
#define X(name) DATA_WRITE_##name,
    DATA_WRITE_PHASES(X)
#undef X
        DATA_WRITE_COUNT
};

#define DATA_CRCS_INLINE 16 /* a block of 1 MB needs no second allocation */

struct data_write {
    struct dfs_list at; /* data->writes */
    struct dfs_list at_peer;
    struct dfs_data *data;
    struct data_block *here; /* the index's block of this id, NULL while there is none: store.c sees to it */
    enum data_write_phase phase;
    struct data_peer *upstream; /* NULL: gone */
    uint32_t request;
    struct dfs_block_id block;
    uint32_t attempt;
    uint32_t length_bytes;
    bool ordered; /* by BLOCK_COPY: no chain, and the checksum is known */
    bool sync;
    bool matching;  /* the block is published: bytes are compared, not written */
    bool matched;   /* its checksums are known (opening) */
    bool published; /* the file is ours to account for: it stands under its name, and no index has it */
    bool room_taken;
    int sender; /* the sender's place in the grant; -1: the client */
    uint32_t hop;
    uint32_t order_crc;
    struct dfs_w_grant grant; /* its replicas are those below */

    uint32_t received;
    uint32_t writing; /* WRITEs under way */
    uint64_t file_bytes;
    bool temp_made;
    uint32_t crc;
    uint32_t *crcs;
    struct dfs_list ios;
    struct data_dir_wait naming;
    struct data_opening opening; /* of the published block, when comparing */
    struct data_timer timer;
    dfs_time_ns progress; /* fair time of the last frame */

    struct data_pass pass;
    uint32_t next_hop; /* the replica to try next */
    uint32_t receipts_count;
    uint32_t failures_count;

    /* What follows is not cleared: it means something as far as it was filled, and is most of the struct. */
    char name[DFS_FILE_NAME_BYTES_MAX];
    char temp[DFS_FILE_NAME_BYTES_MAX];
    uint32_t crcs_inline[DATA_CRCS_INLINE];
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    struct dfs_w_receipt receipts[DFS_REPLICAS_MAX]; /* of those behind us */
    struct dfs_w_failure failures[DFS_REPLICAS_MAX];
};

/* Smaller things ----------------------------------------------------------------------------------------- */

struct data_read {
    struct dfs_list at;
    struct dfs_list at_peer;
    struct dfs_data *data;
    struct data_peer *peer;
    uint32_t request;
    struct dfs_block_id block;
    uint32_t begin;
    uint32_t end;
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct data_opening opening;
    struct data_stream stream;
    struct data_timer timer;
    dfs_time_ns progress;
};

struct data_copy {
    struct dfs_list at;
    struct dfs_data *data;
    struct dfs_id operation;
    uint32_t request;
    struct dfs_w_order order;
    struct dfs_addr target_addr;
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct data_opening opening;
    struct data_pass pass;
};

/* Reads a block whole; for VERIFY and for the scrub. */
struct data_check {
    struct dfs_list at;
    struct dfs_data *data;
    struct dfs_block_id block;
    uint32_t length_bytes;
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct data_opening opening;
    struct data_stream stream;
    struct dfs_id operation; /* VERIFY */
    uint32_t request;
    uint32_t crc;
    void (*done)(struct data_check *check, enum dfs_status status); /* frees it */
};

struct data_removal {
    struct dfs_list at;
    struct dfs_data *data;
    struct data_dir_wait naming;
    uint64_t control_life; /* the connection that it came by */
    uint32_t request;
    uint32_t pending;
    uint32_t count;
    struct dfs_list ios;
    struct dfs_w_removed *results; /* behind the blocks, in the same memory */
    struct data_block *blocks[];   /* while REMOVE is under way; otherwise NULL */
};

#define DATA_WRITES_BUCKETS 64

struct data_grant_key {
    bool valid;
    uint32_t key_id;
    struct dfs_mac mac;
};

#define DATA_NODE_PHASES(X) X(LOADING) X(WAITING) X(JOINING) X(RESUMING) X(REPORTING) X(SERVING) X(STOPPED) X(LEFT)
enum data_node_phase {
#define X(name) DATA_NODE_##name,
    DATA_NODE_PHASES(X)
#undef X
        DATA_NODE_COUNT
};

#define DATA_LEASE_STATES(X) X(NONE) X(HELD) X(FENCED)
enum data_lease_state {
#define X(name) DATA_LEASE_##name,
    DATA_LEASE_STATES(X)
#undef X
        DATA_LEASE_COUNT
};

/* X(field, help) */
#define DATA_COUNTERS(X) \
    X(joins, "JOINs sent") \
    X(joined, "JOINs accepted") \
    X(resumed, "control connections taken up again") \
    X(heartbeats, "heartbeats sent, repetitions included") \
    X(heartbeats_acknowledged, "heartbeats acknowledged") \
    X(datagrams_refused, "datagrams that were no valid acknowledgement") \
    X(fenced, "times the lease ran out") \
    X(peers_refused, "connections refused: too many") \
    X(peers_bad, "connections closed because of what they sent") \
    X(tokens_refused, "HELLOs refused") \
    X(grants_refused, "requests refused because of grant, order or bearer") \
    X(frames_discarded, "data frames of requests that had been answered") \
    X(frames_lagged, "data frames that the next hop was not ready for: read again from the disk") \
    X(frames_corrupt, "data frames whose checksum was wrong") \
    X(writes_started, "block writes admitted") \
    X(writes_stored, "blocks published and acknowledged") \
    X(writes_refused, "block writes refused") \
    X(writes_failed, "block writes given up") \
    X(writes_bytes, "bytes of blocks received") \
    X(hops_skipped, "replicas skipped by a chain") \
    X(reads_started, "block reads admitted") \
    X(reads_refused, "block reads refused") \
    X(reads_failed, "block reads given up") \
    X(reads_bytes, "bytes of blocks sent") \
    X(copies_done, "copies made on order") \
    X(copies_failed, "copies that failed") \
    X(removes_done, "blocks removed") \
    X(removes_refused, "removals refused") \
    X(verifies, "blocks verified on order") \
    X(blocks_bad, "copies found bad or missing") \
    X(scrub_blocks, "blocks scrubbed") \
    X(scrub_passes, "scrub passes completed") \
    X(disk_errors, "disk operations that failed with IO")

struct data_counters {
#define X(field, help) uint64_t field;
    DATA_COUNTERS(X)
#undef X
};

/* The machine -------------------------------------------------------------------------------------------- */

struct dfs_data {
    /* What every step asks stands in front, in a few cache lines. */
    struct dfs_stall stall;
    dfs_time_ns now;      /* mono of this step */
    dfs_time_ns now_fair; /* without our own stalls: deadlines about others live on this clock */
    dfs_wall_ns wall;
    dfs_time_ns lease_end;
    enum data_lease_state lease;
    enum data_node_phase phase;
    struct dfs_list hungry;    /* struct data_hungry */
    struct dfs_list dead;      /* peers */
    struct data_peer *control; /* NULL: none */
    uint64_t change_last;
    uint64_t change_sent;
    bool changes_lost; /* the ring overflowed: a new inventory is due */
    bool leaving;
    bool hungry_again;        /* the one that was run just now found nothing again */
    struct dfs_heap timers;   /* by now */
    struct dfs_heap patience; /* by now_fair */
    struct dfs_env env;
    struct dfs_buf_pool pool;
    struct dfs_links links;

    struct dfs_data_config config;
    uint32_t frame_bytes; /* config's, a multiple of DFS_CHUNK_BYTES */

    struct data_io **ios; /* by slot */
    uint32_t ios_count;
    uint32_t ios_room;
    struct data_io *ios_free; /* the last one that became free in front: it is the likeliest to be in a cache */

    size_t sending_bytes;      /* held by frames that wait to leave, or are being read for that */
    struct dfs_list sent_free; /* struct data_sent, by at_peer */

    struct dfs_list peers[DATA_PEER_KINDS];
    uint32_t peers_count[DATA_PEER_KINDS];
    struct dfs_map peers_out; /* the outgoing ones, by whom they go to */
    bool ending;              /* dfs_data_free: the world is not to be touched any more */

    /* store */
    struct dfs_order blocks; /* stumps, then blocks as they came */
    struct dfs_map blocks_by_id;
    struct dfs_slab blocks_slab;
    uint64_t blocks_bytes; /* of their files */
    uint64_t blocks_good;  /* those that count in inventory and digest */
    uint64_t digest;
    uint32_t stumps_count;
    struct dfs_block_id stump; /* being removed */
    bool stump_goes;           /* so it is */
    uint64_t capacity_bytes;
    uint64_t free_bytes; /* as of the last SPACE, less what was begun since */
    uint64_t temp_next;
    struct dfs_list dir_waiters; /* struct data_dir_wait for the next SYNC_DIR */
    struct dfs_list dir_covered; /* for the one under way */
    bool dir_syncing;
    struct dfs_list store_ios; /* of start.c and store.c */

    /* start */
    uint32_t start_pending;
    bool start_failed;
    bool marker_found;
    bool marker_foreign; /* another cluster's or another node's */
    bool marker_writing;
    bool store_lost; /* said in the next JOIN */
    bool marker_checking;
    uint32_t marker_misses; /* looks in a row that did not find it (start: that found something else) */
    uint32_t files_foreign;
    bool probing;
    bool room_asked;
    bool short_told;                          /* since the last heartbeat that came by itself */
    bool write_refused;                       /* the store cannot be written: no room is offered */
    uint64_t room_told;                       /* by the last heartbeat */
    uint8_t probe_failures[DATA_PROBE_STEPS]; /* in succession */
    struct data_timer start_timer;
    struct data_timer store_timer;
    uint64_t seen;        /* newest journal position heard of */
    uint64_t seen_stored; /* newest written down; the file is there */
    bool seen_writing;
    uint64_t seen_target;
    struct data_timer seen_timer;
    struct data_dir_wait seen_wait;

    /* control */
    uint64_t control_life; /* grows with every connection */
    uint32_t control_request;
    struct dfs_id boot;
    uint64_t incarnation; /* 0: never joined */
    uint64_t epoch;
    dfs_duration_ns interval_ns;
    bool resume;                     /* the next connection may RESUME */
    uint32_t backoff;                /* attempts in vain */
    struct data_timer control_timer; /* back-off; patience for the answer is patience_timer */
    struct data_timer patience_timer;
    dfs_time_ns join_sent;
    enum dfs_status failure;
    const char *failure_words;

    /* inventory and events */
    struct dfs_mark inventory_at; /* behind the last block of the last page */
    bool inventory_confirmed;
    uint32_t inventory_page;
    uint32_t inventory_unanswered;
    uint64_t inventory_change;
    uint64_t inventory_count;
    uint64_t inventory_digest;
    uint32_t inventory_end_request;
    struct dfs_w_change *changes; /* ring: numbers change_first .. change_last */
    uint32_t changes_room;
    uint32_t changes_head;
    uint32_t changes_count;

    /* heartbeat and lease */
    struct dfs_mac heartbeat_mac;
    uint64_t beat_sequence;
    dfs_time_ns beat_first;
    dfs_time_ns beat_next;
    uint32_t beat_tries;
    bool beat_acknowledged;
    struct data_timer beat_timer;
    struct data_timer lease_timer;

    /* keys */
    struct data_grant_key keys[DFS_GRANT_KEYS_MAX]; /* newest first */
    struct dfs_grant_cache grants;                  /* what was checked with them */
    struct dfs_verifier *verifier;

    /* work */
    struct dfs_list writes;
    uint32_t writes_count;
    uint16_t writes_of
        [DATA_WRITES_BUCKETS]; /* how many of them are of blocks with this hash: mostly none, and nobody looks through the list */
    struct dfs_list reads;
    uint32_t reads_count;
    struct dfs_list copies;
    uint32_t copies_count;
    struct dfs_list checks;
    uint32_t checks_count; /* on order */
    struct dfs_list removals;
    uint32_t removals_count;

    /* scrub */
    struct data_check *scrub;
    struct data_timer scrub_timer;
    struct dfs_mark scrub_at;    /* behind the last block that was read */
    struct dfs_mark scrub_first; /* where this pass began */
    bool scrub_wrapped;
    bool scrub_begun;
    struct dfs_block_id missing_told; /* the last block that was read but is not here, as reported */
    dfs_time_ns scrub_began;
    dfs_time_ns scrub_rest; /* not before: the last block is being paid for */
    uint64_t scrub_blocks;
    uint64_t scrub_bytes;
    uint64_t scrub_bad;
    dfs_time_ns scrub_finished; /* the last whole pass; 0: none yet */

    /* leave */
    uint64_t leave_command;
    bool leave_said; /* metadata knows, or cannot be told */
    uint32_t leave_request;
    struct data_timer leave_timer;

    struct data_counters counters;
};

/* data.c */
static inline struct dfs_w_block data_w_block(const struct dfs_block_id *block)
{
    return (struct dfs_w_block){.file = block->file, .index = block->index, .generation = block->generation};
}

static inline struct dfs_block_id data_block_id(const struct dfs_w_block *block)
{
    return (struct dfs_block_id){.file = block->file, .index = block->index, .generation = block->generation};
}

void data_timer_init(struct data_timer *timer, void (*fire)(struct dfs_data *, struct data_timer *));
void data_timer_set(struct dfs_data *data, struct data_timer *timer, dfs_time_ns at); /* own matters: by now */
void data_patience_set(struct dfs_data *data, struct data_timer *timer,
                       dfs_duration_ns length); /* about others: now_fair + length */
void data_timer_stop(struct dfs_data *data, struct data_timer *timer);
void data_patience_stop(struct dfs_data *data, struct data_timer *timer);

void data_retire(struct dfs_data *data); /* stopped or left: ends all connections, work and timers */

/* io.c */
void data_io_submit(struct dfs_data *data, struct dfs_list *owner_list, data_io_done *done, void *owner, uint64_t tag,
                    struct dfs_disk_op op);       /* references op.buf until done; done NULL: nobody cares */
void data_io_forget(struct dfs_list *owner_list); /* the owner goes: answers find nobody */
void data_io_answer(struct dfs_data *data, const struct dfs_disk_done *done);
void data_io_close(struct dfs_data *data);

/* peer.c */
void data_peer_accept(struct dfs_data *data, const struct dfs_event *event);
struct data_peer *data_peer_control(struct dfs_data *data); /* a new connection to metadata */
/* An open or opening connection to a data server, a new one if need be; NULL when there are too many. */
struct data_peer *data_peer_out(struct dfs_data *data, const struct dfs_id *node, const struct dfs_addr *addr,
                                bool *ret_pooled);
void data_peer_opened(struct data_peer *peer, const struct dfs_peer *who);
void data_peer_lost(struct data_peer *peer, enum dfs_status status); /* EV_CLOSED */
void data_peer_close(struct data_peer *peer,
                     enum dfs_status status); /* our decision; status is what its requests hear */
void data_peer_sent(struct data_peer *peer, const struct dfs_buf *bulk);
void data_peer_settle(struct dfs_data *data); /* at the end of a step: frees the dead */
/* Sends a BLOCK_DATA frame out of `buf`; the stream (may be NULL) hears when it has left. */
void data_peer_send_frame(struct data_peer *peer, struct data_stream *stream, uint32_t request, uint32_t offset,
                          const uint32_t *crcs, uint32_t crcs_count, struct dfs_buf *buf, size_t buf_offset,
                          size_t count);
void data_stream_detach_sent(struct data_stream *stream);

/* Memory for what leaves (data.c). NULL: none now, wait with data_hungry_wait. Give back through data_sending_drop. */
struct dfs_buf *data_sending_take(struct dfs_data *data, size_t bytes);
bool data_sending_add(struct dfs_data *data,
                      struct dfs_buf *buf); /* a received buffer that is forwarded; false: better not */
void data_sending_drop(struct dfs_data *data, struct dfs_buf *buf); /* and the reference */
void data_hungry_init(struct data_hungry *hungry, void (*run)(struct data_hungry *));
void data_hungry_wait(struct dfs_data *data, struct data_hungry *hungry);

/* store.c */
void data_store_init(struct dfs_data *data);
void data_store_close(struct dfs_data *data);
struct data_block *data_block_find(const struct dfs_data *data, const struct dfs_block_id *id);
/* The next one in the order in which they came, the first one for NULL; NULL: no more. */
struct data_block *data_block_next(struct dfs_data *data, const struct data_block *block);
struct data_block *data_block_behind(const struct dfs_mark *mark); /* NULL: it stands at the end */
struct data_block *data_block_before(const struct dfs_mark *mark); /* NULL: it stands at the beginning */
struct data_block *data_block_listed(struct dfs_data *data, const struct dfs_block_id *id, uint64_t file_bytes);
/* Published now: into the index, with a change number, traced. A block that is in already keeps its number
 * (unless it was bad). write->here is the block. */
void data_block_added(struct data_write *write);
void data_block_removed(struct dfs_data *data, struct data_block *block);
void data_block_free(struct dfs_data *data, struct data_block *block); /* out of the index without a word */
void data_blocks_forget(struct dfs_data *data);                        /* all of them: the store is lost */
/* A file under a block's name that is no copy; it has its room until it is gone. The id is not in the index. */
void data_stump_left(struct dfs_data *data, const struct dfs_block_id *id, uint64_t file_bytes);
void data_stumps_remove(struct dfs_data *data); /* as far as the disk lets us, once metadata knows what we have */
/* A read said so: BLOCK_CORRUPT, BLOCK_MISSING or IO (twice). Marks, reports and traces once; nothing for
 * blocks that are going anyway. */
void data_block_failed(struct dfs_data *data, const struct dfs_block_id *id, enum dfs_status status);
bool data_block_is_written(struct dfs_data *data, const struct dfs_block_id *id);           /* a live write of it */
void data_block_written(struct dfs_data *data, const struct dfs_block_id *id, bool begins); /* one more, one less */
bool data_block_is_copied(struct dfs_data *data, const struct dfs_block_id *id); /* a source of a copy under way */
bool data_room_take(struct dfs_data *data, uint64_t file_bytes); /* false: it would go below the reserve */
void data_room_give(struct dfs_data *data, uint64_t file_bytes);
bool data_room_is_left(const struct dfs_data *data); /* above the reserve */
void data_dir_sync(struct dfs_data *data, struct data_dir_wait *wait);

/* start.c */
void data_start(struct dfs_data *data);
void data_start_write_marker(struct dfs_data *data);
void data_space_answer(struct dfs_data *data, const struct dfs_disk_done *done); /* of SPACE */
void data_store_check(struct dfs_data *data);            /* something odd was seen: is the marker still there? */
void data_seen(struct dfs_data *data, uint64_t journal); /* noted, written down lazily */
void data_seen_store(struct dfs_data *data);             /* written down now, if newer */
void data_seen_set_back(struct dfs_data *data, uint64_t journal); /* --accept-older-journal */

/* writable.c */
void data_write_failed(struct dfs_data *data,
                       enum dfs_status status);          /* CREATE to SYNC_DIR: can the store be written? */
void data_probe(struct dfs_data *data);                  /* finds out */
uint64_t data_room_offered(const struct dfs_data *data); /* what metadata may count on */
void data_room_short(struct dfs_data *data); /* a write was refused: metadata may think that there is room */

/* control.c */
void data_control_init(struct dfs_data *data);
void data_control_begin(struct dfs_data *data); /* the store is known: join */
void data_control_enter(struct dfs_data *data, enum data_node_phase phase, const char *why);
void data_control_alive(struct dfs_data *data);
void data_control_lost(struct dfs_data *data, enum dfs_status status);
void data_control_again(struct dfs_data *data, bool resume, const char *why); /* drop the connection, come back */
void data_control_stop(struct dfs_data *data, enum dfs_status status, const char *why); /* for good */
void data_on_joined(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
void data_on_resumed(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
void data_on_status(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);

/* inventory.c */
void data_changes_reset(struct dfs_data *data); /* a new incarnation: numbers start at 1 */
uint64_t data_change(struct dfs_data *data, enum dfs_change kind, const struct dfs_block_id *block,
                     uint32_t length_bytes, uint32_t crc);
void data_changes_applied(struct dfs_data *data, uint64_t applied);
bool data_changes_resume(struct dfs_data *data, uint64_t applied); /* false: not kept so far back */
void data_changes_flush(struct dfs_data *data);
void data_inventory_begin(struct dfs_data *data);
void data_inventory_continue(struct dfs_data *data);
void data_inventory_answered(struct dfs_data *data, uint32_t request, enum dfs_status status);

/* heartbeat.c */
void data_heartbeat_init(struct dfs_data *data);
void data_heartbeat_begin(struct dfs_data *data, const struct dfs_key *key); /* a new incarnation */
void data_heartbeat_stop(struct dfs_data *data);
void data_heartbeat_news(struct dfs_data *data); /* metadata is to know now, not with the next one */
void data_heartbeat_on_datagram(struct dfs_data *data, const uint8_t *bytes, size_t count);
void data_lease_test(struct dfs_data *data); /* first in every step */
void data_lease_resumed(struct dfs_data *data);

/* keys.c */
void data_keys_init(struct dfs_data *data);
void data_keys_close(struct dfs_data *data);
void data_keys_set(struct dfs_data *data, const struct dfs_w_grant_key *grant_keys, uint32_t grant_keys_count,
                   const struct dfs_w_token_key *token_keys, uint32_t token_keys_count);
struct dfs_mac *data_key_find(struct dfs_data *data, uint32_t key_id); /* NULL: not accepted (any more) */
void data_receipt_make(struct dfs_data *data, const struct dfs_block_id *block, uint32_t length_bytes, uint32_t crc,
                       uint64_t change, bool durable, struct dfs_w_receipt *ret_receipt);
void data_on_keys_update(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);

/* hello.c */
void data_on_hello(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
void data_hello_retry(struct dfs_data *data, struct data_peer *peer, bool last);

/* block_write.c, write.c */
void data_on_block_write(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
void data_on_block_copy(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
void data_on_block_data(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
void data_on_block_written(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
/* Is the grant good for this operation at this node? OK; UNAVAILABLE, GRANT_INVALID, GRANT_EXPIRED,
 * STALE_INCARNATION. The bearer is the caller's. */
enum dfs_status data_grant_admit(struct dfs_data *data, const struct dfs_w_grant *grant, uint32_t hop,
                                 enum dfs_grant_operation operation);
/* A new write, with what data_write_prepare has found; its fields of identity are set by the caller before
 * data_write_begin. */
struct data_write *data_write_new(struct dfs_data *data, struct data_peer *upstream, uint32_t request,
                                  const struct dfs_block_id *block, uint32_t length_bytes, struct data_block *here);
void data_write_begin(struct data_write *write);
/* What is here already, *ret_here: OK with a good block (published, as long: the new bytes are compared), or with room
 * taken for a new file; EXISTS (of another length), UNAVAILABLE (being removed), NO_SPACE, IO (the store cannot be
 * written). */
enum dfs_status data_write_prepare(struct dfs_data *data, const struct dfs_block_id *id, uint32_t length_bytes,
                                   struct data_block **ret_here);
/* Other writes of the same block that are still receiving: taken over, or the reason why this one may not begin. */
enum dfs_status data_write_contest(struct dfs_data *data, const struct dfs_block_id *block, uint32_t attempt,
                                   int sender);
void data_write_fail(struct data_write *write, enum dfs_status status,
                     const char *why); /* answers upstream, removes the temporary, frees */
void data_write_upstream_lost(struct data_write *write);
void data_write_free(struct data_write *write); /* silently: the machine ends */
void data_refuse_write(struct dfs_data *data, struct data_peer *peer, uint32_t request, const struct dfs_w_block *block,
                       uint32_t attempt, enum dfs_status status);

/* pass.c */
void data_pass_init(struct data_pass *pass, struct dfs_data *data);
/* stream.name, length_bytes, crcs, available, first are set by the caller. failed() may be called before this
 * returns. */
void data_pass_begin(struct data_pass *pass, const struct dfs_id *node, const struct dfs_addr *addr,
                     dfs_duration_ns patience_ns);
void data_pass_peer_lost(struct data_pass *pass, enum dfs_status status);
void data_pass_answer(struct data_pass *pass, const struct dfs_m_block_written *message);
void data_pass_stop(struct data_pass *pass, const char *why); /* silently */

/* stream.c */
void data_stream_init(struct data_stream *stream, struct dfs_data *data);
void data_stream_pump(struct data_stream *stream); /* last statement of a caller: the stream may be gone afterwards */
bool data_stream_forward(struct data_stream *stream, struct dfs_buf *buf, uint32_t offset,
                         uint32_t count);          /* a received frame, if it is next */
void data_stream_sent(struct data_stream *stream); /* a frame has left */
void data_stream_close(struct data_stream *stream);

/* opening.c */
void data_opening_begin(struct data_opening *opening, struct dfs_data *data, const struct dfs_block_id *block,
                        uint32_t length_bytes, bool whole, void (*done)(struct data_opening *, enum dfs_status));
void data_opening_close(struct data_opening *opening); /* harmless on a zeroed one */

/* block_read.c */
void data_on_block_read(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
void data_read_free(struct data_read *read);

/* copy.c */
void data_on_copy(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
void data_copy_free(struct data_copy *copy);

/* verify.c, scrub.c */
void data_on_verify(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
struct data_check *data_check_begin(struct dfs_data *data, const struct data_block *block,
                                    void (*done)(struct data_check *, enum dfs_status));
void data_check_run(struct data_check *check);
void data_check_free(struct data_check *check);
void data_scrub_init(struct dfs_data *data);
void data_scrub_begin(struct dfs_data *data);

/* remove_block.c */
void data_on_remove_block(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
void data_removal_free(struct data_removal *removal);

/* leave.c */
void data_leave_init(struct dfs_data *data);
void data_leave(struct dfs_data *data, uint64_t command);
void data_leave_continue(struct dfs_data *data); /* at the end of a step, while leaving */
void data_leave_answered(struct dfs_data *data, uint32_t request);

/* Each stands beside its machine. */
extern const struct dfs_gate data_node_gate;
extern const struct dfs_gate data_lease_gate;
extern const struct dfs_gate data_write_gate;
extern const struct dfs_gate data_pass_gate;

#endif
