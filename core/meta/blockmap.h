/*
 * blockmap.h - file -> blocks -> copies, and node -> copies. The truth about where data is; the ring only
 * proposes.
 *
 * Pure: no env, no clock, no policy. Blocks and copies live in pools and are named by 32-bit numbers (never
 * reused while held, 0 is none); their addresses are stable while they live. A block with three copies takes
 * META_BLOCK_BYTES + 3 * META_COPY_BYTES + 4; with its share of the namespace under 250 bytes. Losing a node
 * costs O(its copies).
 *
 * Only blocks of committed files are here. What an open upload has placed stands in uploads.h.
 *
 * `queue*`, `due` and `mark` of a block and the META_COPY_SEEN and EXCESS flags of a copy are repair's: the block map never
 * looks at them. A block that is dropped is announced by meta_nodes_block_dropped before it goes (meta_internal.h).
 */
#ifndef DFS_CORE_META_BLOCKMAP_H
#define DFS_CORE_META_BLOCKMAP_H

#include "core/base/id.h"
#include "core/base/limits.h"
#include "core/base/time.h"
#include "core/meta/namespace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t meta_block_no; /* 0: none */
typedef uint32_t meta_copy_no;  /* 0: none */

#define META_NODE_NONE UINT16_MAX

struct meta_block {
    struct meta_file *file; /* NULL: this slot of the pool is free */
    dfs_time_ns due;        /* repair: not before */
    uint32_t index;
    uint32_t generation;
    uint32_t length_bytes;
    uint32_t crc32c;
    meta_copy_no copies;      /* list by meta_copy.next; in order of arrival */
    meta_block_no queue_next; /* repair: links of its queue */
    meta_block_no queue_prev;
    uint8_t copies_count; /* all of the list */
    uint8_t copies_bad;   /* of these, with META_COPY_BAD or META_COPY_DOUBTED */
    uint8_t queue;        /* repair: which queue; 0: none */
    uint8_t mark;         /* repair: bits */
};

/* Flags of a copy. */
#define META_COPY_DURABLE 1u  /* the node said it is on stable storage */
#define META_COPY_VERIFIED 2u /* read and found right since the node joined */
#define META_COPY_DOUBTED 4u  /* a reader complained; not yet verified: used last, never as a source */
#define META_COPY_BAD 8u      /* the node itself found it bad: never used, replaced, then removed */
#define META_COPY_SEEN 16u    /* met in the inventory that is under way */
#define META_COPY_EXCESS 32u  /* its removal is under way */

struct meta_copy {
    meta_block_no block; /* 0: this slot of the pool is free */
    meta_copy_no next;   /* of the block */
    meta_copy_no node_next;
    meta_copy_no node_prev;
    uint32_t change_high; /* the node's change number that brought it: meta_copy_change() */
    uint32_t change_low;
    uint16_t node;
    uint8_t flags; /* change with meta_blockmap_flags() only: the block counts the bad ones */
    uint8_t reserved;
};

#define META_BLOCK_BYTES sizeof(struct meta_block) /* 48 */
#define META_COPY_BYTES sizeof(struct meta_copy)   /* 28 */

static inline uint64_t meta_copy_change(const struct meta_copy *copy)
{
    return (uint64_t)copy->change_high << 32 | copy->change_low;
}

/* Pools grow by chunks, so that addresses stay and memory follows need. */
#define META_POOL_CHUNK 512 /* entries */

struct meta_pool {
    uint8_t **chunks;
    size_t entry_bytes;
    uint32_t chunks_count;
    uint32_t chunks_room;
    uint32_t used; /* numbers 1..used were given out at least once */
    uint32_t free; /* first of the free list, 0: empty */
    uint32_t count;
};

struct meta_node_copies {
    meta_copy_no first;
    uint32_t count;
    uint64_t bytes; /* sum of the blocks' lengths */
};

struct meta_blockmap {
    struct meta_pool blocks;
    struct meta_pool copies;
    struct meta_node_copies *nodes; /* by node index */
    uint32_t nodes_room;
    uint64_t bytes; /* allocated, the files' block lists included */
};

void meta_blockmap_init(struct meta_blockmap *map);
void meta_blockmap_close(struct meta_blockmap *map);

/* What has been read of a block before it is in the map. */
struct meta_extent {
    uint32_t generation;
    uint32_t length_bytes;
    uint32_t crc32c;
};

/* Gives `file` (blocks NULL) its `count` blocks, without copies. count 0 is fine. */
void meta_blockmap_add(struct meta_blockmap *map, struct meta_file *file, const struct meta_extent *extents,
                       uint32_t count);
/* Takes a file's blocks and all their copies out. */
void meta_blockmap_drop(struct meta_blockmap *map, struct meta_file *file);

static inline void *meta_pool_at(const struct meta_pool *pool, uint32_t number)
{
    return pool->chunks[(number - 1) / META_POOL_CHUNK] + (size_t)((number - 1) % META_POOL_CHUNK) * pool->entry_bytes;
}

/* The number must be one of the map's (not 0). */
static inline struct meta_block *meta_blockmap_block(const struct meta_blockmap *map, meta_block_no number)
{
    return meta_pool_at(&map->blocks, number);
}

static inline struct meta_copy *meta_blockmap_copy(const struct meta_blockmap *map, meta_copy_no number)
{
    return meta_pool_at(&map->copies, number);
}

/* The number of block `index` of a file, 0 when there is none of that index, or of another generation. */
static inline meta_block_no meta_file_block(const struct meta_blockmap *map, const struct meta_file *file,
                                            uint32_t index, uint32_t generation)
{
    if (index >= file->blocks_count || meta_blockmap_block(map, file->blocks[index])->generation != generation)
        return 0;
    return file->blocks[index];
}

/* The copy on `node`, or 0. O(copies of the block). */
meta_copy_no meta_blockmap_find(const struct meta_blockmap *map, meta_block_no block, uint16_t node);

/* A copy, new or known: flags are set, the change number is taken if it is higher. Returns its number. */
meta_copy_no meta_blockmap_put(struct meta_blockmap *map, meta_block_no block, uint16_t node, uint8_t flags,
                               uint64_t change);
void meta_blockmap_flags(struct meta_blockmap *map, meta_copy_no number, uint8_t set, uint8_t clear);
void meta_blockmap_remove(struct meta_blockmap *map, meta_copy_no number);

/* Copies of a block that count as good: neither bad nor doubted. Whether their nodes live is the caller's
 * knowledge. */
static inline uint32_t meta_block_good(const struct meta_block *block)
{
    return (uint32_t)block->copies_count - block->copies_bad;
}

/* Walks: of a block by meta_copy.next from block->copies; of a node by node_next from here (newest first).
 * Take the next number before removing. */
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
