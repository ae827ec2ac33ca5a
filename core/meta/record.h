/*
 * record.h - what stands in the journal and in checkpoints, said once, in the language of core/wire/schema.h.
 *
 * Every record assigns a state ("this node is so"), none adds to one: applying it twice, or applying older
 * ones over a newer checkpoint and going on, ends right. The numbers are a disk format: new records go to the
 * end, a changed record is a new record.
 */
#ifndef DFS_CORE_META_RECORD_H
#define DFS_CORE_META_RECORD_H

#include "core/wire/message.h"

/* clang-format off */

/* Parts of records: struct dfs_w_NAME, as the schema's parts are. */
#define META_PART_MAP(X) X(EXTENT, extent)

#define META_FIELDS_EXTENT(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    NUM(S, generation, uint32_t, 4, 1, UINT32_MAX) NUM(S, length_bytes, uint32_t, 4, 1, DFS_BLOCK_BYTES_MAX) \
    DFS_U32(NUM, S, crc32c)

/* X(number, NAME, name): struct meta_r_name, fields META_FIELDS_R_NAME, number META_RECORD_NAME */
#define META_RECORD_MAP(X) \
    X(1, START, start) X(2, BLOCKS, blocks) X(3, FILE, file) X(4, PLACE, place) X(5, EXPIRE, expire) \
    X(6, OUTCOME, outcome) X(7, NODE, node) X(8, KEY, key) X(9, CHECKPOINT, checkpoint) \
    X(10, CHECKPOINT_END, checkpoint_end)

#define META_RECORD_NUMBER_MAX 10

/* First of every life of the server. */
#define META_FIELDS_R_START(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, cluster) DFS_U64(NUM, S, epoch) DFS_U64(NUM, S, wall_ms)

/* Blocks first, first+1, ... of a file whose FILE record follows; without it they mean nothing. */
#define META_FIELDS_R_BLOCKS(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) DFS_U32(NUM, S, first) LIST(S, blocks, extent, META_EXTENTS_PAGE_MAX)
#define META_EXTENTS_PAGE_MAX 4096

/* A file: what a commit made, or what a checkpoint found. current 0: in the trash since removed_ms. */
#define META_FIELDS_R_FILE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) TEXT(S, path, DFS_PATH_BYTES_MAX) DFS_BOOL(NUM, S, current) DFS_U64(NUM, S, version) \
    DFS_U64(NUM, S, serial) DFS_U64(NUM, S, created_ms) DFS_U64(NUM, S, removed_ms) DFS_U64(NUM, S, size_bytes) \
    DFS_U32(NUM, S, digest) DFS_U32(NUM, S, block_size_bytes) DFS_BOOL(NUM, S, even) \
    NUM(S, blocks, uint32_t, 4, 0, DFS_BLOCKS_PER_FILE_MAX) NUM(S, copies_wanted, uint8_t, 1, 1, DFS_REPLICAS_MAX) \
    NUM(S, ack, uint8_t, 1, 1, DFS_ACK_LAST) NUM(S, durability, uint8_t, 1, 1, DFS_DURABILITY_LAST)

/* Where a known file is now. */
#define META_FIELDS_R_PLACE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) TEXT(S, path, DFS_PATH_BYTES_MAX) DFS_BOOL(NUM, S, current) DFS_U64(NUM, S, version) \
    DFS_U64(NUM, S, removed_ms)

/* The file is gone for good. */
#define META_FIELDS_R_EXPIRE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) ID(S, file)

/* What a request that changed something was answered: `operation` is its operation id, for a commit the file id. */
#define META_FIELDS_R_OUTCOME(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) DFS_STATUS_FIELD(NUM, S, status) DFS_U64(NUM, S, version) DFS_U32(NUM, S, blocks) \
    DFS_U8(NUM, S, replicas_durable)

/*
 * Everything of a node that must survive a restart. `number` is the node's index in the block map, given once and
 * kept. until_ms: MAINTENANCE, wall of its end.
 */
#define META_FIELDS_R_NODE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    NUM(S, number, uint16_t, 2, 0, DFS_NODES_MAX - 1) ID(S, node) ID(S, boot) DFS_U64(NUM, S, incarnation) \
    NUM(S, state, uint8_t, 1, 0, DFS_NODE_STATE_COUNT - 1) ADDR(S, addr) TEXT(S, zone, DFS_ZONE_BYTES_MAX) \
    DFS_U64(NUM, S, capacity_bytes) DFS_U64(NUM, S, until_ms) DFS_BOOL(NUM, S, draining)

/* The newest grant key's number. */
#define META_FIELDS_R_KEY(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) DFS_U32(NUM, S, key_id)

/* First and last of a checkpoint. `batch`: replay goes on with this batch of the journal, which begins segment
 * `segment`. */
#define META_FIELDS_R_CHECKPOINT(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, cluster) DFS_U64(NUM, S, number) DFS_U64(NUM, S, epoch) DFS_U64(NUM, S, sequence) DFS_U64(NUM, S, batch) \
    DFS_U64(NUM, S, segment) DFS_U64(NUM, S, position)
#define META_FIELDS_R_CHECKPOINT_END(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U64(NUM, S, number) DFS_U64(NUM, S, records) DFS_U64(NUM, S, sequence)

/* clang-format on */

#define X(NAME, name) \
    struct dfs_w_##name { \
        DFS_EXPAND(META_FIELDS_##NAME, 0, DFS_S_ALL) \
    };
META_PART_MAP(X)
#undef X

#define X(number, NAME, name) \
    struct meta_r_##name { \
        DFS_EXPAND(META_FIELDS_R_##NAME, 0, DFS_S_ALL) \
    };
META_RECORD_MAP(X)
#undef X

enum meta_record_number {
#define X(number, NAME, name) META_RECORD_##NAME = (number),
    META_RECORD_MAP(X)
#undef X
};

union meta_any_record {
#define X(number, NAME, name) struct meta_r_##name name;
    META_RECORD_MAP(X)
#undef X
};

/* In front of each record: u16 number, u32 bytes of the body. */
#define META_RECORD_HEADER_BYTES 6

/* The largest record: a page of blocks. */
#define META_RECORD_BYTES_MAX 65536

/* NULL for a number that is no record. */
const struct dfs_layout *meta_record_layout(uint32_t number);

/* What it takes with its header. */
size_t meta_record_bytes(enum meta_record_number number, const void *record);
void meta_record_encode(enum meta_record_number number, const void *record, struct dfs_wr *w);

/* The next record of `r`, lists in the arena (reset by the caller). BAD_REQUEST: what no record is. */
enum dfs_status meta_record_decode(struct dfs_rd *r, struct dfs_arena *arena, enum meta_record_number *ret_number,
                                   union meta_any_record *ret_record) DFS_MUST_CHECK;

#endif
