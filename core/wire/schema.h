/*
 * schema.h - the language between the machines, said once.
 *
 * One list per message or part; structs, field descriptors, the codec, printers, goldens, the truncation tests and the Wireshark
 * dissector are all made from it. Numbers are a contract between versions: new fields go to a new message, new messages to the end.
 *
 * Kinds of field (each is a macro parameter of a field list; its first argument, S, is the struct the field stands in):
 *   NUM(name, type, width, min, max)   unsigned, big endian, refused outside min..max
 *   ID(name)                           16 bytes
 *   ADDR(name)                         struct dfs_addr: 16 bytes and a port
 *   FIXED(name, count)                 bytes of fixed length (tags, fingerprints)
 *   KEY(name, count)                   the same, secret: printers show "***"
 *   TEXT(name, max)                    struct dfs_text: 2 bytes of length, then UTF-8 without NUL; points into the frame
 *   SECRET(name, max)                  the same, secret
 *   PART(name, part)                   a struct of this file in place
 *   LIST(name, part, max)              2 bytes of count, then parts; `name` and `name_count`; decoded into the link's arena
 */
#ifndef DFS_CORE_WIRE_SCHEMA_H
#define DFS_CORE_WIRE_SCHEMA_H

#include "core/base/limits.h"

#include <stdint.h>

#define DFS_U8(F, S, name) F(S, name, uint8_t, 1, 0, UINT8_MAX)
#define DFS_U32(F, S, name) F(S, name, uint32_t, 4, 0, UINT32_MAX)
#define DFS_U64(F, S, name) F(S, name, uint64_t, 8, 0, UINT64_MAX)
#define DFS_BOOL(F, S, name) F(S, name, uint8_t, 1, 0, 1)
#define DFS_STATUS_FIELD(F, S, name) F(S, name, uint8_t, 1, 0, DFS_STATUS_COUNT - 1)

/* Values of small enums on the wire ----------------------------------------------------------------------------------- */

enum dfs_ack { DFS_ACK_DEFAULT, DFS_ACK_ALL, DFS_ACK_QUORUM, DFS_ACK_LAST = DFS_ACK_QUORUM };
enum dfs_durability {
    DFS_DURABILITY_DEFAULT,
    DFS_DURABILITY_SYNC,
    DFS_DURABILITY_ASYNC,
    DFS_DURABILITY_LAST = DFS_DURABILITY_ASYNC
};
enum dfs_precondition { DFS_IF_ANY, DFS_IF_ABSENT, DFS_IF_VERSION, DFS_IF_LAST = DFS_IF_VERSION };
enum dfs_grant_operation { DFS_GRANT_READ = 1, DFS_GRANT_WRITE, DFS_GRANT_LAST = DFS_GRANT_WRITE };
/* free_bytes of JOIN and HEARTBEAT. None: the server takes no writes just now (its store is lost or cannot be written, it is leaving); a full one says at least a byte. */
#define DFS_ROOM_NONE 0
#define DFS_ROOM_FULL 1

enum dfs_change { DFS_CHANGE_ADDED = 1, DFS_CHANGE_REMOVED, DFS_CHANGE_BAD, DFS_CHANGE_LAST = DFS_CHANGE_BAD };
enum dfs_remove_reason {
    DFS_REMOVE_ORPHAN = 1,
    DFS_REMOVE_DELETED,
    DFS_REMOVE_EXCESS,
    DFS_REMOVE_BAD,
    DFS_REMOVE_LAST = DFS_REMOVE_BAD
};

/* names.json "node_states"; as they travel and are printed */
#define DFS_NODE_STATE_MAP(X) X(JOINING) X(ACTIVE) X(SUSPECT) X(EVICTED) X(DRAINING) X(MAINTENANCE)
enum dfs_node_state {
#define X(name) DFS_NODE_##name,
    DFS_NODE_STATE_MAP(X)
#undef X
        DFS_NODE_STATE_COUNT
};
const char *dfs_node_state_name(enum dfs_node_state state);

#define DFS_SIZE_UNKNOWN UINT64_MAX

/* The lists are laid out by hand: the formatter does not come to rest on them. */
/* clang-format off */

