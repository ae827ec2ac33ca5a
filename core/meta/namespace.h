/*
 * namespace.h - paths, the versions behind them, and the trash.
 *
 * A path is a flat key as in an object store: "a" and "a/b" may both exist; '/' only serves listing and
 * scopes. A path has at most one current version; replaced and removed ones stay in the trash until they
 * expire.
 *
 * Pure: no env, no clock. Every change is an *assignment* of a version's whole state ("file F is current at P
 * as version 7", "file G was removed at T"), never a difference. So applying a record twice, or a newer state
 * first and its history again, ends in the same state: that is what lets a checkpoint be written while
 * changes go on (journal.h).
 *
 * Owns paths and versions. Who drops a version (meta_namespace_drop) has emptied its blocks first.
 */
#ifndef DFS_CORE_META_NAMESPACE_H
#define DFS_CORE_META_NAMESPACE_H

#include "core/base/avl.h"
#include "core/base/id.h"
#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the block map knows of a file: its blocks by index. Part of a version; blockmap.h fills it. */
struct meta_file {
    struct dfs_id id;
    uint32_t *blocks; /* numbers in the block map's pool, by block index */
    uint32_t blocks_count;
    uint8_t copies_wanted;
    uint8_t ack;        /* enum dfs_ack */
    uint8_t durability; /* enum dfs_durability */
    uint8_t flags;      /* META_FILE_... */
};

/* Blocks are equal to within a byte (the size was known); otherwise block_size_bytes each, the last may be shorter. */
#define META_FILE_EVEN 1u
#define META_FILE_EXPIRING 2u /* its EXPIRE record is on its way to the disk: nobody sees it any more */
#define META_FILE_CURRENT 4u  /* a state that was assigned; which version a path shows is meta_path.current */

struct meta_version;

/* A path that has a version, current or in the trash. */
struct meta_path {
    struct dfs_avl_node node;     /* in `live` when there is a current version, else in `dead` */
    struct meta_version *current; /* NULL: only trash */
    struct dfs_list trash;        /* meta_trash.of_path, the newest removal first */
    uint32_t versions;            /* whose path this is: it lives while there are any */
    uint16_t text_bytes;
    char text[];
};

/* What only a removed version needs. */
struct meta_trash {
    struct dfs_list of_path;
    struct dfs_list by_age; /* in namespace.trash, in order of removal */
    struct meta_version *version;
    uint64_t removed_ms; /* wall, for people */
    dfs_time_ns due;     /* mono: when it may expire */
};

struct meta_version {
    struct meta_file file; /* first */
    struct meta_path *path;
    struct meta_trash *trash; /* NULL: current */
    struct dfs_list all;      /* in namespace.versions, ascending by serial */
    uint64_t size_bytes;
    /* what clients see; given anew by commit, move and restore, so a path's versions only grow */
    uint64_t version;
    uint64_t serial;     /* the version it was committed as; never changes */
    uint64_t created_ms; /* wall, for people */
    uint32_t digest;
    uint32_t block_size_bytes;
};

struct meta_namespace {
    struct dfs_avl live;
    struct dfs_avl dead;
    struct dfs_map files;     /* file id -> version */
    struct dfs_list versions; /* all, ascending by serial: what a checkpoint walks */
    struct dfs_list trash;    /* meta_trash.by_age */
    uint64_t sequence;        /* the newest version number given */
    uint64_t versions_count;
    uint64_t trash_count;
    uint64_t bytes; /* allocated */
};

void meta_namespace_init(struct meta_namespace *ns);
void meta_namespace_close(struct meta_namespace *ns); /* frees versions with their (already emptied) files */

/* UTF-8, 1..DFS_PATH_BYTES_MAX bytes, no empty component, no "." or "..", no '/' at either end, no control
 * characters. */
bool meta_path_is_valid(const char *path, size_t path_bytes);

/* NULL when no such path has a current version. */
struct meta_version *meta_namespace_current(const struct meta_namespace *ns, const char *path, size_t path_bytes);
/* The path itself, if only trash is left as well. */
struct meta_path *meta_namespace_path(const struct meta_namespace *ns, const char *path, size_t path_bytes);
/* Current or in the trash of that path; expiring ones are not found. */
struct meta_version *meta_namespace_version(const struct meta_namespace *ns, const char *path, size_t path_bytes,
                                            uint64_t version);
struct meta_version *meta_namespace_file(const struct meta_namespace *ns, const struct dfs_id *file);

/* The first live path >= (or, with `after`, >) this key; NULL past the end. Any bytes are a key. */
struct meta_path *meta_namespace_seek(const struct meta_namespace *ns, const char *key, size_t key_bytes, bool after);
struct meta_path *meta_namespace_next(const struct meta_path *path); /* in the order of bytes */

/* Assignments -------------------------------------------------------------------------------------------- */

/* A version for `file` (new to the namespace: asserted), nowhere yet; meta_namespace_place follows. blocks
 * stay NULL. */
struct meta_version *meta_namespace_add(struct meta_namespace *ns, const struct dfs_id *file, uint64_t serial);

/* The version is the current one of `path`, as number `version`. */
void meta_namespace_place(struct meta_namespace *ns, struct meta_version *version, const char *path, size_t path_bytes,
                          uint64_t number);

/* The version is in the trash of `path`, since removed_ms, until `due`. Again with the same place keeps
 * its `due`. */
void meta_namespace_trash(struct meta_namespace *ns, struct meta_version *version, const char *path, size_t path_bytes,
                          uint64_t number, uint64_t removed_ms, dfs_time_ns due);

/* The version is gone. Its path too, when nothing else is there. */
void meta_namespace_drop(struct meta_namespace *ns, struct meta_version *version);

/* For tests and checkers: trees, lists and counts agree. O(n). */
bool meta_namespace_is_sound(const struct meta_namespace *ns);

#endif
