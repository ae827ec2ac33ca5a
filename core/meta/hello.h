/*
 * hello.h - who a client is: tokens, and the public keys they are checked with.
 */
#ifndef DFS_CORE_META_HELLO_H
#define DFS_CORE_META_HELLO_H

#include "core/meta/meta_internal.h"

void meta_hello_init(struct dfs_meta *meta);
void meta_hello_close(struct dfs_meta *meta);

/* Asks auth for its keys now, and from then on every minute. */
void meta_keys_start(struct dfs_meta *meta);
/* The next deadline (mono). */
dfs_time_ns meta_keys_step(struct dfs_meta *meta);
/* The connection to auth is gone; what waited for keys is answered. */
void meta_keys_closed(struct dfs_meta *meta);

#endif
