/*
 * expiry.h - what ends by itself: uploads whose lease ran out, versions that have been in the trash long
 * enough.
 */
#ifndef DFS_CORE_META_EXPIRY_H
#define DFS_CORE_META_EXPIRY_H

#include "core/meta/meta_internal.h"

/* Returns the next deadline (mono). */
dfs_time_ns meta_expiry_step(struct dfs_meta *meta);

/* Ends an upload: what it placed is removed, all of it or (it was committed) what was placed in vain. */
void meta_upload_end(struct dfs_meta *meta, struct meta_upload *upload, bool committed);

#endif
