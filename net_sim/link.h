/*
 * link.h - what a datagram or a segment meets between two hosts.
 *
 * One link per ordered pair of hosts, made on first use. A link follows the options of the world until it
 * gets its own; both may change while the world runs, and what is already under way keeps the times it was
 * given. What exactly is injected stands in faults.h.
 */
#ifndef DFS_NET_SIM_LINK_H
#define DFS_NET_SIM_LINK_H

#include "net_sim/prf.h"

#include "core/env/env.h"

#include <stdint.h>

struct sim_world;
struct sim_host;

struct sim_link_options {
    struct sim_range latency; /* one way, drawn for every datagram and segment */
    const int64_t *latencies; /* with a count: one of these, within the range; the caller's, they outlive the world */
    uint32_t latencies_count;
    uint32_t loss_ppb;              /* a datagram is gone; a packet of a stream is sent again, some round trips later */
    uint32_t duplicate_ppb;         /* datagrams: a second copy with a latency of its own */
    uint32_t reorder_ppb;           /* datagrams: held back by up to reorder_max_ns more */
    dfs_duration_ns reorder_max_ns; /* 0: ten times the largest latency */
    uint64_t bytes_per_second;      /* 0: without limit. What waits for its turn queues in order */
    dfs_duration_ns queue_max_ns;   /* a datagram that would wait longer is dropped */
    uint32_t cut_ppb;               /* a segment of a stream is received in pieces */
    uint32_t dribble_ppb;           /* a segment of a stream is received byte by byte */
};

/* 0.5 ms, no faults, no bandwidth limit, a queue of 100 ms. */
struct sim_link_options sim_link_options_default(void);

/* From now on; also for what the world's links follow. */
void sim_world_link_set(struct sim_world *world, const struct sim_link_options *options);
const struct sim_link_options *sim_world_link_get(const struct sim_world *world);

/* Gives the one-way link its own options; NULL lets it follow the world again. */
void sim_link_set(struct sim_host *from, struct sim_host *to, const struct sim_link_options *options);

/* What is in force for the link. */
const struct sim_link_options *sim_link_get(struct sim_host *from, struct sim_host *to);

/* A datagram of the simulator's own making, from an address of its choice (`forge`, `replay`). It travels the link
 * from -> to. `shown_from` NULL shows the address of `from`. Observers see it as injected; their verdict is ignored. */
void sim_datagram_inject(struct sim_host *from, struct sim_host *to, const struct dfs_addr *shown_from,
                         const void *bytes, size_t count);

/* Streams between two hosts, both ways, connects under way included ------------------------------------------------ */

/* Both ends get EV_CLOSED with UNREACHABLE at once. Returns how many connections there were. */
uint64_t sim_streams_reset(struct sim_host *a, struct sim_host *b);

/* Nothing from -> to arrives for that long on the streams there are now; nothing is lost. Returns how many. */
uint64_t sim_streams_stall(struct sim_host *from, struct sim_host *to, dfs_duration_ns length);

/* From now on nothing from -> to arrives on the streams there are now, and nobody is told. Returns how many. */
uint64_t sim_streams_mute(struct sim_host *from, struct sim_host *to);

#endif
