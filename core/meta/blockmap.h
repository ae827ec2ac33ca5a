/*
 * blockmap.h - file -> blocks -> copies, and node -> copies. The truth about where data is; the ring only
 * proposes.
 *
 * Pure: no env, no clock, no policy. Blocks live in a pool and are named by 32-bit numbers (never reused while held, 0 is none);
 * their addresses are stable while they live. A block has room for three copies; further ones are in a pool of their own, and
 * META_EXTRA_BYTES each. A block with up to three copies takes META_BLOCK_BYTES, and 4 in its file's list when the file has
 * more than one; with its share of the namespace under 250 bytes (`ci/bench meta` measures it). Losing a node costs O(its copies).
 *
 * Only blocks of committed files are here. What an open upload has placed stands in uploads.h.
 *
 * `queued`, `queue` and `mark` of a block and the META_COPY_SEEN and EXCESS flags of a copy are repair's: the block map never
 * looks at them. A block that is dropped is announced by meta_nodes_block_dropped before it goes (meta_internal.h).
 */
#ifndef DFS_CORE_META_BLOCKMAP_H
#define DFS_CORE_META_BLOCKMAP_H

#include "core/base/id.h"
#include "core/base/limits.h"
#include "core/base/time.h"
#include "core/meta/namespace.h"
#include "core/meta/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t meta_block_no; /* 0: none */
typedef uint32_t meta_copy_no;  /* 0: none */

#define META_NODE_NONE UINT16_MAX

/* Flags of a copy. */
#define META_COPY_DURABLE 1u  /* the node said it is on stable storage */
#define META_COPY_VERIFIED 2u /* read and found right since the node joined */
#define META_COPY_DOUBTED 4u  /* a reader complained; not yet verified: used last, never as a source */
#define META_COPY_BAD 8u      /* the node itself found it bad: never used, replaced, then removed */
#define META_COPY_SEEN 16u    /* met in the inventory that is under way */
#define META_COPY_EXCESS 32u  /* its removal is under way */
/* 64: META_COPY_ASKED, nodes.h */

struct meta_copy {
    meta_copy_no node_next;
    meta_copy_no node_prev;
    uint16_t node;
    uint8_t flags; /* change with meta_blockmap_flags() only: the block counts the bad ones */
    bool here;     /* false: this place is free */
};

/* As many as most blocks have. */
#define META_COPIES_INLINE 3

struct meta_block {
    struct meta_file *file; /* NULL: this slot of the pool is free */
    uint32_t index;
    uint32_t generation;
    uint32_t length_bytes;
    uint32_t crc32c;
    uint32_t extra;       /* further copies: struct meta_extra */
    uint32_t queued;      /* repair: what it knows of a block that is in a queue */
    uint8_t copies_count; /* all of them */
    uint8_t copies_bad;   /* of these, with META_COPY_BAD or META_COPY_DOUBTED */
    uint8_t queue;        /* repair: which queue; 0: none */
    uint8_t mark;         /* repair: bits */
    struct meta_copy copies[META_COPIES_INLINE];
};

/* A copy for which its block has no room. */
struct meta_extra {
    meta_block_no block;
    uint32_t next; /* of the same block */
    struct meta_copy copy;
};

#define META_BLOCK_BYTES sizeof(struct meta_block) /* 72 */
#define META_EXTRA_BYTES sizeof(struct meta_extra) /* 20 */

/* A copy's number is the block's times four and its place there, or this bit and the number of the extra one. */
#define META_COPY_EXTRA (UINT32_C(1) << 31)

/* 536 million blocks: 39 GB of this map. */
#define META_BLOCKS_MAX ((META_COPY_EXTRA >> 2) - 1)

struct meta_node_copies {
    meta_copy_no first;
    uint32_t count;
    uint64_t bytes; /* sum of the blocks' lengths */
};

struct meta_blockmap {
    struct meta_pool blocks;
    struct meta_pool extras;
    struct meta_node_copies *nodes; /* by node index */
    uint32_t nodes_room;
    uint64_t copies_count;
    uint64_t list_bytes; /* of the files' block lists */
};