/* Parts --------------------------------------------------------------------------------------------------------------- */

/* X(NAME, name): the struct is `struct dfs_w_name`, the fields DFS_FIELDS_NAME */
#define DFS_PART_MAP(X) \
    X(BLOCK, block) \
    X(REPLICA, replica) \
    X(GRANT, grant) X(RECEIPT, receipt) X(FAILURE, failure) X(ORDER, order) X(NUMBER, number) X(CRC, crc) \
    X(GRANT_KEY, grant_key) X(TOKEN_KEY, token_key) X(STORED, stored) X(CHANGE, change) X(REMOVAL, removal) \
    X(REMOVED, removed) X(PLAN_BLOCK, plan_block) X(COPY_STATE, copy_state) X(STAT_BLOCK, stat_block) \
    X(ENTRY, entry) X(VERSION, version) X(NODE, node) X(FSCK_PATH, fsck_path) \
    X(EXPLAIN_BLOCK, explain_block)

#define DFS_FIELDS_BLOCK(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) \
    NUM(S, index, uint32_t, 4, 0, DFS_BLOCKS_PER_FILE_MAX - 1) NUM(S, generation, uint32_t, 4, 1, UINT32_MAX)

/* Where a copy goes or lies; `mac` is the grant's tag under that node's grant key. */
#define DFS_FIELDS_REPLICA(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, node) DFS_U64(NUM, S, incarnation) ADDR(S, addr) FIXED(S, mac, 16)

/* metadata -> client -> data: what the bearer may do with one block, and where (core/wire/grant.h) */
#define DFS_FIELDS_GRANT(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, block, block) \
    NUM(S, length_max_bytes, uint32_t, 4, 1, DFS_BLOCK_BYTES_MAX) \
    NUM(S, operation, uint8_t, 1, DFS_GRANT_READ, DFS_GRANT_LAST) \
    FIXED(S, bearer, 32) DFS_U64(NUM, S, epoch) DFS_U32(NUM, S, key_id) LIST(S, replicas, replica, DFS_REPLICAS_MAX)

/* data -> client -> metadata: this node has stored this block (core/wire/grant.h) */
#define DFS_FIELDS_RECEIPT(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, block, block) \
    NUM(S, length_bytes, uint32_t, 4, 1, DFS_BLOCK_BYTES_MAX) \
    DFS_U32(NUM, S, crc32c) ID(S, node) DFS_U64(NUM, S, incarnation) DFS_U64(NUM, S, change) DFS_BOOL(NUM, S, durable) \
    DFS_U32(NUM, S, key_id) FIXED(S, mac, 16)

#define DFS_FIELDS_FAILURE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, node) DFS_STATUS_FIELD(NUM, S, status)

/* metadata -> source -> target: copy this block; a tag for each of the two */
#define DFS_FIELDS_ORDER(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, block, block) \
    NUM(S, length_bytes, uint32_t, 4, 1, DFS_BLOCK_BYTES_MAX) \
    DFS_U32(NUM, S, crc32c) ID(S, source) DFS_U64(NUM, S, source_incarnation) ID(S, target) \
    DFS_U64(NUM, S, target_incarnation) DFS_U64(NUM, S, epoch) DFS_U32(NUM, S, key_id) FIXED(S, source_mac, 16) \
    FIXED(S, target_mac, 16)

#define DFS_FIELDS_NUMBER(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) DFS_U32(NUM, S, value)
#define DFS_FIELDS_CRC(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) DFS_U32(NUM, S, crc32c)
#define DFS_FIELDS_GRANT_KEY(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U32(NUM, S, key_id) KEY(S, key, 32)
#define DFS_FIELDS_TOKEN_KEY(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, kid, DFS_KID_BYTES_MAX) TEXT(S, pem, DFS_PEM_BYTES_MAX)
#define DFS_FIELDS_STORED(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, block, block) NUM(S, length_bytes, uint32_t, 4, 1, DFS_BLOCK_BYTES_MAX)
#define DFS_FIELDS_CHANGE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    NUM(S, kind, uint8_t, 1, DFS_CHANGE_ADDED, DFS_CHANGE_LAST) \
    PART(S, block, block) NUM(S, length_bytes, uint32_t, 4, 0, DFS_BLOCK_BYTES_MAX) DFS_U32(NUM, S, crc32c)
