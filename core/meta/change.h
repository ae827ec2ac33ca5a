/*
 * change.h - what the messages share that change names.
 */
#ifndef DFS_CORE_META_CHANGE_H
#define DFS_CORE_META_CHANGE_H

#include "core/meta/meta_internal.h"

/* The answer to MOVE, REMOVE and RESTORE; words NULL: the status's own. */
void meta_changed_send(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, enum dfs_status status,
                       uint64_t version, const char *words);

/* Answers as it was answered then, when this operation has changed something before; or refuses when the
 * journal is full. true: answered. */
bool meta_change_answered(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                          const struct dfs_id *operation);

/* Appends and applies: the current version goes to the trash of its path (REMOVED is traced when synced).
 * Part of the caller's group. */
void meta_version_discard(struct dfs_meta *meta, struct meta_version *version);

/* Appends and applies: the version is current at `path` under a new number, which is returned. */
uint64_t meta_version_show(struct dfs_meta *meta, const struct meta_version *version, struct dfs_text path);

/*
 * Remembers that an operation (of a PUT: the file's id) has changed nothing: the same request, sent before over a connection that stalled, may still come, and must
 * not do later what its sender was told had not been done. In memory only: no connection outlives this process.
 */
void meta_outcome_refused(struct dfs_meta *meta, const struct dfs_id *operation, enum dfs_status status,
                          uint64_t version);

/* The same, and the answer to it. */
void meta_change_refused(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                         const struct dfs_id *operation, enum dfs_status status, uint64_t version, const char *words);

/* Appends the outcome of a request that changed something. */
void meta_change_outcome(struct dfs_meta *meta, const struct dfs_id *operation, uint64_t version);

/* COMMITTED, when synced: a version is visible. */
void meta_trace_committed(struct dfs_meta *meta, const struct dfs_id *file, struct dfs_text path, uint64_t size_bytes,
                          uint64_t number);

#endif
