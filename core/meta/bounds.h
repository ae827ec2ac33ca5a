/*
 * bounds.h - how much metadata does and keeps at a time, with the reasons (base/bounds.h says what a bound is).
 */
#ifndef DFS_CORE_META_BOUNDS_H
#define DFS_CORE_META_BOUNDS_H

#include "core/base/bounds.h"

/* X(name, most, least, reason) */
#define DFS_META_BOUND_MAP(X) \
    X(answers_per_peer, 64, 1, \
      "Answers of one peer that wait for the journal: beyond it nothing is read from that peer.") \
    X(uploads, 16384, 1, "Uploads open at once, 64 clients with 256 files each: more are told to come again.") \
    X(upload_vain, 65536, 9, \
      "Copies of one upload placed in vain: who needs more has no working cluster; at least one block's.") \
    X(uploads_ended, 64, 1, "Uploads and old versions ended in one step: a burst must not stall the service.") \
    X(extents, 512, 1, "Blocks of a file in one record of the journal: on the stack, far below what a record may be.") \
    X(lost, 1024, 1, \
      "Lost blocks that one answer to a commit names, the message's own limit: the next answer names the others.") \
    X(checkpoint_piece, 131072, 65, \
      "Bytes of a checkpoint gathered in one step, a tenth of a millisecond; a record may go beyond. At least the header and a byte.") \
    X(checkpoint_writes, 2, 1, \
      "Pieces of a checkpoint on their way to the disk: one is written while the next is made.") \
    X(checkpoint_extents, 2048, 1, "Blocks of a file in one record of a checkpoint: three fill a piece.") \
    X(list_looks, 8192, 1, \
      "Paths looked at for one page of a listing, a millisecond: only paths that a token may not see use it up.") \
    X(fsck_blocks, 16384, 1, "Blocks looked at for one page of fsck: a few milliseconds.") \
    X(nodes_page, 256, 1, "Data servers in one page, about 150 bytes each.") \
    X(walk_slice, 4096, 1, \
      "Copies of a node, or blocks, that a walk over all of them looks at in one step: about a millisecond.") \
    X(early_changes, 5000, 1, \
      "Changes kept before the end of an inventory, ten full pages: a node with more is asked to begin again.") \
    X(strays, 1048576, 1, "Blocks of one inventory that no file has: the rest is left for the next inventory.") \
    X(removals_per_node, 524288, 1, \
      "Removals that wait for one node, 24 MB: the rest is found by the next inventory.") \
    X(verifies, 256, 9, \
      "Verifications under way, each a whole block read; at least the copies of one block, which a trim reads.") \
    X(verifies_per_node, 4, 1, "Verifications under way at one node.") \
    X(doubts, 4096, 1, "Complaints that wait to be verified: beyond it they are dropped, readers complain again.") \
    X(trims, 32, 1, "Blocks trimmed at a time.") \
    X(looks, 256, 1, \
      "Blocks that repair, or trimming, looks at in one step: a hundred thousand have to be parked at times.") \
    X(graces, 4096, 1, "Blocks whose grace, or back-off, ends in one step.")

struct dfs_meta_bounds {
    DFS_META_BOUND_MAP(DFS_BOUND_FIELD)
};
#define DFS_META_BOUNDS ((struct dfs_meta_bounds){DFS_META_BOUND_MAP(DFS_BOUND_FULL)})

/* For arrays: DFS_META_MOST_trims ... */
enum dfs_meta_most {
#define X(name, most, least, reason) DFS_META_MOST_##name = (most),
    DFS_META_BOUND_MAP(X)
#undef X
};

#endif
