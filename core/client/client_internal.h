/*
 * client_internal.h - the client from inside: what its files share.
 *
 *     client.c    the door, commands, timers, the pump that starts blocks
 *     identity.c  the token: login, refresh, which connections showed an older one
 *     session.c   the link to metadata: asks, asked again until they are answered
 *     node.c      links to data servers: streams, one a block under way
 *     local.c     pulls from sources and pushes to sinks
 *     put.c put_block.c put_commit.c   PUT
 *     get.c get_block.c                GET
 *     small.c     everything that is one question and one answer
 */
#ifndef DFS_CORE_CLIENT_CLIENT_INTERNAL_H
#define DFS_CORE_CLIENT_CLIENT_INTERNAL_H

#include "core/auth/auth_client.h"
#include "core/base/gate.h"
#include "core/base/heap.h"
#include "core/base/map.h"
#include "core/base/stock.h"
#include "core/client/client.h"
#include "core/wire/link.h"

/* Commands at once: a program that starts more has lost count. */
#define CLIENT_COMMANDS_MAX 16384

/* A connection without work is kept so long: below the servers' own patience (request_timeout). */
#define CLIENT_IDLE_NS (20 * DFS_SECONDS)

/* Back-off between two tries of the same thing: doubled each time, half of it by chance, never above the maximum. */
#define CLIENT_BACK_OFF_FIRST_NS (50 * DFS_MILLISECONDS)
#define CLIENT_BACK_OFF_MAX_NS (2 * DFS_SECONDS)

/* A data server that just failed, or that another one could not reach, is asked last for so long, and nothing new is sent to it if
 * metadata knows others. Then one block tries; until the connection is there it is avoided by the rest. */
#define CLIENT_AVOID_NS (5 * DFS_SECONDS)

/* A command for which nothing at all has come from metadata gives up so soon, if that is sooner than give_up_after: people wait in front of it,
 * and there is nothing to lose yet. A login the same. */
#define CLIENT_UNREACHED_NS (30 * DFS_SECONDS)

/* A sentence for people; longer ones are cut. */
#define CLIENT_WORDS_BYTES 384
#define CLIENT_PATH_SAID_BYTES 100 /* of a path, in words */

struct dfs_client;

/* Timers ------------------------------------------------------------------------------------------------------------------ */

struct client_timer {
    struct dfs_heap_item item;
    void (*fire)(struct dfs_client *client, struct client_timer *timer);
};

void dfs_client_timer_init(struct client_timer *timer, void (*fire)(struct dfs_client *, struct client_timer *));
void dfs_client_timer_set(struct dfs_client *client, struct client_timer *timer, dfs_time_ns at);
void dfs_client_timer_stop(struct dfs_client *client, struct client_timer *timer);

/* How long to wait before try number `tries` (0: the first repetition). Draws from the env. */
dfs_duration_ns dfs_client_back_off(struct dfs_client *client, uint32_t tries);

/* Connections: the first member of everything that stands behind a `user` pointer ------------------------------------------- */

enum client_end_kind { CLIENT_END_AUTH, CLIENT_END_META, CLIENT_END_DATA };

struct client_end {
    enum client_end_kind kind;
};

/* Commands ------------------------------------------------------------------------------------------------------------------ */

enum client_start { CLIENT_STARTED, CLIENT_NOTHING_TO_START, CLIENT_NO_ROOM };

struct client_command;

struct client_command_kind {
    const char *name;
    /* Starts one block if there is one to start. NULL: has no blocks. */
    enum client_start (*start_block)(struct client_command *command);
    /* Gives up, for good: leads to dfs_client_command_end, at once or when the sink is closed. */
    void (*fail)(struct client_command *command, enum dfs_status status, const char *words);
    /* It is the host's turn (a source that has not been read, a sink that has not taken): nobody is to be given up for that. NULL: never. */
    bool (*waits_for_host)(struct client_command *command);
    /* Drops everything without a word to anybody: the machine is freed. */
    void (*drop)(struct client_command *command);
};

struct client_command {
    struct dfs_list link;  /* client->commands */
    struct dfs_list ready; /* client->ready: may have blocks to start */
    struct dfs_client *client;
    const struct client_command_kind *kind;
    uint64_t id;
    struct client_timer give_up;
    dfs_time_ns progress_at;
    bool moved; /* there was progress */
    uint64_t done_bytes;
    uint64_t total_bytes;
    /* What went wrong last and is being tried again: what a command that is given up will say. */
    enum dfs_status trouble;
    char trouble_words[CLIENT_WORDS_BYTES];
};

