/*
 * client_rig.h - a client among puppets: auth, metadata and data servers that answer by themselves, unless a test says otherwise.
 *
 *     struct client_rig r;
 *     client_rig_init(&r);                       four data servers, a token, local files in memory
 *     client_rig_put(&r, 1, "a/one", 250000);    the command, and everything that follows
 *     r.results[1].status
 *
 * The puppets keep what they are given: files at metadata, blocks at servers. `on_message` sees every message first and may answer in their place.
 * Time passes only in client_rig_pass().
 */
#ifndef DFS_TESTS_SUPPORT_CLIENT_RIG_H
#define DFS_TESTS_SUPPORT_CLIENT_RIG_H

#include "core/client/client.h"
#include "tests/support/fake_env.h"

#define RIG_NODES_MAX 6
#define RIG_BLOCKS_MAX 256
#define RIG_COMMANDS_MAX 64
#define RIG_FILE_BYTES_MAX (24 * 1024 * 1024)

enum rig_mode {
    RIG_WELL,
    RIG_REFUSES, /* connections are refused, open ones reset */
    RIG_MUTE,    /* takes everything, says nothing, and nothing leaves towards it */
    RIG_UNSEEN   /* connections neither open nor fail */
};

/* A copy of a block at a data server. */
struct rig_copy {
    bool used;
    struct dfs_w_block block;
    uint32_t length;
    uint8_t *bytes;
};

/* A block that is being received. */
struct rig_write {
    bool used;
    dfs_conn conn;
    uint32_t request;
    struct dfs_m_block_write header;
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint32_t received;
    uint8_t *bytes;
};

struct rig_node {
    struct dfs_id id;
    struct dfs_addr addr;
    uint64_t incarnation;
    enum rig_mode mode;
    enum dfs_status refuses; /* not OK: every BLOCK_WRITE and BLOCK_READ is answered so */
    bool no_copy;            /* as a hop in a chain it stores nothing, and is named as a failure */
    bool not_durable;
    bool flips_byte;  /* reads: one byte is wrong, and so is its checksum */
    bool wrong_block; /* reads: other bytes, right checksums */
    struct rig_copy copies[RIG_BLOCKS_MAX];
    uint32_t writes; /* BLOCK_WRITE and BLOCK_READ that came */
    uint32_t reads;
};

struct rig_placed {
    uint32_t generation;
    uint32_t nodes[DFS_REPLICAS_MAX];
    uint32_t nodes_count;
    uint32_t length;
    uint32_t crc;
};

/* The one file that metadata knows, being put or there. */
struct rig_file {
    struct dfs_id id;
    struct dfs_id operation;
    uint64_t size_bytes;
    uint32_t blocks;
    uint32_t block_size;
    uint32_t digest;
    uint64_t version; /* 0: not committed */
    bool aborted;
    bool lost; /* blocks without servers are lost for good */
    struct rig_placed placed[RIG_BLOCKS_MAX];
    struct dfs_w_receipt receipts[RIG_BLOCKS_MAX * DFS_REPLICAS_MAX];
    uint32_t receipts_count;
};

struct rig_result {
    unsigned count; /* answers: must be one */
    enum dfs_status status;
    char words[512];
    uint32_t number;
    uint64_t bytes;
    uint64_t version;
    uint8_t replicas_durable;
    dfs_duration_ns retry_after_ns;
};

struct client_rig {
    struct fake_env f;
    struct dfs_client *client;
    struct dfs_client_config config;
    struct rig_node nodes[RIG_NODES_MAX];
    uint32_t nodes_count;
    uint32_t copies_wanted;
    enum dfs_ack ack;
    enum dfs_durability durability;
    uint32_t block_max; /* size of blocks: as many as needed of at most this */
    uint32_t placement_page;
    dfs_duration_ns lease_ns;
    uint32_t server_frame_bytes;
    uint64_t epoch;
    enum rig_mode meta_mode;
    enum rig_mode auth_mode;
    enum dfs_status hello_status; /* of metadata */
    char token[64];               /* what auth gives */
    uint64_t token_lifetime_s;
    enum dfs_status login_status;
    struct rig_file file;
    struct rig_write writes[64];
    uint32_t bad_count; /* BLOCK_BAD that came */
    struct dfs_m_block_bad bad;
    struct rig_result results[RIG_COMMANDS_MAX];
    uint32_t asked[DFS_MSG_NUMBER_MAX + 1]; /* messages that came, by number */
    bool lose_commit_answer;                /* the next PUT_DONE is lost with its connection */

    /* true: the test has answered. */
    bool (*on_message)(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m);
    uint64_t story; /* the test's */

    uint8_t *source; /* every source is this */
    uint64_t source_bytes;
    bool source_stalls;
    enum dfs_status source_status;
    uint64_t pulled_bytes;
    uint64_t pull_next; /* of a source that cannot seek */
    bool source_is_a_pipe;
    uint8_t *sink; /* and every sink this */
    uint64_t sink_bytes;
    bool sink_stalls;
    enum dfs_status sink_status;
    uint64_t push_next; /* of an ordered sink */
    bool sink_is_ordered;
    unsigned finishes;
    bool committed;
};

void client_rig_init(struct client_rig *r);
void client_rig_boot(struct client_rig *r); /* makes the client, with r->config */
void client_rig_stop(struct client_rig *r); /* frees the client, as a host would */
void client_rig_close(struct client_rig *r);

/* Puppets answer until nothing moves any more. */
void client_rig_run(struct client_rig *r);
/* The same, while time passes. */
void client_rig_pass(struct client_rig *r, dfs_duration_ns length);

/* A command and what follows from it at once. */
void client_rig_do(struct client_rig *r, uint64_t id, uint32_t code, const void *argument);
void client_rig_put(struct client_rig *r, uint64_t id, const char *path, uint64_t bytes);
void client_rig_get(struct client_rig *r, uint64_t id, const char *path);
struct dfs_client_put client_rig_put_of(const struct client_rig *r, const char *path, uint64_t bytes);
struct dfs_client_get client_rig_get_of(const char *path);

/* A file that was put by somebody else: metadata and servers have it. */
void client_rig_have(struct client_rig *r, uint64_t bytes);

void client_rig_reset(struct client_rig *r, enum dfs_role role, const struct dfs_id *node); /* its connections break */
dfs_conn client_rig_conn(struct client_rig *r, enum dfs_role role,
                         const struct dfs_id *node); /* the newest that is not closed; 0 */
struct rig_copy *client_rig_copy(struct rig_node *node, const struct dfs_id *file,
                                 uint32_t index); /* the newest generation, or NULL */
void client_rig_drop_copy(struct rig_copy *copy);
void client_rig_drop_copies(struct client_rig *r); /* all, of all servers */
void client_rig_status(struct client_rig *r, dfs_conn conn, uint32_t request, enum dfs_status status,
                       const char *words);

/* Every byte of the stored file is that of the source, on `copies` servers. */
void client_rig_check_stored(struct client_rig *r, uint32_t copies);
/* The sink holds bytes first..first+count of the source, and was kept. */
void client_rig_check_sink(struct client_rig *r, uint64_t first, uint64_t count);

#endif