#define DFS_FIELDS_REMOVAL(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, block, block) NUM(S, reason, uint8_t, 1, DFS_REMOVE_ORPHAN, DFS_REMOVE_LAST)
#define DFS_FIELDS_REMOVED(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, block, block) DFS_STATUS_FIELD(NUM, S, status)
/* lost: the grant names no server, and none that is away can have a copy: asking again is no use */
#define DFS_FIELDS_PLAN_BLOCK(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    NUM(S, length_bytes, uint32_t, 4, 1, DFS_BLOCK_BYTES_MAX) DFS_U32(NUM, S, crc32c) DFS_BOOL(NUM, S, lost) \
    PART(S, grant, grant)
#define DFS_FIELDS_COPY_STATE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, node) NUM(S, state, uint8_t, 1, 0, DFS_NODE_STATE_COUNT - 1)
#define DFS_FIELDS_STAT_BLOCK(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U32(NUM, S, index) \
    DFS_U32(NUM, S, generation) DFS_U32(NUM, S, length_bytes) DFS_U32(NUM, S, crc32c) LIST(S, replicas, copy_state, 64)
#define DFS_FIELDS_ENTRY(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, path, DFS_PATH_BYTES_MAX) \
    DFS_U64(NUM, S, size_bytes) DFS_U64(NUM, S, version) DFS_U64(NUM, S, modified_ms) DFS_U32(NUM, S, blocks)
#define DFS_FIELDS_VERSION(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U64(NUM, S, version) \
    ID(S, file) DFS_U64(NUM, S, size_bytes) DFS_U64(NUM, S, created_ms) DFS_U64(NUM, S, removed_ms)
#define DFS_FIELDS_NODE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, node) \
    NUM(S, state, uint8_t, 1, 0, DFS_NODE_STATE_COUNT - 1) \
    DFS_U64(NUM, S, incarnation) TEXT(S, zone, DFS_ZONE_BYTES_MAX) ADDR(S, addr) DFS_U64(NUM, S, capacity_bytes) \
    DFS_U64(NUM, S, used_bytes) DFS_U64(NUM, S, blocks) DFS_U64(NUM, S, last_heartbeat_ms) \
    DFS_BOOL(NUM, S, fenced)
#define DFS_FIELDS_FSCK_PATH(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, path, DFS_PATH_BYTES_MAX) DFS_STATUS_FIELD(NUM, S, status)
#define DFS_FIELDS_EXPLAIN_BLOCK(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U32(NUM, S, index) \
    DFS_U32(NUM, S, copies) \
    DFS_U32(NUM, S, wanted) TEXT(S, why, DFS_WORDS_BYTES_MAX) TEXT(S, queue, DFS_WORDS_BYTES_MAX) \
    DFS_U64(NUM, S, position) DFS_U64(NUM, S, eta_ms)

/* Messages ------------------------------------------------------------------------------------------------------------- */

