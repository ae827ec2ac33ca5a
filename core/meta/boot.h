/*
 * boot.h - from EV_START to SERVING: what the disk remembers becomes the state, and a new life of the journal
 * begins.
 *
 * LISTING    names; unfinished checkpoints (*.tmp) are removed
 * HEADS      the first sector of every segment: which life wrote it
 * CHECKPOINT the newest that is valid to its end, else the one before
 * SEGMENTS   batches in the order of numbers, as meta_scan says
 * OPENING    the new segment: carried batches, then START of this epoch; synced
 *
 * Reads one buffer at a time. What cannot be believed ends in meta_fail: metadata that would come up with
 * less than it had acknowledged must not come up.
 */
#ifndef DFS_CORE_META_BOOT_H
#define DFS_CORE_META_BOOT_H

#include "core/meta/meta_internal.h"

void meta_boot_start(struct dfs_meta *meta);
void meta_boot_on_disk(struct dfs_meta *meta, const struct dfs_disk_done *done);
/* The journal has synced something while OPENING. */
void meta_boot_on_synced(struct dfs_meta *meta);
void meta_boot_close(struct dfs_meta *meta); /* harmless when there is none */

#endif
