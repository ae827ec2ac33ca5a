/*
 * clients_rig.h - the clients of a metadata server, over nodes_rig.h, whose puppets store what is put.
 *
 *     struct clients_rig r;
 *     crig_init(&r);  crig_start(&r, 4);                 metadata serves, four data servers are ACTIVE
 *     conn = crig_client(&r, 1, "rw:/");                 client 1 has shown its token
 *     done = crig_put(&r, conn, "a/one", 1000000);       PUT_OPEN, writes, PUT_COMMIT
 *
 * The small functions (crig_open, crig_store, crig_commit) are for tests that want something else in between.
 * Operation ids count up, so `again` repeats the newest.
 */
#ifndef DFS_TESTS_SUPPORT_CLIENTS_RIG_H
#define DFS_TESTS_SUPPORT_CLIENTS_RIG_H

#include "tests/support/nodes_rig.h"

#include "core/auth/keys.h"

#define CRIG_BLOCKS_MAX 512

/* An upload as the client knows it. */
struct crig_upload {
    struct dfs_id file;
    uint64_t epoch;
    uint64_t size_bytes;
    uint32_t blocks;
    uint32_t block_size_bytes;
    uint8_t copies_wanted;
    struct dfs_w_grant grants[CRIG_BLOCKS_MAX]; /* the newest of each block; replicas below */
    struct dfs_w_replica replicas[CRIG_BLOCKS_MAX][DFS_REPLICAS_MAX];
    struct dfs_w_receipt receipts[CRIG_BLOCKS_MAX * DFS_REPLICAS_MAX];
    uint32_t receipts_count;
    uint32_t crcs[CRIG_BLOCKS_MAX];
    uint32_t lengths[CRIG_BLOCKS_MAX];
};

struct clients_rig {
    struct nodes_rig n;
    struct dfs_signing_keys keys;
    uint32_t operations;
    uint32_t requests;
    struct crig_upload upload; /* of the newest crig_open */
    enum dfs_status status;    /* of the newest answer: STATUS, PUT_DONE or CHANGED; OK for any other */
    char words[DFS_WORDS_BYTES_MAX + 1];
};

void crig_init(struct clients_rig *r);
void crig_start(struct clients_rig *r, unsigned nodes);
void crig_restart(struct clients_rig *r,
                  unsigned nodes); /* metadata starts again over its disk, the nodes join again */
void crig_close(struct clients_rig *r);

/* Auth answers the connection that is open, if there is one. */
void crig_auth(struct clients_rig *r);
void crig_token(const struct clients_rig *r, unsigned client, const char *scope, uint64_t expires_s,
                char ret_token[DFS_TOKEN_BYTES_MAX + 1]);
dfs_conn crig_connect(struct clients_rig *r, unsigned client);
dfs_conn crig_client(struct clients_rig *r, unsigned client, const char *scope);
enum dfs_status crig_hello(struct clients_rig *r, dfs_conn conn, const char *token);

/* Sends a request and takes its answer (the disk runs); number 0: none came. r->status is set. */
struct fake_message crig_ask(struct clients_rig *r, dfs_conn conn, uint32_t number, const void *value);
/* The same, without running the disk. */
void crig_send(struct clients_rig *r, dfs_conn conn, uint32_t number, const void *value);
struct fake_message crig_answer(struct clients_rig *r, dfs_conn conn);

struct dfs_id crig_operation(struct clients_rig *r); /* a new one */

struct dfs_m_put_open crig_open_message(struct clients_rig *r, const char *path, uint64_t size_bytes);
enum dfs_status crig_open(struct clients_rig *r, dfs_conn conn, const struct dfs_m_put_open *open);
/* Asks for the grants of blocks first... in a generation (1: the next page; more: block `first` again). */
enum dfs_status crig_place(struct clients_rig *r, dfs_conn conn, uint32_t first, uint32_t count, uint32_t generation,
                           const unsigned *excluded, uint32_t excluded_count);
/* The puppets named in the grant of block `index` store it and give receipts; those in `without` do not. */
void crig_store(struct clients_rig *r, uint32_t index, uint32_t length_bytes, uint64_t without);
/* Stores all blocks of a known size. */
void crig_store_all(struct clients_rig *r);
struct dfs_m_put_commit crig_commit_message(const struct clients_rig *r);
/* All receipts, in pages of 256; OK, or why not. *ret_done (may be NULL) for PUT_DONE. */
enum dfs_status crig_commit(struct clients_rig *r, dfs_conn conn, struct dfs_m_put_done *ret_done);
enum dfs_status crig_put(struct clients_rig *r, dfs_conn conn, const char *path, uint64_t size_bytes);

enum dfs_status crig_remove(struct clients_rig *r, dfs_conn conn, const char *path, uint64_t if_version);
enum dfs_status crig_move(struct clients_rig *r, dfs_conn conn, const char *path, const char *to_path, bool if_absent);
enum dfs_status crig_restore(struct clients_rig *r, dfs_conn conn, const char *path, uint64_t version);
/* The version of a path; 0 when it has none (r->status says why). */
/* Of all versions that metadata knows, the one with the smallest serial number above this; NULL: none. */
const struct meta_version *crig_version_after(const struct clients_rig *r, uint64_t serial);
uint64_t crig_version(struct clients_rig *r, dfs_conn conn, const char *path);
/* "a b/ c": the page's entries, one space between; "+" at the end when there is more. */
const char *crig_list(struct clients_rig *r, dfs_conn conn, const char *prefix, const char *after, bool recursive,
                      uint32_t limit);
/* The node number (puppet) of a replica. */
unsigned crig_node_of(const struct clients_rig *r, const struct dfs_id *id);

#endif