/* X(number, NAME, name): `struct dfs_m_name`, fields DFS_FIELDS_M_NAME, number DFS_MSG_NAME */
#define DFS_MESSAGE_MAP(X) \
    /* any stream */ \
    X(1, STATUS, status) \
    X(2, HELLO, hello) \
    /* client - auth */ \
    X(10, LOGIN, login) \
    X(11, REFRESH, refresh) X(12, TOKEN, token) X(13, KEYS_GET, keys_get) X(14, KEYS, keys) \
    /* client - meta */ \
    X(20, PUT_OPEN, put_open) X(21, PUT_PLAN, put_plan) X(22, PUT_PLACE, put_place) X(23, PUT_PLACED, put_placed) \
    X(24, PUT_COMMIT, put_commit) X(25, PUT_DONE, put_done) X(26, PUT_ABORT, put_abort) \
    X(27, GET_OPEN, get_open) X(28, GET_PLAN, get_plan) X(29, BLOCK_BAD, block_bad) X(30, STAT, stat) \
    X(31, STAT_DONE, stat_done) X(32, LIST, list) X(33, LIST_PAGE, list_page) X(34, MOVE, move) \
    X(35, REMOVE, remove) X(36, RESTORE, restore) X(37, VERSIONS, versions) \
    X(38, VERSIONS_PAGE, versions_page) X(39, NODES, nodes) X(40, NODES_PAGE, nodes_page) \
    X(41, FSCK, fsck) X(42, FSCK_PAGE, fsck_page) X(43, EXPLAIN, explain) \
    X(44, EXPLAIN_PAGE, explain_page) X(45, DRAIN, drain) X(46, CHANGED, changed) \
    X(47, HEALTH, health) X(48, HEALTH_DONE, health_done) \
    /* data - meta */ \
    X(60, JOIN, join) X(61, JOINED, joined) X(62, RESUME, resume) X(63, RESUMED, resumed) \
    X(64, INVENTORY, inventory) X(65, INVENTORY_END, inventory_end) X(66, BLOCK_EVENTS, block_events) \
    X(67, COPY, copy) X(68, COPY_DONE, copy_done) X(69, REMOVE_BLOCK, remove_block) \
    X(70, REMOVE_DONE, remove_done) X(71, KEYS_UPDATE, keys_update) X(72, LEAVE, leave) \
    X(73, VERIFY, verify) X(74, VERIFY_DONE, verify_done) \
    /* udp */ \
    X(80, HEARTBEAT, heartbeat) X(81, HEARTBEAT_ACK, heartbeat_ack) \
    /* client - data, data - data */ \
    X(90, BLOCK_WRITE, block_write) X(91, BLOCK_DATA, block_data) X(92, BLOCK_WRITTEN, block_written) \
    X(93, BLOCK_READ, block_read) X(94, BLOCK_END, block_end) X(95, BLOCK_COPY, block_copy)

#define DFS_MSG_NUMBER_MAX 95

/* The general answer. retry_after_ns: 0 = says nothing. */
#define DFS_FIELDS_M_STATUS(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_STATUS_FIELD(NUM, S, status) DFS_U64(NUM, S, retry_after_ns) TEXT(S, words, DFS_WORDS_BYTES_MAX)

/* First on a stream to metadata or data; nodes send no token. Answered by STATUS. Later requests may follow at once: they are handled after it. */
#define DFS_FIELDS_M_HELLO(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    NUM(S, version, uint16_t, 2, 1, UINT16_MAX) SECRET(S, token, DFS_TOKEN_BYTES_MAX)

#define DFS_FIELDS_M_LOGIN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, user, DFS_USER_BYTES_MAX) SECRET(S, password, DFS_PASSWORD_BYTES_MAX)
#define DFS_FIELDS_M_REFRESH(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    SECRET(S, token, DFS_TOKEN_BYTES_MAX)
/* expires_s: seconds since 1970, as the claim */
#define DFS_FIELDS_M_TOKEN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U64(NUM, S, expires_s) TEXT(S, scope, DFS_SCOPE_BYTES_MAX) SECRET(S, token, DFS_TOKEN_BYTES_MAX)
#define DFS_FIELDS_M_KEYS_GET(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) DFS_U8(NUM, S, reserved)
#define DFS_FIELDS_M_KEYS(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    LIST(S, keys, token_key, DFS_TOKEN_KEYS_MAX)

/* block_size_bytes 0: metadata's rule (design, section 4). if_version counts for DFS_IF_VERSION only. */
#define DFS_FIELDS_M_PUT_OPEN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) \
    TEXT(S, path, DFS_PATH_BYTES_MAX) \
    DFS_U64(NUM, S, size_bytes) NUM(S, ack, uint8_t, 1, 0, DFS_ACK_LAST) \
    NUM(S, durability, uint8_t, 1, 0, DFS_DURABILITY_LAST) NUM(S, precondition, uint8_t, 1, 0, DFS_IF_LAST) \
    DFS_U64(NUM, S, if_version) NUM(S, block_size_bytes, uint32_t, 4, 0, DFS_BLOCK_BYTES_MAX)
