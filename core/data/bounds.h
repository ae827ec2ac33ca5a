/*
 * bounds.h - how much a data server does at a time, with the reasons (base/bounds.h says what a bound is).
 */
#ifndef DFS_CORE_DATA_BOUNDS_H
#define DFS_CORE_DATA_BOUNDS_H

#include "core/base/bounds.h"

/* X(name, most, least, reason) */
#define DFS_DATA_BOUND_MAP(X) \
    X(writes, 256, 4, \
      "Blocks written at once, each with a file open and at most a few frames in memory. Below four, chains that need each other's servers only refuse each other.") \
    X(writes_per_peer, 64, 1, "Blocks that one client writes at once, so that it leaves room for others.") \
    X(reads, 512, 1, "Blocks read at once: each may hold a window of frames.") \
    X(reads_per_peer, 64, 1, "Blocks read at once over one connection, so that it leaves room for others.") \
    X(read_window, 4, 1, "Frames of one read that the transport holds: enough to hide a disk read behind a send.") \
    X(pass_window, 8, 1, "Frames of a block passed on that the transport holds.") \
    X(copies, 16, 1, "Copies on metadata's order at once: more are refused, metadata orders them again.") \
    X(verifies, 8, 1, "Verifications on order at once: more are refused, metadata asks again.") \
    X(removals, 16, 1, "Orders to remove blocks under way: at most 256 blocks each.") \
    X(changes_kept, 65536, 1, \
      "Changes kept until metadata has applied them, 3 MB: beyond it a new inventory is cheaper.") \
    X(inventory_window, 8, 1, "Inventory pages not yet answered: 28 KB each, far below what may wait for a peer.") \
    X(peers_out, 256, 1, "Connections to other data servers, one each.")

struct dfs_data_bounds {
    DFS_DATA_BOUND_MAP(DFS_BOUND_FIELD)
};
#define DFS_DATA_BOUNDS ((struct dfs_data_bounds){DFS_DATA_BOUND_MAP(DFS_BOUND_FULL)})

#endif
