/*
 * bounds.h - how much a client does and keeps at a time, with the reasons (base/bounds.h says what a bound is).
 */
#ifndef DFS_CORE_CLIENT_BOUNDS_H
#define DFS_CORE_CLIENT_BOUNDS_H

#include "core/base/bounds.h"

/* X(name, most, least, reason) */
#define DFS_CLIENT_BOUND_MAP(X) \
    X(nodes, 1024, 1, \
      "Data servers remembered, connected or not: all of a cluster of a thousand, or a client that talks to all of them makes every other connection anew.") \
    X(session_window, 200, 20, \
      "Questions to metadata at once: 200 paths of a kilobyte, twice, may wait for a slow peer; a page of receipts is as long as twenty.") \
    X(put_window, 4, 1, "Frames of a block between the source and the network: two are read while two are sent.") \
    X(excluded, 16, 1, "Servers that a placement has to avoid: what failed longest ago is forgiven first.") \
    X(place_unknown, 4, 1, "Blocks of a file of unknown size that are placed at a time.") \
    X(get_window, 2, 1, "Frames of an unordered block that count as memory under way: pushes drain by themselves.") \
    X(streams, 2, 1, "Servers that one block is read from: one and its rival.") \
    X(bad, 16, 9, \
      "Bad copies that a block remembers, so that a fresh plan does not lead to them again: at least every replica.") \
    X(waste, 1048576, 0, \
      "Bytes of a server that is no longer listened to: more are stopped, the connection is not worth them.")

struct dfs_client_bounds {
    DFS_CLIENT_BOUND_MAP(DFS_BOUND_FIELD)
};
#define DFS_CLIENT_BOUNDS ((struct dfs_client_bounds){DFS_CLIENT_BOUND_MAP(DFS_BOUND_FULL)})

/* For arrays: DFS_CLIENT_MOST_bad ... */
enum dfs_client_most {
#define X(name, most, least, reason) DFS_CLIENT_MOST_##name = (most),
    DFS_CLIENT_BOUND_MAP(X)
#undef X
};

#endif
