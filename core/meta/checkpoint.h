/*
 * checkpoint.h - the whole state as records, written beside the running service in bounded pieces.
 *
 * It begins with a new segment of the journal: from that segment's first batch on replay goes over the
 * checkpoint. The walk (nodes, key, versions in the order of their commits, outcomes) takes one piece at a
 * time, each object as it is then; changes made meanwhile stand in the journal behind the beginning, and
 * records are whole-state assignments, so the replay ends in the right state (namespace.h). It is published
 * only when all that the walk could have seen is synced: a checkpoint never knows more than the journal.
 *
 * The newest two are kept, with the segments since the older one began: if the newest has gone bad, a start
 * still has everything. A checkpoint that fails harms nobody; it is tried again when as much journal has been
 * written once more.
 */
#ifndef DFS_CORE_META_CHECKPOINT_H
#define DFS_CORE_META_CHECKPOINT_H

#include "core/meta/meta_internal.h"

void meta_checkpoint_init(struct dfs_meta *meta);
void meta_checkpoint_close(struct dfs_meta *meta);

/* What boot has found: names on the disk, and the one it has loaded (0: none) with the segment that
 * follows it. */
void meta_checkpoint_found(struct dfs_meta *meta, const uint64_t *segments, size_t segments_count,
                           const uint64_t *checkpoints, size_t checkpoints_count, uint64_t loaded,
                           uint64_t loaded_segment);

/* Asks for one, now. Whatever begins one, meta_checkpoint_answer (meta.c) is told how it ended. */
void meta_checkpoint_answer(struct dfs_meta *meta, enum dfs_status status);
void meta_checkpoint_ask(struct dfs_meta *meta);
bool meta_checkpoint_is_running(const struct dfs_meta *meta);

/* In every step, before the journal is flushed. */
void meta_checkpoint_step(struct dfs_meta *meta);
void meta_checkpoint_on_disk(struct dfs_meta *meta, const struct dfs_disk_done *done);

/* The version, or the outcome, is freed right after: the walk steps over it. */
void meta_checkpoint_version_dropped(struct dfs_meta *meta, const struct meta_version *version);
void meta_checkpoint_outcome_dropped(struct dfs_meta *meta, const struct meta_outcome *outcome);

#endif