/* `file` names the upload from now on, with `epoch`. Grants of the first blocks; the client asks for more with PUT_PLACE. blocks 0 and size
 * unknown: the client places as it goes. ack and durability as they will be applied. Blocks are equal to within a byte: block i is
 * size*(i+1)/blocks - size*i/blocks long when the size is known. */
#define DFS_FIELDS_M_PUT_PLAN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) \
    DFS_U64(NUM, S, epoch) \
    DFS_U64(NUM, S, lease_ns) DFS_U32(NUM, S, block_size_bytes) DFS_U32(NUM, S, blocks) \
    NUM(S, ack, uint8_t, 1, 0, DFS_ACK_LAST) NUM(S, durability, uint8_t, 1, 0, DFS_DURABILITY_LAST) \
    NUM(S, copies_wanted, uint8_t, 1, 1, DFS_REPLICAS_MAX) LIST(S, grants, grant, DFS_PLACEMENT_PAGE_MAX)
/* Blocks first .. first+count-1 in generation 1, or (generation > 1) block `first` again, avoiding `excluded` nodes. */
#define DFS_FIELDS_M_PUT_PLACE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) \
    DFS_U64(NUM, S, epoch) \
    DFS_U32(NUM, S, first) NUM(S, count, uint32_t, 4, 1, DFS_PLACEMENT_PAGE_MAX) \
    NUM(S, generation, uint32_t, 4, 1, UINT32_MAX) LIST(S, excluded, failure, 64)
#define DFS_FIELDS_M_PUT_PLACED(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U32(NUM, S, first) LIST(S, grants, grant, DFS_PLACEMENT_PAGE_MAX)
/* Receipts in pages (`last` on the final one; earlier pages are answered by STATUS). digest: crc32c of the whole file. */
#define DFS_FIELDS_M_PUT_COMMIT(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) \
    DFS_U64(NUM, S, epoch) \
    DFS_BOOL(NUM, S, last) DFS_U64(NUM, S, size_bytes) DFS_U32(NUM, S, blocks) DFS_U32(NUM, S, digest) \
    LIST(S, receipts, receipt, DFS_RECEIPT_PAGE_MAX)
/* BLOCK_LOST: `lost` names the blocks to place again. replicas_durable: the fewest durable copies of any block. */
#define DFS_FIELDS_M_PUT_DONE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_STATUS_FIELD(NUM, S, status) \
    ID(S, file) \
    DFS_U64(NUM, S, version) DFS_U32(NUM, S, blocks) DFS_U8(NUM, S, replicas_durable) LIST(S, lost, number, 1024)
#define DFS_FIELDS_M_PUT_ABORT(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) DFS_U64(NUM, S, epoch)

/* version 0: the newest. first_block: where this page begins. */
#define DFS_FIELDS_M_GET_OPEN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, path, DFS_PATH_BYTES_MAX) DFS_U64(NUM, S, version) DFS_U32(NUM, S, first_block)
#define DFS_FIELDS_M_GET_PLAN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) \
    DFS_U64(NUM, S, version) \
    DFS_U64(NUM, S, size_bytes) DFS_U32(NUM, S, blocks) DFS_U32(NUM, S, digest) DFS_U32(NUM, S, first_block) \
    DFS_U64(NUM, S, first_offset) LIST(S, plan, plan_block, DFS_PLACEMENT_PAGE_MAX)
/* client -> metadata: this copy is bad, missing or silent, says the reader */
#define DFS_FIELDS_M_BLOCK_BAD(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, block, block) ID(S, node) DFS_STATUS_FIELD(NUM, S, status)
#define DFS_FIELDS_M_STAT(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, path, DFS_PATH_BYTES_MAX) DFS_U64(NUM, S, version) DFS_U32(NUM, S, first_block)
#define DFS_FIELDS_M_STAT_DONE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, file) \
    DFS_U64(NUM, S, version) \
    DFS_U64(NUM, S, size_bytes) DFS_U64(NUM, S, created_ms) DFS_U32(NUM, S, block_size_bytes) \
    DFS_U8(NUM, S, copies_wanted) NUM(S, ack, uint8_t, 1, 0, DFS_ACK_LAST) DFS_U32(NUM, S, blocks_total) \
    DFS_U32(NUM, S, first_block) LIST(S, blocks, stat_block, 256)