void dfs_client_command_init(struct dfs_client *client, struct client_command *command,
                             const struct client_command_kind *kind, uint64_t id);

/* Something came that brings the command nearer to its end. */
void dfs_client_command_progress(struct client_command *command);

/* How long a server may stay out of reach for what has not begun. */
dfs_duration_ns dfs_client_unreached_ns(const struct dfs_client *client);

/* Something failed that is tried again. */
void dfs_client_command_trouble(struct client_command *command, enum dfs_status status, const char *words);

/* There may be a block to start. */
void dfs_client_command_ready(struct client_command *command);

/* Takes the command off the books and answers it; the caller frees its memory afterwards. */
void dfs_client_command_end(struct client_command *command, const struct dfs_client_result *result);

/* Off the books without an answer. */
void dfs_client_command_forget(struct client_command *command);

/* Answers a command that never ran. */
void dfs_client_answer(struct dfs_client *client, uint64_t id, enum dfs_status status, const char *words);

/* Words --------------------------------------------------------------------------------------------------------------------- */

/* "[::1]:7000", "10.0.0.3:7000". */
#define CLIENT_ADDR_TEXT_BYTES 64
const char *dfs_client_addr_text(const struct dfs_addr *addr, char ret_text[CLIENT_ADDR_TEXT_BYTES]);

