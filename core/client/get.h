/*
 * get.h - GET from inside: shared by get.c (the machine) and get_block.c (one block on its way).
 *
 *     OPENING     GET_OPEN asked; with a range, the page in which it begins is looked for
 *     READING     blocks come from their servers, are verified and pushed to the sink; a version that was replaced and is gone leads back to OPENING
 *     FINISHING   every byte was verified and taken: the sink is told to keep the file
 *     CLOSING     something is wrong: the sink is told to leave nothing
 *     DONE, FAILED
 */
#ifndef DFS_CORE_CLIENT_GET_H
#define DFS_CORE_CLIENT_GET_H

#include "core/client/client_internal.h"

#define CLIENT_GET_PHASES(X) X(OPENING) X(READING) X(FINISHING) X(CLOSING) X(DONE) X(FAILED)

enum client_get_phase {
#define X(name) CLIENT_GET_##name,
    CLIENT_GET_PHASES(X)
#undef X
        CLIENT_GET_PHASE_COUNT
};

/* PLANNING: no server of the plan is left; a fresh plan is asked for. HELD: verified, waits for the blocks before it. */
#define CLIENT_GET_BLOCK_PHASES(X) X(READING) X(PLANNING) X(HELD) X(DONE) X(FAILED)

enum client_get_block_phase {
#define X(name) CLIENT_GET_BLOCK_##name,
    CLIENT_GET_BLOCK_PHASES(X)
#undef X
        CLIENT_GET_BLOCK_PHASE_COUNT
};

/* How often a file may be replaced under a reader, before he is told. */
#define CLIENT_GET_RESTARTS_MAX 8

struct client_get {
    struct client_command base;
    enum client_get_phase phase;
    char *path;
    uint64_t sink;
    bool ordered;
    uint64_t first;      /* of the range; after the plan: within the file */
    uint64_t end;        /* behind its last byte */
    uint64_t range_last; /* as asked */
    uint64_t version_wanted;
    uint32_t restarts;
    uint64_t pushed_end; /* the sink holds nothing from here on */
    struct client_ask open;

    /* Of the plan */
    bool planned;
    struct dfs_id file;
    uint64_t version; /* asked for; 0 until the first plan says which is the newest */
    uint64_t size_bytes;
    uint32_t blocks;
    uint32_t digest;
    struct dfs_list pages;
    uint32_t page_first;     /* the page that is asked for, or will be next */
    uint64_t planned_offset; /* where block page_first begins, once the beginning was found */
    uint32_t digest_so_far;  /* of the checksums of the plan, in order, when the whole file is read */
    uint32_t looked;         /* pages looked at for the beginning of a range */

    /* Blocks */
    struct dfs_list running; /* in the order of their beginning, which is ascending */
    uint32_t next;           /* to start */
    uint64_t next_offset;    /* where it begins in the file */
    uint32_t waiting;        /* blocks that wait for a plan */
    struct client_local_owner pushes;
    struct client_local_owner finish;
    enum dfs_status failure; /* CLOSING: what to answer */
    char failure_words[CLIENT_WORDS_BYTES];
};

struct client_get_block;

/* Bytes that were verified, in a buffer of the pool. */
struct client_held {
    struct dfs_list link;
    struct dfs_buf *buf;
    size_t buf_offset;
    size_t bytes;
    uint64_t offset; /* in the sink */
};

struct client_reader {
    struct client_get_block *block;
    struct client_stream *stream; /* NULL: none */
    uint32_t replica;
    uint32_t at; /* the next byte that it sends */
};

struct client_get_block {
    struct dfs_list link; /* get->running */
    struct client_get *get;
    enum client_get_block_phase phase;
    uint32_t index;
    uint64_t offset; /* of the block in the file */
    uint32_t length;
    uint32_t crc_wanted;
    uint32_t want_from; /* of the block: what the sink gets */
    uint32_t want_to;
    uint32_t read_from; /* the same, in whole chunks */
    uint32_t read_to;
    uint32_t next;               /* bytes below this (from read_from) are here, and chunk by chunk verified */
    uint32_t crc;                /* of read_from..next */
    struct dfs_w_replica source; /* which gave the first of them */
    uint32_t delivered_bytes;    /* counted in base.done_bytes */
    struct client_grant granted;
    uint32_t replicas_tried; /* bit set: since the last plan */
    struct client_reader readers[DFS_CLIENT_MOST_streams];
    bool mixed;                /* bytes of several servers: a wrong sum accuses none of them */
    bool strict;               /* so it is read once more, from one at a time */
    bool through;              /* ordered, and too large to be held: pushed as it comes, when it is its turn */
    struct dfs_list held;      /* ordered: client_held in order */
    struct client_timer timer; /* READING: silence; PLANNING: back-off */
    struct client_ask plan;
    uint32_t plans;
    enum dfs_status worst; /* why servers were left, since the last plan: what is said in the end */
    bool hopeful;          /* one of them may come back */
    bool stale;            /* a server of the plan has another life than it says: there is a newer plan */
    bool lost;             /* the plan's word: nobody can come back with a copy */
    char worst_words[CLIENT_WORDS_BYTES];
    struct client_bad {
        struct dfs_id node;
        uint64_t incarnation;
    } bad[DFS_CLIENT_MOST_bad];
    uint32_t bad_count;
    uint64_t serial; /* of the token */
    size_t reserved;
    bool waits; /* for a plan: it has neither place nor memory */
};

/* get.c. After a failure the command lives on until the sink is closed, but its blocks are gone: the caller returns at once. */
void dfs_client_get_fail(struct client_get *get, enum dfs_status status, const char *words);
void dfs_client_get_refused(struct client_get *get,
                            const struct client_status *answer);       /* metadata's answer to a GET_OPEN */
void dfs_client_get_moved_on(struct client_get *get, const char *why); /* a block ended or a push was answered */
void dfs_client_get_push(struct client_get *get, uint64_t file_offset, struct dfs_buf *buf, size_t buf_offset,
                         size_t bytes);
bool dfs_client_get_page_is_good(const struct client_get *get, const struct dfs_m_get_plan *m);
static inline bool dfs_client_get_is_head(const struct client_get *get, const struct client_get_block *block)
{
    return get->running.next == &block->link;
}

/* get_block.c */
void dfs_client_get_block_start(struct client_get *get, const struct dfs_w_plan_block *planned, uint32_t index,
                                uint64_t offset, size_t reserved, bool through);
size_t dfs_client_get_block_cost(const struct client_get *get, uint64_t offset, uint32_t length);
void dfs_client_get_block_flush(struct client_get_block *block); /* ordered: it is its turn now */
void dfs_client_get_block_drop(struct client_get_block *block);

extern const struct dfs_gate dfs_client_get_gate;
extern const struct dfs_gate dfs_client_get_block_gate;

#endif
