/*
 * put.h - PUT from inside: shared by put.c (the machine), put_block.c (one block on its way) and put_commit.c.
 *
 *     OPENING     PUT_OPEN asked
 *     WRITING     blocks are placed, read from the source, sent; a block that fails is placed again elsewhere
 *     COMMITTING  receipts are handed to metadata, page by page; blocks lost meanwhile lead back to WRITING
 *     DONE, FAILED
 */
#ifndef DFS_CORE_CLIENT_PUT_H
#define DFS_CORE_CLIENT_PUT_H

#include "core/client/client_internal.h"

#define CLIENT_PUT_PHASES(X) X(OPENING) X(WRITING) X(COMMITTING) X(DONE) X(FAILED)

enum client_put_phase {
#define X(name) CLIENT_PUT_##name,
    CLIENT_PUT_PHASES(X)
#undef X
        CLIENT_PUT_PHASE_COUNT
};

/* FILLING: the whole block is read before it is sent (a source that gives its bytes once). */
#define CLIENT_PUT_BLOCK_PHASES(X) X(FILLING) X(PLACING) X(SENDING) X(AWAITING) X(PAUSING) X(DONE) X(FAILED)

enum client_put_block_phase {
#define X(name) CLIENT_PUT_BLOCK_##name,
    CLIENT_PUT_BLOCK_PHASES(X)
#undef X
        CLIENT_PUT_BLOCK_PHASE_COUNT
};

/* How often a block is tried, at other servers or the same: with the back-off about twenty seconds. */
#define CLIENT_BLOCK_TRIES_MAX 16
#define CLIENT_FULL_TRIES_MAX 8 /* of these, refused by full servers, without a pause between them */

struct client_put {
    struct client_command base;
    enum client_put_phase phase;
    char *path;
    uint64_t source;
    enum dfs_ack ack;
    enum dfs_durability durability;
    enum dfs_precondition precondition;
    uint64_t if_version;
    uint32_t block_size_wanted;
    bool rereadable;
    bool cut_by_size; /* unknown size: blocks of block_size, the last may be shorter */
    struct dfs_id operation;
    struct client_ask open;

    /* Of the plan */
    struct dfs_id file;
    uint64_t epoch;
    dfs_duration_ns lease_ns;
    uint32_t block_size;
    uint8_t copies_wanted;
    uint32_t receipts_needed;
    uint64_t size_bytes;     /* DFS_SIZE_UNKNOWN until the source has ended */
    uint32_t blocks;         /* of the file; UINT32_MAX while it is not known */
    struct client_ask place; /* the next page of placements */
    uint32_t place_count;
    uint32_t placed; /* blocks below this have, or had, a first grant */
    struct dfs_list pages;

    /* Blocks */
    struct dfs_list running;          /* client_put_block */
    uint32_t started;                 /* blocks below this were begun */
    uint32_t waiting;                 /* blocks that wait for servers */
    struct client_put_block *filling; /* the one that reads a source which gives its bytes once, in order */
    uint32_t *again;                  /* blocks that the commit found lost */
    uint32_t again_count;
    struct client_put_note {
        uint32_t crc;
        uint32_t generation;
    } * notes; /* by block, of those that are done */
    size_t notes_room;
    struct dfs_w_receipt *receipts;
    size_t receipts_count;
    size_t receipts_room;

    /* Commit */
    struct client_ask commit;
    size_t committed; /* receipts in pages that were answered */
    uint32_t commit_tries;
    uint32_t digest;

    /* The lease: something has to be heard from us in its time. */
    struct client_timer life;
    struct client_ask sign; /* an idempotent PUT_PLACE */
    dfs_time_ns signed_at;
};

struct client_put_block {
    struct dfs_list link;     /* put->running */
    struct dfs_list starving; /* client->starving: waits for a buffer */
    struct client_put *put;
    enum client_put_block_phase phase;
    uint32_t index;
    uint32_t attempt;
    uint32_t tries;
    uint32_t resends; /* to the present primary */
    uint64_t offset;
    uint32_t length; /* FILLING: the most it may be */
    bool has_grant;
    struct client_grant granted;
    uint32_t generation; /* wanted of the next placement */
    struct dfs_w_failure excluded[DFS_CLIENT_MOST_excluded];
    uint32_t excluded_count;
    struct client_ask place;
    struct client_stream *stream;
    uint64_t serial;           /* of the token that it shows */
    struct client_timer timer; /* silence, or the end of a pause */
    dfs_time_ns pause_until;
    bool pause_replace; /* after the pause: placed again; otherwise sent again */

    struct client_local_owner pulls;
    struct dfs_buf *window[DFS_CLIENT_MOST_put_window];
    struct dfs_buf **
        frames; /* read, by number modulo frames_room; NULL: not here (or gone already). The window, or memory for a whole block */
    uint32_t frames_room;
    uint32_t pulled_bytes; /* asked of the source */
    uint32_t pulled_frames;
    uint32_t filled_bytes; /* FILLING: got from it */
    uint32_t sent_bytes;   /* handed to the connection */
    uint32_t sent_frames;
    uint32_t left_frames; /* reported gone by EV_SENT */
    uint32_t left_bytes;  /* counted in base.done_bytes */
    bool kept;            /* all frames stay until the receipt is good: the source gives them once */
    uint32_t crc;
    size_t reserved;
    bool waits; /* for servers: it has no place among the blocks under way */
};

/* put.c. What may end the command says so: the caller returns at once, for put and block are gone. */
void dfs_client_put_enter(struct client_put *put, enum client_put_phase next, const char *why);
void dfs_client_put_fail(struct client_put *put, enum dfs_status status, const char *words); /* ends the command */
void dfs_client_put_end(struct client_put *put, const struct dfs_m_put_done *m); /* ends the command, well */
void dfs_client_put_signed(struct client_put *put);                              /* metadata heard of this upload */
void dfs_client_put_moved_on(struct client_put *put,
                             const char *why); /* a block ended or the source did: commits when nothing is left to do */
uint64_t dfs_client_put_offset(const struct client_put *put,
                               uint32_t index); /* of a block in the file; `blocks`: the size */
bool dfs_client_put_take_grant(struct client_put *put, uint32_t index, struct client_grant *ret_grant);
/* Fewer servers than the rule needs have a right to take the block: may change soon, so it is tried for a while. When there are enough, and they have no
 * room (NO_SPACE), waiting is no use: metadata counts those that are only suspected for having what they had. */
static inline bool dfs_client_put_lacks_nodes(enum dfs_status status)
{
    return status == DFS_NOT_ENOUGH_NODES;
}

bool dfs_client_put_grant_is_good(const struct client_put *put, const struct dfs_w_grant *grant, uint32_t index);

/* put_block.c */
size_t dfs_client_put_block_cost(const struct client_put *put, uint32_t length);
void dfs_client_put_block_start(struct client_put *put, uint32_t index, uint32_t generation, size_t reserved);
void dfs_client_put_block_page_came(struct client_put_block *block); /* it may have waited for its first placement */
void dfs_client_put_block_drop(struct client_put_block *block);      /* without a word about it */

/* put_commit.c */
void dfs_client_put_commit_init(struct client_put *put);
void dfs_client_put_commit_start(struct client_put *put);

extern const struct dfs_gate dfs_client_put_gate;
extern const struct dfs_gate dfs_client_put_block_gate;

#endif
