/*
 * peers.h - connections, what they may say, and the answers that wait for the journal.
 */
#ifndef DFS_CORE_META_PEERS_H
#define DFS_CORE_META_PEERS_H

#include "core/meta/meta_internal.h"

void meta_peers_init(struct dfs_meta *meta);
void meta_peers_close(struct dfs_meta *meta);

void meta_peers_accept(struct dfs_meta *meta, const struct dfs_event *event);
/* EV_OPEN, EV_RECV, EV_CLOSED */
void meta_peers_on_event(struct dfs_meta *meta, const struct dfs_event *event);
/* Half-open, slow and idle ones; returns the next deadline (mono). */
dfs_time_ns meta_peers_timers(struct dfs_meta *meta);
/* At the end of a step: frees what was closed in it. */
void meta_peers_sweep(struct dfs_meta *meta);

/* Our connection to auth. */
struct meta_peer *meta_peer_connect(struct dfs_meta *meta, const struct dfs_addr *to, enum dfs_role role,
                                    enum meta_peer_kind kind, dfs_duration_ns timeout_ns);

void meta_peer_enter(struct dfs_meta *meta, struct meta_peer *peer, enum meta_peer_phase phase, const char *why);

/* The tap of a peer: open unless too many answers wait, or its token is being checked. */
void meta_peer_tap(const struct dfs_meta *meta, struct meta_peer *peer);

/* The journal has synced more: answers that waited leave. It has failed: they are answered UNAVAILABLE. */
void meta_answers_release(struct dfs_meta *meta);
void meta_answers_fail(struct dfs_meta *meta);

#endif
