/*
 * fault.h - what a test may do to a real host's network: a verdict for each frame, datagram and connect; and cuts.
 *
 * Absent in production: with no filter and no cut, each costs one branch.
 */
#ifndef DFS_NET_REAL_FAULT_H
#define DFS_NET_REAL_FAULT_H

#include "core/env/env.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dfs_fault_passing {
    DFS_FAULT_FRAME_OUT,    /* bytes: the head given to net.send, frame header first */
    DFS_FAULT_DATAGRAM_OUT, /* bytes: all of it */
    DFS_FAULT_DATAGRAM_IN,
    DFS_FAULT_CONNECT /* no bytes */
};

enum dfs_fault_verdict {
    DFS_FAULT_PASS,
    DFS_FAULT_DROP, /* a frame or datagram vanishes; a connect never completes */
    DFS_FAULT_CUT,  /* the stream is reset, the connect refused; a datagram vanishes */
    DFS_FAULT_DELAY /* a frame or datagram comes later, by *ret_delay_ns; frames behind it wait too */
};

struct dfs_fault_subject {
    enum dfs_fault_passing passing;
    const struct dfs_addr *addr; /* of the other end */
    const struct dfs_peer *peer; /* of an established stream; NULL otherwise */
    const uint8_t *bytes;
    size_t count;
};

/* Called on the loop's thread, also inside a step; calls nothing of the host. */
typedef enum dfs_fault_verdict (*dfs_fault_filter)(void *ctx, const struct dfs_fault_subject *subject,
                                                   dfs_duration_ns *ret_delay_ns);

/*
 * Whom a cut or reset is about. By address: `addr`, any port if its port is 0. By node: whoever proved to be (or was asked
 * for as) `node`, wherever he comes from; streams only, since datagrams carry no proof.
 */
struct dfs_fault_match {
    bool by_node;
    struct dfs_addr addr;
    struct dfs_id node;
};

/* What is set at a host. */
struct dfs_fault_cut {
    struct dfs_fault_match whom;
    bool in;
    bool out;
};

struct dfs_fault_table {
    dfs_fault_filter filter;
    void *ctx;
    struct dfs_fault_cut *cuts;
    size_t cut_count;
    size_t cut_capacity;
};

void dfs_fault_close(struct dfs_fault_table *table);

/* `node` may be NULL: not known (yet). */
bool dfs_fault_matches(const struct dfs_fault_match *match, const struct dfs_addr *addr, const struct dfs_id *node);

/* PASS when there is no filter. */
enum dfs_fault_verdict dfs_fault_judge(const struct dfs_fault_table *table, const struct dfs_fault_subject *subject,
                                       dfs_duration_ns *ret_delay_ns);

/* Replaces what was said of `whom`; false when DFS_REAL_CUTS_MAX are there. */
bool dfs_fault_cut(struct dfs_fault_table *table, const struct dfs_fault_match *whom, bool in, bool out);

/* All cuts that name this end, together. */
void dfs_fault_find(const struct dfs_fault_table *table, const struct dfs_addr *addr, const struct dfs_id *node,
                    bool *ret_in, bool *ret_out);

#endif
