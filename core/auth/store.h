/*
 * store.h - one small text on the disk, replaced whole, never half.
 *
 * A family ("accounts") is kept as versions "accounts-1", "accounts-2", ...: nothing is ever written over. A new version is written under a temporary name,
 * synced, published, and the directory synced; then the older ones are removed. Each file ends in a line with the count and checksum of what stands
 * before it, so that the newest version that is whole can be told from a damaged one.
 *
 * The machine owns the disk: it hands every EV_DISK whose token says so to dfs_auth_store_step, one operation being under way at a time.
 */
#ifndef DFS_CORE_AUTH_STORE_H
#define DFS_CORE_AUTH_STORE_H

#include "core/auth/json_line.h"
#include "core/base/buf.h"
#include "core/base/gate.h"
#include "core/env/env.h"

/* 10,000 accounts with scopes of a kilobyte. */
#define DFS_AUTH_STORE_BYTES_MAX (16 * 1024 * 1024)

/* Versions that are remembered at a load: the newest that is whole is nearly always the newest. */
#define DFS_AUTH_STORE_VERSIONS_MAX 8

#define DFS_AUTH_STORE_PHASES(X) \
    X(IDLE) X(LISTING) X(READING) X(CREATING) X(WRITING) X(SYNCING) X(PUBLISHING) X(SYNCING_DIR)

enum dfs_auth_store_phase {
#define X(name) DFS_AUTH_STORE_##name,
    DFS_AUTH_STORE_PHASES(X)
#undef X
        DFS_AUTH_STORE_PHASE_COUNT
};

enum dfs_auth_store_outcome {
    DFS_AUTH_STORE_BUSY,   /* goes on */
    DFS_AUTH_STORE_LOADED, /* `lines` holds the text */
    DFS_AUTH_STORE_NONE,   /* there is no version at all */
    DFS_AUTH_STORE_SAVED,  /* on stable storage, and published */
    DFS_AUTH_STORE_FAILED  /* `status` says why; what was there before is still there */
};

struct dfs_auth_store {
    const struct dfs_env *env;
    struct dfs_buf_pool *pool;
    const char *family;
    uint32_t piece_bytes; /* of one read or write */
    uint64_t token_base;  /* ORed into every token; the low 32 bits are the store's */
    uint32_t token_generation;
    enum dfs_auth_store_phase phase;
    enum dfs_status status;
    uint64_t versions[DFS_AUTH_STORE_VERSIONS_MAX]; /* on the disk, the newest first */
    size_t versions_count;
    size_t reading;   /* which of them */
    uint64_t newest;  /* the highest number ever seen, whole or not */
    uint64_t writing; /* the number of the version that is made */
    char temporary[DFS_FILE_NAME_BYTES_MAX];
    struct dfs_lines lines; /* what was read, or is being written */
    size_t written;
    struct dfs_buf *buf;
};

void dfs_auth_store_init(struct dfs_auth_store *store, const struct dfs_env *env, struct dfs_buf_pool *pool,
                         const char *family, uint64_t token_base, uint32_t piece_bytes);
void dfs_auth_store_close(struct dfs_auth_store *store);

/* Begins to look for the newest whole version. Only when IDLE. */
void dfs_auth_store_load(struct dfs_auth_store *store);

/* Begins to write `take_lines` (its memory moves in) as the next version. Only when IDLE. */
void dfs_auth_store_save(struct dfs_auth_store *store, struct dfs_lines *take_lines);

/* An answer of the disk with this store's token. */
enum dfs_auth_store_outcome dfs_auth_store_step(struct dfs_auth_store *store, const struct dfs_disk_done *done);

extern const struct dfs_gate dfs_auth_store_gate;

#endif