/* Paths beginning with prefix, after `after` in byte order. recursive 0: what lies below the next '/' is one entry ending in '/'. */
#define DFS_FIELDS_M_LIST(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, prefix, DFS_PATH_BYTES_MAX) \
    TEXT(S, after, DFS_PATH_BYTES_MAX) DFS_BOOL(NUM, S, recursive) NUM(S, limit, uint32_t, 4, 1, DFS_LIST_PAGE_MAX)
#define DFS_FIELDS_M_LIST_PAGE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_BOOL(NUM, S, more) LIST(S, entries, entry, DFS_LIST_PAGE_MAX)
#define DFS_FIELDS_M_MOVE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) \
    TEXT(S, path, DFS_PATH_BYTES_MAX) \
    TEXT(S, to_path, DFS_PATH_BYTES_MAX) NUM(S, precondition, uint8_t, 1, 0, DFS_IF_ABSENT)
#define DFS_FIELDS_M_REMOVE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) TEXT(S, path, DFS_PATH_BYTES_MAX) DFS_U64(NUM, S, if_version)
#define DFS_FIELDS_M_RESTORE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) TEXT(S, path, DFS_PATH_BYTES_MAX) DFS_U64(NUM, S, version)
/* the answer to MOVE, REMOVE, RESTORE */
#define DFS_FIELDS_M_CHANGED(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_STATUS_FIELD(NUM, S, status) DFS_U64(NUM, S, version) TEXT(S, words, DFS_WORDS_BYTES_MAX)
#define DFS_FIELDS_M_VERSIONS(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) TEXT(S, path, DFS_PATH_BYTES_MAX)
#define DFS_FIELDS_M_VERSIONS_PAGE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    LIST(S, versions, version, DFS_LIST_PAGE_MAX)
#define DFS_FIELDS_M_NODES(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) ID(S, after)
#define DFS_FIELDS_M_NODES_PAGE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_BOOL(NUM, S, more) LIST(S, nodes, node, 256)
#define DFS_FIELDS_M_FSCK(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, prefix, DFS_PATH_BYTES_MAX) TEXT(S, after, DFS_PATH_BYTES_MAX)
#define DFS_FIELDS_M_FSCK_PAGE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_BOOL(NUM, S, more) \
    DFS_U64(NUM, S, files) \
    DFS_U64(NUM, S, blocks) DFS_U64(NUM, S, whole) DFS_U64(NUM, S, under) DFS_U64(NUM, S, missing) \
    DFS_U64(NUM, S, corrupt) DFS_U64(NUM, S, orphans) LIST(S, paths, fsck_path, DFS_LIST_PAGE_MAX)
#define DFS_FIELDS_M_EXPLAIN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, path, DFS_PATH_BYTES_MAX) DFS_U32(NUM, S, first_block)
#define DFS_FIELDS_M_EXPLAIN_PAGE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_BOOL(NUM, S, more) LIST(S, blocks, explain_block, 64)
#define DFS_FIELDS_M_DRAIN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) ID(S, node) DFS_BOOL(NUM, S, on)
#define DFS_FIELDS_M_HEALTH(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) DFS_U8(NUM, S, reserved)
/* nodes_N: how many are in that state, in the order of DFS_NODE_STATE_MAP */
#define DFS_FIELDS_M_HEALTH_DONE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    TEXT(S, health, DFS_WORDS_BYTES_MAX) \
    LIST(S, nodes, number, DFS_NODE_STATE_COUNT) \
    DFS_U64(NUM, S, under) DFS_U64(NUM, S, one_copy) DFS_U32(NUM, S, losses_survivable) DFS_U64(NUM, S, repair_queued) \
    DFS_U64(NUM, S, repair_running) DFS_U64(NUM, S, repair_bytes_per_s) DFS_U64(NUM, S, scrub_oldest_ms) \
    DFS_U64(NUM, S, epoch)

