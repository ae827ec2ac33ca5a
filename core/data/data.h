/*
 * data.h - the data server: stores blocks, passes them on peer to peer, copies, removes and scrubs on order.
 *
 * Disk: one flat directory. `marker` (cluster id, node id; written at the first start; its absence in a store that has been used is STORE_LOST), a block is
 * "FILEUUID-INDEX-GENERATION" (index and generation as 8 hex digits), temporaries end in ".tmp-N" and are removed at start. `seen-N` keeps the newest
 * journal position the node was told. See core/data/README.md.
 */
#ifndef DFS_CORE_DATA_DATA_H
#define DFS_CORE_DATA_DATA_H

#include "core/base/gate.h"
#include "core/data/bounds.h"
#include "core/env/env.h"

struct dfs_data_config {
    struct dfs_id cluster;
    struct dfs_id node;
    struct dfs_addr addr; /* where clients and peers reach this server */
    struct dfs_addr meta; /* metadata: discovery endpoint (TCP) and heartbeats (UDP) */
    char zone[DFS_ZONE_BYTES_MAX + 1];
    char issuer[64];
    uint64_t capacity_bytes; /* 0: what the disk says */
    uint32_t reserve_ppb;
    uint32_t frame_bytes;
    dfs_duration_ns scrub_interval_ns;
    dfs_duration_ns token_leeway_ns;
    uint32_t token_cache;
    uint32_t conns_max;
    uint64_t pool_bytes;
    dfs_duration_ns hop_timeout_ns;
    dfs_duration_ns request_timeout_ns;
    dfs_duration_ns connect_timeout_ns;
    uint32_t inventory_page;
    uint32_t events_page; /* changes of a BLOCK_EVENTS */
    struct dfs_data_bounds bounds;
    bool fresh_store;          /* first start by an operator's word: a missing marker is written, not lost */
    bool accept_older_journal; /* --accept-older-journal */
};

struct dfs_data;

struct dfs_data *dfs_data_new(const struct dfs_data_config *config, const struct dfs_env *env);
void dfs_data_free(struct dfs_data *data);
dfs_time_ns dfs_data_step(struct dfs_data *data, const struct dfs_event *event);

enum dfs_data_command {
    DFS_DATA_LEAVE =
        1 /* clean stop: says LEAVE to metadata, finishes writes, syncs; answered (struct dfs_data_answer) when done */
};
struct dfs_data_answer {
    enum dfs_status status;
    const char *words;
};

/* true: ACTIVE or at least JOINED. Stopped for good (SUPERSEDED, WRONG_CLUSTER, OLDER_JOURNAL): failure says which, OK otherwise. */
bool dfs_data_is_joined(const struct dfs_data *data);
enum dfs_status dfs_data_failure(const struct dfs_data *data, const char **ret_words);

void dfs_data_metrics(const struct dfs_data *data,
                      void (*emit)(void *ctx, const char *name, const char *help, uint64_t value), void *ctx);

/* The name of a block on the disk; and back (false when the name is no block's). For checkers and tools too. */
void dfs_block_name(const struct dfs_block_id *block, char ret_name[DFS_FILE_NAME_BYTES_MAX]);
bool dfs_block_name_parse(const char *name, struct dfs_block_id *ret_block);

/* Does a block file's content (data and footer) verify? *ret_length and *ret_crc are the data's. For checkers, scrub and tools. */
bool dfs_block_file_check(const uint8_t *bytes, size_t count, const struct dfs_block_id *block, uint32_t *ret_length,
                          uint32_t *ret_crc);

/* The machines of this role, with the paths that each may take; the end is NULL. For tools. */
extern const struct dfs_gate *const dfs_data_gates[];

#endif