void meta_blockmap_init(struct meta_blockmap *map);
void meta_blockmap_close(struct meta_blockmap *map);
uint64_t meta_blockmap_bytes(const struct meta_blockmap *map); /* allocated, the files' block lists included */

/* What has been read of a block before it is in the map. */
struct meta_extent {
    uint32_t generation;
    uint32_t length_bytes;
    uint32_t crc32c;
};

/* Gives `file` (which has none) its `count` blocks, without copies. count 0 is fine. */
void meta_blockmap_add(struct meta_blockmap *map, struct meta_file *file, const struct meta_extent *extents,
                       uint32_t count);
/* Takes a file's blocks and all their copies out. */
void meta_blockmap_drop(struct meta_blockmap *map, struct meta_file *file);

/* The number must be one of the map's (not 0). */
static inline struct meta_block *meta_blockmap_block(const struct meta_blockmap *map, meta_block_no number)
{
    return meta_pool_at(&map->blocks, number);
}

static inline struct meta_extra *meta_blockmap_extra(const struct meta_blockmap *map, uint32_t number)
{
    return meta_pool_at(&map->extras, number & ~META_COPY_EXTRA);
}

static inline struct meta_copy *meta_blockmap_copy(const struct meta_blockmap *map, meta_copy_no number)
{
    if ((number & META_COPY_EXTRA) != 0)
        return &meta_blockmap_extra(map, number)->copy;
    return &meta_blockmap_block(map, number >> 2)->copies[number & 3];
}

/* Whose copy it is. */
static inline meta_block_no meta_copy_block(const struct meta_blockmap *map, meta_copy_no number)
{
    return (number & META_COPY_EXTRA) != 0 ? meta_blockmap_extra(map, number)->block : number >> 2;
}

/* The copies of a block: this one and then the next until 0, in an order that stays as long as they do. Take the next number before
 * removing. */
meta_copy_no meta_blockmap_first(const struct meta_blockmap *map, meta_block_no block);
meta_copy_no meta_blockmap_next(const struct meta_blockmap *map, meta_copy_no number);

/* The number of block `index` of a file, 0 when there is none of that index, or of another generation. */
static inline meta_block_no meta_file_block(const struct meta_blockmap *map, const struct meta_file *file,
                                            uint32_t index, uint32_t generation)
{
    meta_block_no number;

    if (index >= file->blocks_count)
        return 0;
    number = meta_file_at(file, index);
    return meta_blockmap_block(map, number)->generation == generation ? number : 0;
}

/* The copy on `node`, or 0. O(copies of the block). */
meta_copy_no meta_blockmap_find(const struct meta_blockmap *map, meta_block_no block, uint16_t node);

/* A copy, new or known: flags are set. Returns its number. */
meta_copy_no meta_blockmap_put(struct meta_blockmap *map, meta_block_no block, uint16_t node, uint8_t flags);
void meta_blockmap_flags(struct meta_blockmap *map, meta_copy_no number, uint8_t set, uint8_t clear);
void meta_blockmap_remove(struct meta_blockmap *map, meta_copy_no number);

/* Copies of a block that count as good: neither bad nor doubted. Whether their nodes live is the caller's
 * knowledge. */
static inline uint32_t meta_block_good(const struct meta_block *block)
{
    return (uint32_t)block->copies_count - block->copies_bad;
}

/* The copies of a node: from here by node_next, newest first. Take the next number before removing. */
static inline meta_copy_no meta_blockmap_node_first(const struct meta_blockmap *map, uint16_t node)
{
    return node < map->nodes_room ? map->nodes[node].first : 0;
}

static inline struct meta_node_copies meta_blockmap_node(const struct meta_blockmap *map, uint16_t node)
{
    return node < map->nodes_room ? map->nodes[node] : (struct meta_node_copies){0};
}

/* For tests: lists, counts and pools agree. O(n). */
bool meta_blockmap_is_sound(const struct meta_blockmap *map);

#endif
