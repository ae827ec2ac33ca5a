/*
 * disk_posix.h - the env's disk over one directory of a POSIX file system (Linux).
 *
 * Which system call stands behind which verb, and why:
 *   CREATE    openat(O_CREAT | O_EXCL | O_NOFOLLOW), fallocate(KEEP_SIZE): the room is there, the size says what was written.
 *   WRITE     pwrite; from DFS_DISK_EARLY_BYTES on sync_file_range starts the write-back, so that the sync finds little to do.
 *   SYNC      fdatasync: it covers the data, the size and the block map, all that is needed to read the file back; it leaves out the
 *             times, which nobody reads. A failed one is final: Linux marks the pages clean and forgets the error, so a second sync would
 *             lie (Rebello et al., "Can applications recover from fsync failures?", ATC 2020).
 *   PUBLISH   renameat2(RENAME_NOREPLACE), or link + unlink where the file system has no such thing; close.
 *   SYNC_DIR  fsync of the directory. Those that arrive while one runs are served together by the next one.
 *   READ      pread from a bounded set of open files; a file that was removed behind our back is not read from a kept descriptor.
 *   REMOVE, LIST, SPACE: unlinkat, readdir + fstatat, statvfs.
 *
 * All of it happens in pool threads. The directory is locked (flock), so two daemons cannot share it by accident.
 */
#ifndef DFS_NET_REAL_DISK_POSIX_H
#define DFS_NET_REAL_DISK_POSIX_H

#include "core/base/map.h"
#include "core/env/env.h"
#include "net_real/pool.h"

struct dfs_disk_posix {
    struct dfs_pool *pool;
    int directory;        /* descriptor; -1: no disk */
    struct dfs_map files; /* names with an operation under way or an open descriptor */
    struct dfs_list warm; /* those with an operation under way, and open temporaries */
    struct dfs_list cold; /* those open for reading only, least recently read first */
    size_t cold_count;
    pthread_mutex_t mutex;      /* of what follows, and of the files' read descriptors */
    struct dfs_list syncs;      /* SYNC_DIRs that no fsync has taken up yet */
    struct dfs_list syncs_done; /* those of the fsync under way */
    enum dfs_status syncs_status;
    int syncs_error;
    bool directory_lost; /* its sync failed once */
    struct dfs_pool_job sync_job;
    bool sync_submitted; /* loop's thread */

    /* Called on the loop's thread. */
    void (*answer)(void *ctx, const struct dfs_disk_done *done);
    void (*complain)(void *ctx, const char *text);
    void *ctx;
};

/* A disk that is not there, so that close is harmless. */
void dfs_disk_posix_init(struct dfs_disk_posix *disk, struct dfs_pool *pool);

/* OK, or IO with a sentence in ret_words. */
enum dfs_status dfs_disk_posix_open(struct dfs_disk_posix *disk, const char *directory,
                                    char ret_words[DFS_WORDS_BYTES_MAX]) DFS_MUST_CHECK;

/* The pool has been drained. Closes everything. */
void dfs_disk_posix_close(struct dfs_disk_posix *disk);

void dfs_disk_posix_submit(struct dfs_disk_posix *disk, const struct dfs_disk_op *what);

#endif
