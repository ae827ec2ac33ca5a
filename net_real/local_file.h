/*
 * local_file.h - the client's local files: numbered sources that are pulled and sinks that are pushed.
 *
 * A source or sink is registered by the host program, its number given to the machine in a command, and forgotten by the
 * program when the command is answered. Reading and writing happen in the pool's threads.
 *
 * A file sink is whole or not at all: bytes go to `.NAME.part-XXXXXX` in the same directory, which takes the name at
 * finish(commit) and is removed otherwise. A target that is not a regular file (a pipe, /dev/null) is written in place.
 *
 * All functions here: any thread.
 */
#ifndef DFS_NET_REAL_LOCAL_FILE_H
#define DFS_NET_REAL_LOCAL_FILE_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dfs_local;

/* What reads for a source that is not a file. Called in a pool thread. */
struct dfs_local_source_ops {
    /* Up to `length` bytes at `offset`; short only at the end. For one that cannot seek, calls come in order and one at a time. */
    enum dfs_status (*read)(void *ctx, uint64_t offset, uint8_t *bytes, size_t length, size_t *ret_count);
    void (*close)(void *ctx); /* once, at dfs_local_forget; may be NULL */
};

/* What writes for a sink that is not a file. Called in a pool thread. */
struct dfs_local_sink_ops {
    /* All `length` bytes at `offset`. For one that cannot seek, calls come in order and one at a time. */
    enum dfs_status (*write)(void *ctx, uint64_t offset, const uint8_t *bytes, size_t length);
    enum dfs_status (*finish)(void *ctx, bool commit); /* at most once; may be NULL */
    void (*close)(void *ctx);                          /* once, at dfs_local_forget; may be NULL */
};

struct dfs_local_info {
    bool seekable;  /* false: pulled or pushed in order, one at a time */
    uint64_t bytes; /* of a seekable source, when it was registered */
};

/*
 * DFS_OK         *ret_number names it (never 0), until dfs_local_forget.
 * DFS_NOT_FOUND  no such file, or no such directory for a sink.
 * DFS_DENIED     the system refuses it.
 * DFS_BAD_USAGE  a directory.
 * DFS_TOO_LARGE  DFS_LOCAL_FILES_MAX are registered.
 * DFS_IO         anything else. `ret_words` has a sentence whenever the status is not OK; it may be NULL.
 */
enum dfs_status dfs_local_source_file(struct dfs_local *local, const char *path, char *ret_words, uint64_t *ret_number,
                                      struct dfs_local_info *ret_info) DFS_MUST_CHECK;

/* `durable`: at finish the file is synced before it takes its name, and the directory after it. */
enum dfs_status dfs_local_sink_file(struct dfs_local *local, const char *path, bool durable, char *ret_words,
                                    uint64_t *ret_number) DFS_MUST_CHECK;

/* An open descriptor (standard input or output), which stays the caller's. Regular files among them are read from their current
 * position as if it were 0. */
enum dfs_status dfs_local_source_descriptor(struct dfs_local *local, int descriptor, uint64_t *ret_number,
                                            struct dfs_local_info *ret_info) DFS_MUST_CHECK;
enum dfs_status dfs_local_sink_descriptor(struct dfs_local *local, int descriptor, uint64_t *ret_number) DFS_MUST_CHECK;

/* The caller's own functions. */
enum dfs_status dfs_local_source_custom(struct dfs_local *local, const struct dfs_local_source_ops *ops, void *ctx,
                                        bool seekable, uint64_t *ret_number) DFS_MUST_CHECK;
enum dfs_status dfs_local_sink_custom(struct dfs_local *local, const struct dfs_local_sink_ops *ops, void *ctx,
                                      bool seekable, uint64_t *ret_number) DFS_MUST_CHECK;

/* After its last event: closes it; an uncommitted sink leaves nothing behind. Unknown numbers are ignored. With an operation still in
 * the pool, happens when that has ended. */
void dfs_local_forget(struct dfs_local *local, uint64_t number);

/* The errno of the last failure of this source or sink, 0 when there was none: for the message to the person. */
int dfs_local_error(struct dfs_local *local, uint64_t number);

#endif
