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

#include "core/base/heap.h"
#include "core/base/id.h"
#include "core/base/time.h"
#include "core/meta/index.h"
#include "core/meta/paths.h"
#include "core/meta/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the block map knows of a file: its blocks by index. Part of a version; blockmap.h fills it. */
struct meta_file {
    struct dfs_id id;
    union {
        uint32_t one;   /* blocks_count 1 */
        uint32_t *many; /* by block index; NULL when there are none */
    } blocks;           /* numbers in the block map's pool: meta_file_at() */
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

/* The number of a block in the block map; `index` is below blocks_count. */
static inline uint32_t meta_file_at(const struct meta_file *file, uint32_t index)
{
    return file->blocks_count == 1 ? file->blocks.one : file->blocks.many[index];
}

typedef uint32_t meta_version_no; /* 0: none */
typedef uint32_t meta_trash_no;   /* 0: none */

struct meta_version {
    struct meta_file file; /* first */
    uint64_t size_bytes;
    /* what clients see; given anew by commit, move and restore, so a path's versions only grow */
    uint64_t version;
    uint64_t serial;     /* the version it was committed as; never changes */
    uint64_t created_ms; /* wall, for people */
    uint32_t digest;
    uint32_t block_size_bytes;
    meta_version_no number; /* its own; 0: this slot of the pool is free */
    meta_version_no chain;  /* of the index of file ids */
    meta_path_no path;      /* 0: nowhere yet */
    meta_trash_no trash;    /* 0: current */
};

/* What only a removed version needs. */
struct meta_trash {
    meta_version_no version;
    meta_trash_no newer; /* of the same path, in order of removal; during a replay in any */
    meta_trash_no older;
    struct dfs_heap_item by_due; /* in namespace.due */
    dfs_time_ns due;             /* mono: when it may expire */
    uint64_t removed_ms;         /* wall, for people */
};

struct meta_namespace {
    struct meta_paths paths;
    struct meta_pool versions;
    struct meta_pool trash;
    struct meta_index files; /* file id -> version */
    struct dfs_heap due;     /* meta_trash.by_due; those that are expiring have left it */
    uint64_t sequence;       /* the newest version number given */
};

/* `seed` is known to nobody who chooses paths. The namespace stays where it is. */
void meta_namespace_init(struct meta_namespace *ns, uint64_t seed);
void meta_namespace_close(struct meta_namespace *ns); /* frees versions with their (already emptied) files */

/* UTF-8, 1..DFS_PATH_BYTES_MAX bytes, no empty component, no "." or "..", no '/' at either end, no control
 * characters. */
bool meta_path_is_valid(const char *path, size_t path_bytes);

/* Exact questions are O(1). NULL when no such path has a current version. */
struct meta_version *meta_namespace_current(const struct meta_namespace *ns, const char *path, size_t path_bytes);
/* The path itself, if only trash is left as well. */
struct meta_path *meta_namespace_path(const struct meta_namespace *ns, const char *path, size_t path_bytes);
/* Current or in the trash of that path; expiring ones are not found. */
struct meta_version *meta_namespace_version(const struct meta_namespace *ns, const char *path, size_t path_bytes,
                                            uint64_t version);
struct meta_version *meta_namespace_file(const struct meta_namespace *ns, const struct dfs_id *file);

static inline struct meta_version *meta_version_at(const struct meta_namespace *ns, meta_version_no number)
{
    return meta_pool_at(&ns->versions, number);
}

static inline struct meta_trash *meta_trash_at(const struct meta_namespace *ns, meta_trash_no number)
{
    return meta_pool_at(&ns->trash, number);
}

/* NULL: only trash. */
static inline struct meta_version *meta_path_current(const struct meta_namespace *ns, const struct meta_path *path)
{
    return path->current == 0 ? NULL : meta_version_at(ns, path->current);
}

/* NULL: nowhere yet. */
static inline struct meta_path *meta_version_path(const struct meta_namespace *ns, const struct meta_version *version)
{
    return version->path == 0 ? NULL : meta_path_at(&ns->paths, version->path);
}

/* When a version was removed; 0: it is current. */
static inline uint64_t meta_version_removed_ms(const struct meta_namespace *ns, const struct meta_version *version)
{
    return version->trash == 0 ? 0 : meta_trash_at(ns, version->trash)->removed_ms;
}

/* Every version once, in no order that means anything: the first of a number >= *number (begin with 1), which is set behind
 * it; NULL past the end. What is added or dropped meanwhile is met or not. */
struct meta_version *meta_namespace_walk(const struct meta_namespace *ns, meta_version_no *number);

/* What may expire first; NULL: the trash is empty, or all of it is expiring. */
struct meta_trash *meta_namespace_due(const struct meta_namespace *ns);
/* The version's EXPIRE record is on its way: nobody finds it any more. */
void meta_namespace_expiring(struct meta_namespace *ns, struct meta_version *version);

/* The first live path >= (or, with `after`, >) this key; NULL past the end. Any bytes are a key. */
struct meta_path *meta_namespace_seek(const struct meta_namespace *ns, const char *key, size_t key_bytes, bool after);
struct meta_path *meta_namespace_next(const struct meta_namespace *ns,
                                      const struct meta_path *path); /* in the order of bytes */

uint64_t meta_namespace_bytes(const struct meta_namespace *ns); /* allocated, the files' block lists not included */

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

/* A replay is over: what was removed is put in order, since a checkpoint tells files in no order. O(n log n) in the trash. */
void meta_namespace_replayed(struct meta_namespace *ns);

/* The version is gone. Its path too, when nothing else is there. */
void meta_namespace_drop(struct meta_namespace *ns, struct meta_version *version);

/* For tests and checkers: trees, lists and counts agree. O(n). */
bool meta_namespace_is_sound(const struct meta_namespace *ns);

#endif
