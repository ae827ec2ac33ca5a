/*
 * apply.h - records become state: the one way, live and at replay.
 *
 * Nothing here decides, asks a clock or calls a verb of the env. OK; BAD_REQUEST: a record that makes no
 * sense after those before it (a damaged journal at replay; live it would be our own mistake).
 */
#ifndef DFS_CORE_META_APPLY_H
#define DFS_CORE_META_APPLY_H

#include "core/meta/meta_internal.h"

/* Outcomes remembered, the newest. A client repeats a request that was not answered within its request
 * time-out; at 1,000 changes a second this is a minute, and a commit is remembered by its version for as
 * long as that lives. 5 MB. */
#define META_OUTCOMES_MAX 65536

struct meta_outcomes {
    struct dfs_map by_operation;
    struct dfs_list all; /* meta_outcome.age, oldest first */
    uint64_t count;
};

/* Blocks read ahead of their FILE record. */
struct meta_staged {
    struct dfs_id file;
    struct meta_extent *extents;
    uint32_t count;
    uint32_t room;
};

enum dfs_status meta_apply(struct dfs_meta *meta, enum meta_record_number number,
                           const union meta_any_record *record) DFS_MUST_CHECK;

/* Takes a version with its blocks out of everything. */
void meta_apply_drop(struct dfs_meta *meta, struct meta_version *version);

void meta_state_init(struct dfs_meta *meta);
void meta_state_close(struct dfs_meta *meta);

#endif