/* data -> metadata, first on the control connection. journal_seen: the newest synced journal position this node was ever told (OLDER_JOURNAL).
 * store_lost: the node's marker is gone; it has no blocks. */
#define DFS_FIELDS_M_JOIN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    NUM(S, version, uint16_t, 2, 1, UINT16_MAX) \
    ID(S, cluster) \
    ID(S, node) ID(S, boot) ADDR(S, addr) TEXT(S, zone, DFS_ZONE_BYTES_MAX) DFS_U64(NUM, S, capacity_bytes) \
    DFS_U64(NUM, S, free_bytes) DFS_U64(NUM, S, journal_seen) DFS_BOOL(NUM, S, store_lost)
#define DFS_FIELDS_M_JOINED(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U64(NUM, S, incarnation) \
    DFS_U64(NUM, S, epoch) \
    NUM(S, interval_ns, uint64_t, 8, 1, UINT64_MAX) DFS_U64(NUM, S, journal) KEY(S, heartbeat_key, 32) \
    LIST(S, grant_keys, grant_key, DFS_GRANT_KEYS_MAX) LIST(S, token_keys, token_key, DFS_TOKEN_KEYS_MAX)
/* The control connection broke, the incarnation lives: goes on after change number `change`. */
#define DFS_FIELDS_M_RESUME(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, cluster) ID(S, node) ID(S, boot) DFS_U64(NUM, S, incarnation) DFS_U64(NUM, S, change)
/* OK: send BLOCK_EVENTS after `applied`. Anything else: JOIN again. */
#define DFS_FIELDS_M_RESUMED(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_STATUS_FIELD(NUM, S, status) DFS_U64(NUM, S, applied)
/* Pages 0, 1, ...: all blocks on the disk as of change number `change`, which stands in the end; what is known to be bad included. Each page, and the end, is
 * answered by STATUS under its own request id: the node leaves eight pages unanswered at most, and RESUMEs later only if the end was answered with OK (anything
 * else: it JOINs again). BLOCK_EVENTS after `change` follow behind the end. digest: dfs_block_digest of every block listed, exclusive-or'ed; ADDED and REMOVED
 * change it by their block and length, BAD does not. */
#define DFS_FIELDS_M_INVENTORY(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U32(NUM, S, page) LIST(S, blocks, stored, DFS_INVENTORY_PAGE_MAX)
#define DFS_FIELDS_M_INVENTORY_END(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U32(NUM, S, pages) DFS_U64(NUM, S, count) DFS_U64(NUM, S, digest) DFS_U64(NUM, S, change)
/* Changes first, first+1, ...: no gaps within an incarnation. Request id 0, not answered. BAD: the copy does not verify, or is gone, and is on its way out only
 * when metadata orders it (REMOVED follows then); with length_bytes 0 it was never in the inventory. A bad copy that is written again is REMOVED and ADDED. */
#define DFS_FIELDS_M_BLOCK_EVENTS(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U64(NUM, S, first) LIST(S, changes, change, DFS_EVENTS_PAGE_MAX)
#define DFS_FIELDS_M_COPY(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) PART(S, order, order) ADDR(S, target_addr)
#define DFS_FIELDS_M_COPY_DONE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) PART(S, block, block) DFS_STATUS_FIELD(NUM, S, status) LIST(S, receipts, receipt, 1)
#define DFS_FIELDS_M_REMOVE_BLOCK(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) LIST(S, blocks, removal, DFS_REMOVE_PAGE_MAX)
#define DFS_FIELDS_M_REMOVE_DONE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) LIST(S, blocks, removed, 256)
/* metadata -> data: the keys of now. Answered at once by STATUS under its request id: so metadata also asks whether the connection still carries anything. */
#define DFS_FIELDS_M_KEYS_UPDATE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    LIST(S, grant_keys, grant_key, DFS_GRANT_KEYS_MAX) LIST(S, token_keys, token_key, DFS_TOKEN_KEYS_MAX)
/* data -> metadata: a clean stop follows; answered by STATUS */
#define DFS_FIELDS_M_LEAVE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) DFS_U64(NUM, S, incarnation)
/* metadata -> data: read this block whole, say whether it verifies (before excess copies elsewhere are trimmed) */
#define DFS_FIELDS_M_VERIFY(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) \
    PART(S, block, block) NUM(S, length_bytes, uint32_t, 4, 1, DFS_BLOCK_BYTES_MAX) DFS_U32(NUM, S, crc32c)
