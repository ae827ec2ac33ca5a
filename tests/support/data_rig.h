/*
 * data_rig.h - one data server in a hand-cranked world, and the test playing everybody else: metadata,
 * clients, other data servers.
 *
 *     struct data_rig r;
 *     rig_init(&r);  rig_start(&r);  rig_join(&r);      an empty store, joined, inventory told and confirmed, first heartbeat acknowledged
 *     conn = rig_client(&r);                            a client that has shown its token
 *     rig_write(&r, conn, &block, bytes, count, 1);     BLOCK_WRITE and its frames
 */
#ifndef DFS_TESTS_SUPPORT_DATA_RIG_H
#define DFS_TESTS_SUPPORT_DATA_RIG_H

#include "core/base/mac.h"
#include "core/data/data.h"
#include "core/wire/grant.h"
#include "tests/support/fake_env.h"

#define RIG_NODES 4  /* node 0 is the server under test */
#define RIG_KEY_ID 7 /* the newest grant key */
#define RIG_INTERVAL DFS_SECONDS

struct data_rig {
    struct fake_env f;
    struct dfs_data_config config;
    struct dfs_data *data;
    struct dfs_key root;
    struct dfs_id nodes[RIG_NODES];
    uint64_t incarnations[RIG_NODES];
    struct dfs_addr addrs[RIG_NODES];
    uint8_t bearer[DFS_FINGERPRINT_BYTES];
    dfs_conn control;
    uint64_t epoch;
    uint64_t journal;
    uint64_t applied;
    uint32_t request; /* the last one that the test used */
    bool answered;    /* the command's answer came */
    struct dfs_data_answer answer;
};

void rig_init(struct data_rig *r); /* the configuration may be changed between this and rig_start */
void rig_start(struct data_rig *r);
void rig_close(struct data_rig *r);
void rig_restart(struct data_rig *r, bool fresh); /* the process dies and comes again over the same disk */

/* Metadata */
void rig_joined(struct data_rig *r,
                uint64_t incarnation);     /* answers the JOIN that was just sent: leaves the inventory unread */
void rig_inventory_ok(struct data_rig *r); /* reads pages and end, answers each with OK */
void rig_join(struct data_rig *r);         /* EV_OPEN, JOINED, inventory, acknowledgement */
struct dfs_m_heartbeat
rig_heartbeat(struct data_rig *r); /* the next heartbeat sent (fails if there is none); its tag is checked */
bool rig_heartbeat_sent(struct data_rig *r, struct dfs_m_heartbeat *ret_heartbeat); /* false: none was sent */
void rig_ack(struct data_rig *r, uint64_t sequence);                                /* HEARTBEAT_ACK */
void rig_keep_alive(struct data_rig *r, dfs_duration_ns length); /* time passes, every heartbeat is acknowledged */
void rig_status(struct data_rig *r, uint32_t request, enum dfs_status status);

/* Clients and peers */
dfs_conn
rig_client(struct data_rig *r); /* a cluster node's certificate with the bearer's fingerprint: needs no token */
dfs_conn rig_peer(struct data_rig *r, unsigned node); /* another data server connects */
struct dfs_block_id rig_block(unsigned number);
/* A grant for `count` replicas in order of `order` (node numbers). replicas has room for DFS_REPLICAS_MAX. */
struct dfs_w_grant rig_grant(struct data_rig *r, const struct dfs_block_id *block, enum dfs_grant_operation operation,
                             const unsigned *order, uint32_t count, struct dfs_w_replica *replicas);
struct dfs_mac rig_mac(struct data_rig *r, unsigned node, uint32_t key_id);
void rig_fill(uint8_t *bytes, size_t count, uint32_t seed);
uint32_t rig_write_header(struct data_rig *r, dfs_conn conn, const struct dfs_w_grant *grant, uint32_t attempt,
                          unsigned hop, uint32_t count);
void rig_frames(struct data_rig *r, dfs_conn conn, uint32_t request, const uint8_t *bytes, size_t count, size_t from,
                size_t to); /* BLOCK_DATA, 128 KiB each */
uint32_t rig_write(struct data_rig *r, dfs_conn conn, const struct dfs_block_id *block, const uint8_t *bytes,
                   size_t count, uint32_t attempt);
void rig_store(struct data_rig *r, const struct dfs_block_id *block, const uint8_t *bytes,
               size_t count); /* a client writes it, alone; all is well */
uint32_t rig_read(struct data_rig *r, dfs_conn conn, const struct dfs_block_id *block, uint32_t offset, uint32_t count);
/* Reads the frames of a BLOCK_READ's answer; returns the bytes put down, *ret_end what BLOCK_END said. The
 * disk is run and frames leave meanwhile. */
size_t rig_collect(struct data_rig *r, dfs_conn conn, uint32_t request, uint32_t first, uint8_t *bytes, size_t room,
                   struct dfs_m_block_end *ret_end);
struct dfs_w_order rig_order(struct data_rig *r, const struct dfs_block_id *block, uint32_t length, uint32_t crc,
                             unsigned source, unsigned target);
bool rig_receipt_is_good(struct data_rig *r, const struct dfs_w_receipt *receipt, unsigned node);
void rig_name(const struct dfs_block_id *block, char name[DFS_FILE_NAME_BYTES_MAX]);
uint64_t rig_metric(struct data_rig *r, const char *name); /* "dfs_data_" may be left out */

#endif
