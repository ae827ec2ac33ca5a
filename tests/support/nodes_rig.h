/*
 * nodes_rig.h - one metadata server in a hand-cranked world, and puppets that play its data servers.
 *
 *     struct nodes_rig r;
 *     nrig_init(&r);  nrig_start(&r);  nrig_up_all(&r, 4);      four nodes, ACTIVE
 *     nrig_commit(&r, 2, 3, (uint16_t[]){0, 1, 2});              a file of two blocks, three copies each
 *     r.nodes[1].dead = true;                                    it no longer beats, nor answers
 *     nrig_live(&r, 3 * DFS_SECONDS);                            time passes; the others beat every interval
 *     and carry out orders
 *
 * Puppets keep their promises: they copy, remove and verify as told, number their changes and know their
 * digest. What a test wants different is a field of the puppet.
 */
#ifndef DFS_TESTS_SUPPORT_NODES_RIG_H
#define DFS_TESTS_SUPPORT_NODES_RIG_H

#include "core/meta/nodes.h"
#include "tests/support/fake_env.h"

#define NRIG_NODES 12
#define NRIG_BLOCKS 2048
#define NRIG_INTERVAL DFS_SECONDS

struct nrig_block {
    struct dfs_w_block block;
    uint32_t length_bytes;
    uint32_t crc32c;
};

struct nrig_node {
    struct dfs_id id;
    struct dfs_id boot;
    char zone[8];
    dfs_conn conn; /* 0: not connected */
    uint64_t incarnation;
    struct dfs_mac heartbeat_mac;
    struct dfs_mac grant_mac;
    uint32_t key_id;
    uint64_t sequence;
    uint64_t change;
    uint64_t capacity_bytes;
    uint64_t free_bytes;
    uint64_t journal_seen;
    struct nrig_block *blocks;
    uint32_t blocks_count;
    dfs_time_ns beat_at; /* next heartbeat; 0: none yet */
    bool up;             /* joined and told */
    /* How it behaves */
    bool dead;    /* neither beats nor reads */
    bool silent;  /* reads, does not beat (its datagrams are lost) */
    bool deaf;    /* beats and tells, reads nothing: half of its connection is dead, until it has another */
    bool fenced;  /* says so */
    bool keeps;   /* REFUSED to every removal */
    bool slow;    /* takes orders, never answers */
    bool rejoins; /* joins again when it is told to */
    enum dfs_status copy_status;   /* of what it is the source of; OK: it does it */
    enum dfs_status verify_status; /* OK: as it is */
    /* What it was told */
    enum dfs_status status; /* the newest STATUS */
    uint32_t status_count;
    uint32_t copies; /* orders */
    uint32_t verifies;
    uint32_t keys;     /* KEYS_UPDATE */
    uint32_t removals; /* blocks */
    uint32_t removals_of[DFS_REMOVE_LAST + 1];
    struct dfs_m_heartbeat_ack ack; /* the newest */
    uint32_t acks;
};

struct nodes_rig {
    struct fake_env f;
    struct dfs_meta_config config;
    struct dfs_meta *meta;
    struct nrig_node nodes[NRIG_NODES];
    uint32_t files;
};

void nrig_init(struct nodes_rig *r); /* the configuration may be changed between this and nrig_start */
void nrig_start(struct nodes_rig *r);
void nrig_close(struct nodes_rig *r);
void nrig_restart(struct nodes_rig *r); /* metadata dies and starts again over its disk; all connections break */

void nrig_connect(struct nodes_rig *r, unsigned n);
void nrig_send(struct nodes_rig *r, unsigned n, uint32_t number, const void *value);
struct dfs_m_join nrig_join_message(const struct nodes_rig *r, unsigned n);
/* Connects if need be, JOIN, takes JOINED. The status of a refusal, OK otherwise. */
enum dfs_status nrig_join(struct nodes_rig *r, unsigned n);
void nrig_take_joined(struct nodes_rig *r, unsigned n,
                      const struct dfs_m_joined *message); /* for a JOIN sent by hand */
void nrig_tell(struct nodes_rig *r, unsigned n);           /* the inventory, in pages of 100 */
void nrig_beat(struct nodes_rig *r, unsigned n);           /* the next heartbeat */
void nrig_beat_as(struct nodes_rig *r, unsigned n, uint64_t sequence);
void nrig_up(struct nodes_rig *r, unsigned n); /* all of these */
void nrig_up_all(struct nodes_rig *r, unsigned count);
void nrig_break(struct nodes_rig *r, unsigned n); /* the control connection */
enum dfs_status nrig_resume(struct nodes_rig *r, unsigned n);
dfs_conn nrig_client(struct nodes_rig *r, const char *scope); /* a person, who has shown a token with this scope */
void nrig_pump(struct nodes_rig *r);                          /* puppets read and answer what they were sent */
/* Time passes in small steps; puppets beat when it is time, read and answer. */
void nrig_live(struct nodes_rig *r, dfs_duration_ns length);

/* A block on a puppet's disk, said by an event (`tell`) or only to be found by an inventory. */
void nrig_put(struct nodes_rig *r, unsigned n, const struct nrig_block *block, bool tell);
void nrig_take(struct nodes_rig *r, unsigned n, uint32_t index, bool tell);
bool nrig_has(const struct nodes_rig *r, unsigned n, const struct dfs_w_block *block);
struct nrig_block nrig_block(const struct nodes_rig *r, uint32_t file, uint32_t index);
/* File number r->files: `blocks` blocks with copies on these nodes. Returns its number. */
uint32_t nrig_commit(struct nodes_rig *r, uint32_t blocks, uint8_t wanted, const uint16_t *nodes, uint32_t nodes_count);
void nrig_delete(struct nodes_rig *r, uint32_t file); /* as expiry does */
struct dfs_id nrig_file_id(uint32_t file);
meta_block_no nrig_block_no(const struct nodes_rig *r, uint32_t file, uint32_t index);

enum dfs_node_state nrig_state(const struct nodes_rig *r, unsigned n);
uint32_t nrig_copies(const struct nodes_rig *r, uint32_t file, uint32_t index); /* puppets that have it */
/* The map, the queues and the ring are in order, nothing is counted that is not there. */
void nrig_assert_sound(const struct nodes_rig *r);
/* And nothing is under way. */
void nrig_assert_quiet(const struct nodes_rig *r);

#endif