/* printf into words; always terminated; returns `words`. */
const char *dfs_client_say(char words[CLIENT_WORDS_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends at most `max` bytes of `text` to words, as far as there is room. For what every operation says that ends well: printf takes longer than a message. */
void dfs_client_append(char words[CLIENT_WORDS_BYTES], const char *text, size_t max);

char *dfs_client_copy_text(const char *text);

/* Why these cannot be sent; NULL when they can. */
const char *dfs_client_path_fault(const char *path);
const char *dfs_client_login_fault(const char *user, const char *password);

/* Status and words of an answer that may be a STATUS; OK for any other message. Words are copied. */
struct client_status {
    enum dfs_status status;
    dfs_duration_ns retry_after_ns;
    char words[CLIENT_WORDS_BYTES];
};
bool dfs_client_is_status(const struct dfs_incoming *in, struct client_status *ret_status);

/* Does this status speak about the token shown, not about what was asked? */
bool dfs_client_is_about_token(enum dfs_status status);

/* Identity ------------------------------------------------------------------------------------------------------------------ */

struct client_identity {
    struct client_end end; /* CLIENT_END_AUTH */
    struct dfs_auth_client auth;
    struct client_timer timer; /* deadline of `auth`, or the next refresh */
    struct dfs_list logins;    /* LOGIN commands; the first is under way unless a refresh is */
    bool login_running;
    bool refresh_running;
    char token[DFS_TOKEN_BYTES_MAX + 1];
    uint32_t token_count;
    uint64_t serial;        /* of the token: connections remember which they showed */
    dfs_wall_ns expires_at; /* 0: not known */
    dfs_time_ns refresh_at; /* DFS_NEVER: no refresh */
    uint32_t refresh_tries;
};

void dfs_client_identity_init(struct dfs_client *client);
void dfs_client_identity_drop(struct dfs_client *client);
void dfs_client_identity_login(struct dfs_client *client, uint64_t id, const struct dfs_client_login *wanted);
void dfs_client_identity_set(struct dfs_client *client, const struct dfs_client_token *wanted);
void dfs_client_identity_close(struct dfs_client *client); /* the connection of a renewal; the token stays */
void dfs_client_identity_on_event(struct dfs_client *client, const struct dfs_event *event);

/* No token yet, and one is being asked for: connections wait for it. */
bool dfs_client_identity_is_pending(const struct dfs_client *client);

/* Session with metadata --------------------------------------------------------------------------------------------------------- */

#define CLIENT_SESSION_PHASES(X) X(IDLE) X(CONNECTING) X(OPEN) X(WAITING)

enum client_session_phase {
#define X(name) CLIENT_SESSION_##name,
    CLIENT_SESSION_PHASES(X)
#undef X
        CLIENT_SESSION_PHASE_COUNT
};

/* A page of receipts is as long as so many other questions: what it takes of the session's window. */
#define CLIENT_ASK_PAGE_WEIGHT 20

/* One question to metadata. It belongs to a command, is asked again over every new connection, and forgotten when answered. */
struct client_ask {
    struct dfs_list link; /* session.asks in the order of asking; unlinked: not asked */
    struct client_command *command;
    uint32_t request;          /* 0: not on the present connection */
    uint32_t weight;           /* of the session's window, while it is on the connection */
    struct client_timer timer; /* sent: silence; waiting: when to ask (again) */
    bool waiting;
    uint32_t tries;
    void (*send)(struct client_ask *ask); /* builds the message and calls dfs_client_ask_send */
    /* An answer. The ask has left the list: asking again is the answered one's affair. */
    void (*answered)(struct client_ask *ask, const struct dfs_incoming *in);
};

struct client_session {
    struct client_end end; /* CLIENT_END_META */
    enum client_session_phase phase;
    struct dfs_link link;
    struct dfs_list asks;
    uint32_t window;           /* weight of the asks on the connection */
    uint32_t unsent;           /* asks that neither are on the connection nor wait for their time */
    struct client_timer timer; /* CONNECTING: timeout; WAITING: back-off; OPEN: idle */
    uint32_t hello;            /* request id of HELLO; 0: answered */
    uint64_t serial;           /* of the token shown */
    uint32_t tries;            /* connections since something was heard */
    dfs_time_ns heard_at;
    bool in_take; /* a message is being handled: the link must not be closed under it */
    bool reset_due;
};

void dfs_client_session_init(struct dfs_client *client);
void dfs_client_session_drop(struct dfs_client *client);
void dfs_client_session_on_event(struct dfs_client *client, const struct dfs_event *event);

/* A token has come, or another one: connects if asks wait; drops a connection that showed another one. */
void dfs_client_session_kick(struct dfs_client *client);
void dfs_client_session_reset(struct dfs_client *client);

/* Closes and forgets the connection; asks stay. */
void dfs_client_session_close(struct dfs_client *client);

void dfs_client_ask_init(struct client_ask *ask, struct client_command *command, void (*send)(struct client_ask *),
                         void (*answered)(struct client_ask *, const struct dfs_incoming *));
void dfs_client_ask_start(struct client_ask *ask);                          /* harmless when it is asked already */
void dfs_client_ask_later(struct client_ask *ask, dfs_duration_ns wait_ns); /* the same, after a while */
void dfs_client_ask_send(struct client_ask *ask, uint32_t number, const void *message);
void dfs_client_ask_stop(struct client_ask *ask); /* harmless when it is not asked */
static inline bool dfs_client_ask_is_running(const struct client_ask *ask)
{
    return dfs_list_linked(&ask->link);
}

/* A message to metadata that needs no answer; lost when there is no connection. */
void dfs_client_session_tell(struct dfs_client *client, uint32_t number, const void *message);

/* Data servers ------------------------------------------------------------------------------------------------------------------- */

#define CLIENT_NODE_PHASES(X) X(CLOSED) X(CONNECTING) X(OPEN)

enum client_node_phase {
#define X(name) CLIENT_NODE_##name,
    CLIENT_NODE_PHASES(X)
#undef X
        CLIENT_NODE_PHASE_COUNT
};

struct client_stream;

struct client_stream_ops {
    /* BLOCK_DATA, BLOCK_END, BLOCK_WRITTEN, STATUS with the stream's request. in->bulk belongs to the callee. */
    void (*message)(struct client_stream *stream, const struct dfs_incoming *in);
    /* The oldest bulk frame of this stream left. */
    void (*sent)(struct client_stream *stream);
    /* The connection is gone; the stream is off it and belongs to the callee. */
    void (*lost)(struct client_stream *stream, enum dfs_status status, const char *words);
};

/* One BLOCK_WRITE or BLOCK_READ on a connection. */
struct client_stream {
    struct dfs_list link; /* node->streams */
    struct client_node *node;
    uint32_t request;
    void *owner; /* NULL: nobody waits for it any more, its frames are dropped */
    const struct client_stream_ops *ops;
    dfs_time_ns heard_at;
};

struct client_node {
    struct client_end end; /* CLIENT_END_DATA */
    enum client_node_phase phase;
    struct dfs_list link; /* client->nodes, the longest unused first; or client->retired */
    struct dfs_client *client;
    struct dfs_id id; /* key of client->nodes_map */
    struct dfs_addr addr;
    struct dfs_link wire;
    struct dfs_list streams;
    uint32_t streams_count;
    uint32_t hello;
    uint64_t serial;           /* of the token shown */
    struct client_timer timer; /* CONNECTING: timeout; OPEN: idle, or silence of streams nobody waits for */
    dfs_time_ns heard_at;
    dfs_time_ns avoid_until;
    bool failed;  /* its last connection did; cleared when one is there */
    bool retired; /* out of the map: closed when its last stream has ended */
    bool in_take;
    enum dfs_status close_due; /* not OK: closed with this status when the message at hand is done */
    char close_words[CLIENT_WORDS_BYTES];
    /* Bulk frames on their way, the oldest first; NULL where the stream has ended. */
    struct client_stream **frames;
    size_t frames_room;
    size_t frames_first;
    size_t frames_count;
};

void dfs_client_nodes_init(struct dfs_client *client);
void dfs_client_nodes_drop(struct dfs_client *client);
void dfs_client_nodes_on_event(struct dfs_client *client, struct client_node *node, const struct dfs_event *event);
void dfs_client_nodes_close(struct dfs_client *client);  /* all connections; streams are lost with ABORTED */
void dfs_client_nodes_retire(struct dfs_client *client); /* another token: no new streams on the old connections */

/* What is known of a server without asking it. */
struct client_node_view {
    uint32_t streams;
    bool connected;
    bool avoided;
};
struct client_node_view dfs_client_node_view(const struct dfs_client *client, const struct dfs_id *id);

/* Another server could not reach it: it is avoided for a while, though it may be well. */
void dfs_client_node_accuse(struct dfs_client *client, const struct dfs_w_replica *replica);

/* A stream to the server, on its connection or a new one. */
struct client_stream *dfs_client_stream_open(struct dfs_client *client, const struct dfs_id *id,
                                             const struct dfs_addr *addr, void *owner,
                                             const struct client_stream_ops *ops);
void dfs_client_stream_send(struct client_stream *stream, uint32_t number, const void *message, struct dfs_buf *bulk,
                            size_t bulk_offset, size_t bulk_bytes);

/* It ended in order: no more frames either way. Frees it. */
void dfs_client_stream_close(struct client_stream *stream);

/* Nobody waits for it any more, the server does not know: what still comes is dropped. `unsent`: the server waits for frames that will not come, so the
 * connection is given up when its other streams are done. */
void dfs_client_stream_abandon(struct client_stream *stream, bool unsent);

/* The server is at fault: its connection is closed, all its streams are lost with this status. */
void dfs_client_node_fail(struct client_node *node, enum dfs_status status, const char *words);

/* Local files ---------------------------------------------------------------------------------------------------------------------- */

/* A pull, push or finish that the host has not answered. The buffer is held here until then, though who asked for it may be gone. */
struct client_local {
    struct dfs_list link; /* in the owner's list; unlinked: the owner is gone */
    uint32_t slot;
    uint32_t generation; /* with the slot: the token; 0 is none */
    uint32_t next_free;
    bool busy;
    void *owner;
    uint32_t tag;
    struct dfs_buf *buf;
    void (*done)(struct client_local *local, const struct dfs_event *event);
};

void dfs_client_local_drop(struct dfs_client *client);
void dfs_client_local_on_event(struct dfs_client *client, const struct dfs_event *event);

struct client_local_owner {
    struct dfs_list locals;
    void *owner;
    void (*done)(struct client_local *local, const struct dfs_event *event); /* not after dfs_client_local_leave */
};

/* `buf` is referenced until the answer; `done` takes a reference of its own if it keeps it. */
void dfs_client_pull(struct dfs_client *client, struct client_local_owner *owner, uint64_t source, uint64_t offset,
                     struct dfs_buf *buf, size_t length, uint32_t tag);
void dfs_client_push(struct dfs_client *client, struct client_local_owner *owner, uint64_t sink, uint64_t offset,
                     struct dfs_buf *buf, size_t buf_offset, size_t length, uint32_t tag);
void dfs_client_finish(struct dfs_client *client, struct client_local_owner *owner, uint64_t sink, bool commit);
void dfs_client_local_init(struct client_local_owner *locals, void *owner,
                           void (*done)(struct client_local *, const struct dfs_event *));
void dfs_client_local_leave(struct client_local_owner *locals); /* what is still under way is nobody's */

/* Grants, copied out of a message --------------------------------------------------------------------------------------------------- */

/* A page of placements or of a plan; one allocation. */
struct client_page {
    struct dfs_list link;
    uint32_t first;
    uint32_t count;
    uint32_t taken;                /* by blocks; all of them: the page is freed */
    struct dfs_w_plan_block *plan; /* grants with their replicas; length and crc of plans only */
};

struct client_page *dfs_client_page_of_grants(uint32_t first, const struct dfs_w_grant *grants, uint32_t count);
struct client_page *dfs_client_page_of_plan(uint32_t first, const struct dfs_w_plan_block *plan, uint32_t count);

/* The entry of block `index` in a list of pages, or NULL. */
const struct dfs_w_plan_block *dfs_client_page_find(struct dfs_list *pages, uint32_t index,
                                                    struct client_page **ret_page);
void dfs_client_pages_free(struct dfs_list *pages);

/* A grant that owns its replicas. */
struct client_grant {
    struct dfs_w_grant grant;
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
};
void dfs_client_grant_copy(const struct dfs_w_grant *from, struct client_grant *ret_grant);

/* The client ------------------------------------------------------------------------------------------------------------------------- */

struct dfs_client {
    /* What every step asks stands in front, in a few cache lines. */
    struct dfs_stall stall;
    dfs_time_ns now; /* mono without our own stalls */
    dfs_wall_ns wall;
    struct dfs_list ready; /* commands that may have blocks to start, in turn */
    uint32_t blocks_running;
    bool pool_has_room;      /* it came back to those who starve */
    struct dfs_list retired; /* nodes */
    struct dfs_heap timers;
    struct dfs_env env;
    struct dfs_links links;
    struct dfs_buf_pool pool;

    struct dfs_client_config config;
    uint32_t frame_bytes; /* of the frames that we send: whole chunks */
    struct dfs_buf_waiter pool_waiter;
    struct dfs_list commands;
    size_t commands_count;
    struct dfs_map commands_map; /* by id, those whose id is not 0 */
    struct dfs_stock puts;       /* memory of client_put, and so on */
    struct dfs_stock put_blocks;
    struct dfs_stock gets;
    struct dfs_stock get_blocks;
    size_t reserved_bytes;    /* of the pool, by blocks under way */
    struct dfs_list starving; /* put blocks that found the pool empty */

    struct client_identity identity;
    struct client_session session;

    struct dfs_list nodes; /* the longest unused first */
    size_t nodes_count;
    struct dfs_map nodes_map;

    struct client_local **locals; /* by slot */
    uint32_t locals_count;
    uint32_t locals_room;
    uint32_t locals_free; /* first free slot; UINT32_MAX: none */
};

/* Memory of the pool that a block may count on: true and booked, or not now. A block that is alone always may. */
bool dfs_client_reserve(struct dfs_client *client, size_t bytes);
void dfs_client_unreserve(struct dfs_client *client, size_t bytes);

/* What `bytes` of a block cost in buffers of at most frame_bytes. */
size_t dfs_client_cost(const struct dfs_client *client, uint32_t bytes);

/* What a block may book at most. */
size_t dfs_client_reserve_max(const struct dfs_client *client);

/* Length of the frame that begins at `offset` of a block of `length` bytes. */
uint32_t dfs_client_frame_length(const struct dfs_client *client, uint32_t offset, uint32_t length);

/* Commands by kind --------------------------------------------------------------------------------------------------------------------- */

void dfs_client_put_start(struct dfs_client *client, uint64_t id, const struct dfs_client_put *wanted);
void dfs_client_get_start(struct dfs_client *client, uint64_t id, const struct dfs_client_get *wanted);
void dfs_client_small_start(struct dfs_client *client, uint64_t id, uint32_t code, const void *argument);

/* An answer to a PUT_OPEN that nobody waits for any more: the upload is given up. */
void dfs_client_put_orphan(struct dfs_client *client, const struct dfs_m_put_plan *m);

/* put_block.c: blocks that found no buffer go on. */
void dfs_client_put_feed(struct dfs_client *client);

extern const struct dfs_gate dfs_client_session_gate;
extern const struct dfs_gate dfs_client_node_gate;

#endif
