/*
 * transfer.h - many PUTs or GETs in one command: a list of files, a few of them at a time.
 */
#ifndef DFS_APPS_CLI_TRANSFER_H
#define DFS_APPS_CLI_TRANSFER_H

#include "apps/cli/cli.h"

/* Files of one command under way together: small ones then share the waits; large ones share `parallel` anyway. */
#define TRANSFER_AT_ONCE 8

/* "PUT " and the longest path. */
#define TRANSFER_WHAT_BYTES (DFS_PATH_BYTES_MAX + 16)

struct transfer_file {
    char *local; /* "-": standard input or output */
    char *path;
};

struct transfer {
    struct transfer_file *files;
    size_t count;
    size_t capacity;
};

/* Copies both. */
void transfer_add(struct transfer *transfer, const char *local, const char *path);
void transfer_close(struct transfer *transfer);

struct transfer_job {
    struct cli_job job;
    bool is_used;
    const struct transfer_file *file;
    uint64_t number; /* of the local source or sink */
    dfs_time_ns began;
    void *ctx;
    char what[TRANSFER_WHAT_BYTES];
    /* What the answer said. */
    struct dfs_id id;
    uint64_t version;
    uint64_t bytes;
    uint32_t blocks;
    unsigned copies;
};

/* Starts one file: registers its local end and starts the command; false after it printed why not, with the exit code in *ret_rc. */
typedef bool (*transfer_start)(struct cli_session *session, struct transfer_job *job, void *ctx, int *ret_rc);
/* Prints the outcome of one that succeeded. */
typedef void (*transfer_done)(const struct transfer_job *job, uint64_t ms, void *ctx);

/* All files; the worst exit code. `total` of bytes for the bar: DFS_SIZE_UNKNOWN when nobody knows. */
int transfer_run(struct cli_session *session, const struct transfer *transfer, transfer_start start, transfer_done done,
                 void *ctx, bool is_shown);

#endif
