/*
 * paths.h - the paths that have versions: found by their bytes in O(1), walked in the order of their bytes.
 *
 * A record is 31 bytes and the text, in pools by length; links are numbers. Every path is in the index. In the order (an AVL tree:
 * Adelson-Velsky, Landis 1962) are those only which a listing shows; the caller says which (meta_paths_order).
 *
 * Who chooses a path may choose many: the index is keyed with a seed that nobody else knows.
 */
#ifndef DFS_CORE_META_PATHS_H
#define DFS_CORE_META_PATHS_H

#include "core/base/limits.h"
#include "core/meta/index.h"
#include "core/meta/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t meta_path_no; /* 0: none */

struct meta_path {
    meta_path_no left; /* the order */
    meta_path_no right;
    meta_path_no parent;
    meta_path_no chain; /* the index */
    uint32_t current;   /* the namespace's: its version; 0: only trash */
    uint32_t trash;     /* the removal that was last; 0: none */
    uint32_t versions;  /* whose path this is: it lives while there are any */
    uint16_t text_bytes;
    uint8_t height; /* 0: not in the order */
    char text[];    /* no 0 at the end */
};

/* Classes of records by length: in steps of 8 bytes up to META_PATHS_SMALL classes, of 32 above. */
#define META_PATHS_SMALL 16
#define META_PATHS_CLASSES 44

struct meta_paths {
    struct meta_pool pools[META_PATHS_CLASSES];
    struct meta_index index;
    meta_path_no root;
    uint32_t ordered; /* paths in the order */
    uint64_t seed;
};

/* A number is the class in the upper bits and the pool's number below. */
#define META_PATH_CLASS_SHIFT 26

void meta_paths_init(struct meta_paths *paths, uint64_t seed);
void meta_paths_close(struct meta_paths *paths); /* all of them are gone */

static inline struct meta_path *meta_path_at(const struct meta_paths *paths, meta_path_no number)
{
    return meta_pool_at(&paths->pools[number >> META_PATH_CLASS_SHIFT],
                        number & ((UINT32_C(1) << META_PATH_CLASS_SHIFT) - 1));
}

meta_path_no meta_paths_find(const struct meta_paths *paths, const char *text, size_t bytes); /* 0: not there */
/* A path that is not there yet, of 1..DFS_PATH_BYTES_MAX bytes; not in the order. */
meta_path_no meta_paths_add(struct meta_paths *paths, const char *text, size_t bytes);
/* It goes; out of the order too. */
void meta_paths_remove(struct meta_paths *paths, meta_path_no number);

/* In the order, or not: nothing happens when it is so already. */
void meta_paths_order(struct meta_paths *paths, meta_path_no number, bool in);

/* Of those in the order: the first whose bytes are not below these, and the one behind. NULL past the end. */
struct meta_path *meta_paths_at_least(const struct meta_paths *paths, const char *text, size_t bytes);
struct meta_path *meta_paths_next(const struct meta_paths *paths, const struct meta_path *path);

/* As memcmp; a beginning comes first. */
int meta_path_compare(const struct meta_path *path, const char *text, size_t bytes);

uint64_t meta_paths_bytes(const struct meta_paths *paths); /* allocated */

/* For tests: in order, balanced, and the index holds all. O(n). */
bool meta_paths_is_sound(const struct meta_paths *paths);

#endif