#define DFS_FIELDS_M_VERIFY_DONE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, operation) PART(S, block, block) DFS_STATUS_FIELD(NUM, S, status)

/* `mac` stands last in both: the tag over all bytes of the datagram before it, under the incarnation's heartbeat key. */
#define DFS_FIELDS_M_HEARTBEAT(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, node) \
    DFS_U64(NUM, S, incarnation) \
    DFS_U64(NUM, S, sequence) DFS_U64(NUM, S, capacity_bytes) DFS_U64(NUM, S, free_bytes) DFS_U32(NUM, S, load) \
    DFS_U64(NUM, S, change) DFS_U64(NUM, S, digest) DFS_U64(NUM, S, blocks) DFS_BOOL(NUM, S, fenced) \
    FIXED(S, mac, 16)
/* applied: change numbers up to here are in metadata's map; the node may forget them. */
#define DFS_FIELDS_M_HEARTBEAT_ACK(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    ID(S, node) \
    DFS_U64(NUM, S, incarnation) \
    DFS_U64(NUM, S, sequence) DFS_U64(NUM, S, epoch) DFS_U64(NUM, S, journal) DFS_U64(NUM, S, applied) \
    FIXED(S, mac, 16)

/* Then BLOCK_DATA frames with the same request id, in order, up to `length_bytes`. hop: this receiver's place in grant.replicas. attempt: a higher one
 * takes over from a lower one of the same block. */
#define DFS_FIELDS_M_BLOCK_WRITE(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, grant, grant) \
    DFS_U32(NUM, S, attempt) \
    NUM(S, hop, uint8_t, 1, 0, DFS_REPLICAS_MAX - 1) NUM(S, length_bytes, uint32_t, 4, 1, DFS_BLOCK_BYTES_MAX) \
    NUM(S, durability, uint8_t, 1, 0, DFS_DURABILITY_LAST)
/* Bulk: the bytes at `offset`, a multiple of DFS_CHUNK_BYTES unless it is the range's beginning; crcs: one for each chunk of the frame, counted from
 * the frame's first byte to the next multiple of DFS_CHUNK_BYTES in the block, and so on. */
#define DFS_FIELDS_M_BLOCK_DATA(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    DFS_U32(NUM, S, offset) LIST(S, crcs, crc, DFS_CHUNKS_PER_FRAME_MAX + 1)
/* The answer to BLOCK_WRITE and BLOCK_COPY, collected up the chain. */
#define DFS_FIELDS_M_BLOCK_WRITTEN(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, block, block) \
    DFS_U32(NUM, S, attempt) \
    DFS_STATUS_FIELD(NUM, S, status) LIST(S, receipts, receipt, DFS_REPLICAS_MAX) \
    LIST(S, failures, failure, DFS_REPLICAS_MAX)
/* Answered by BLOCK_DATA frames, then BLOCK_END; or by BLOCK_END alone when refused. offset is rounded down to a chunk by the reader's side. */
#define DFS_FIELDS_M_BLOCK_READ(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, grant, grant) \
    NUM(S, hop, uint8_t, 1, 0, DFS_REPLICAS_MAX - 1) \
    DFS_U32(NUM, S, offset) NUM(S, length_bytes, uint32_t, 4, 1, DFS_BLOCK_BYTES_MAX)
#define DFS_FIELDS_M_BLOCK_END(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) \
    PART(S, block, block) DFS_STATUS_FIELD(NUM, S, status) DFS_U32(NUM, S, crc32c)
/* source -> target, then BLOCK_DATA frames; answered by BLOCK_WRITTEN */
#define DFS_FIELDS_M_BLOCK_COPY(S, NUM, ID, ADDR, FIXED, KEY, TEXT, SECRET, PART, LIST) PART(S, order, order)

/* clang-format on */

#endif
