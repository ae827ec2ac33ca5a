/*
 * meta.h - the metadata server: names, placement, membership, repair, journal.
 *
 * One listener for clients and data servers (the peer's certificate tells them apart), one UDP port for heartbeats. Disk: `journal-N` segments,
 * `checkpoint-N`. See core/meta/README.md for the walk of each message.
 */
#ifndef DFS_CORE_META_META_H
#define DFS_CORE_META_META_H

#include "core/base/gate.h"
#include "core/base/mac.h"
#include "core/env/env.h"
#include "core/meta/bounds.h"
#include "core/wire/schema.h"

struct dfs_meta_config {
    struct dfs_id cluster;
    struct dfs_key root;  /* the cluster's root secret */
    char issuer[64];      /* of tokens */
    struct dfs_addr auth; /* where public keys come from */
    dfs_duration_ns heartbeat_interval_ns;
    uint32_t replication;
    enum dfs_ack ack;               /* never DEFAULT */
    enum dfs_durability durability; /* never DEFAULT */
    uint32_t block_min_bytes;
    uint32_t block_max_bytes;
    uint32_t blocks_spread;
    dfs_duration_ns upload_lease_ns;
    dfs_duration_ns trash_keep_ns;
    dfs_duration_ns repair_grace_ns;
    uint32_t repair_per_source;
    uint32_t repair_per_target;
    uint32_t repair_total;
    uint64_t repair_bandwidth_bytes_per_s; /* 0: no limit */
    uint32_t brake_share_ppb;              /* parts per billion */
    uint32_t brake_nodes;
    uint32_t brake_release_intervals;
    dfs_duration_ns maintenance_ns;
    uint32_t warmup_intervals;
    uint32_t reserve_ppb;
    dfs_duration_ns token_leeway_ns;
    uint32_t token_cache;
    uint64_t checkpoint_every_bytes;
    uint32_t journal_batch; /* records of one group commit */
    uint32_t ring_weight_unit;
    uint32_t placement_page;
    uint32_t remove_page; /* blocks of a REMOVE_BLOCK */
    uint32_t conns_max;
    dfs_duration_ns request_timeout_ns;
    dfs_duration_ns connect_timeout_ns;
    uint64_t pool_bytes;
    dfs_duration_ns
        key_lifetime_ns; /* of grant keys: a new one every half of it, the newest two are accepted; 0: never a new one */
    struct dfs_meta_bounds bounds;
};

struct dfs_meta;

struct dfs_meta *dfs_meta_new(const struct dfs_meta_config *config, const struct dfs_env *env);
void dfs_meta_free(struct dfs_meta *meta);
dfs_time_ns dfs_meta_step(struct dfs_meta *meta, const struct dfs_event *event);

enum dfs_meta_command {
    DFS_META_STOP = 1, /* checkpoint, sync, then idle; answered when done */
    DFS_META_CHECKPOINT,
    DFS_META_BRAKE_RELEASE /* an operator's word */
};
struct dfs_meta_answer {
    enum dfs_status status;
    const char *words;
};

/* Ready to serve: the journal is replayed. A start that must not go on (a damaged journal) is not ready and says why: status not OK. */
bool dfs_meta_is_ready(const struct dfs_meta *meta);
enum dfs_status dfs_meta_failure(const struct dfs_meta *meta, const char **ret_words);

void dfs_meta_metrics(const struct dfs_meta *meta,
                      void (*emit)(void *ctx, const char *name, const char *help, uint64_t value), void *ctx);

/* For checkers only (the KeyRing is the one private state they read) ----------------------------------------------------------- */

struct dfs_keyring;
const struct dfs_keyring *dfs_meta_keyring(const struct dfs_meta *meta);

/* Node states as metadata sees them, in order of node id; returns false past the end. */
struct dfs_meta_node_view {
    struct dfs_id node;
    uint64_t incarnation;
    enum dfs_node_state state;
};
bool dfs_meta_node_at(const struct dfs_meta *meta, size_t index, struct dfs_meta_node_view *ret_view);

/* Counters that must be zero when nothing is under way (checker: accounting). */
struct dfs_meta_accounting {
    uint64_t copies_running;
    uint64_t receiving_bytes; /* room at targets that copies under way have reserved */
    uint64_t uploads_open;
    uint64_t removals_waiting; /* one for each node that has more than are remembered */
    uint64_t blocks_under;     /* committed blocks with fewer live copies than wanted */
    uint64_t blocks;
    uint64_t bytes_of_memory; /* of the block map and the namespace, as allocated */
};
void dfs_meta_account(const struct dfs_meta *meta, struct dfs_meta_accounting *ret_accounting);

/* The machines of this role, with the paths that each may take; the end is NULL. For tools. */
extern const struct dfs_gate *const dfs_meta_gates[];

#endif
