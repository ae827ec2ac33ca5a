/*
 * id.h - 128-bit ids (cluster, node, file, operation), as UUIDs.
 *
 * Made from bytes of the env's rng (version 4), compared as bytes; what people type is parsed by libuuid. Zero is "none".
 */
#ifndef DFS_CORE_BASE_ID_H
#define DFS_CORE_BASE_ID_H

#include "core/base/cursor.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DFS_ID_BYTES 16
#define DFS_ID_TEXT_BYTES 37 /* 36 characters and the end */

struct dfs_id {
    uint8_t bytes[DFS_ID_BYTES];
};

static inline bool dfs_id_equal(const struct dfs_id *a, const struct dfs_id *b)
{
    return memcmp(a->bytes, b->bytes, DFS_ID_BYTES) == 0;
}

/* In the order of their bytes. */
static inline int dfs_id_compare(const struct dfs_id *a, const struct dfs_id *b)
{
    uint64_t left = dfs_load_be64(a->bytes);
    uint64_t right = dfs_load_be64(b->bytes);

    if (left == right) {
        left = dfs_load_be64(a->bytes + 8);
        right = dfs_load_be64(b->bytes + 8);
    }
    return (left > right) - (left < right);
}

static inline bool dfs_id_is_zero(const struct dfs_id *id)
{
    static const struct dfs_id zero;
    return dfs_id_equal(id, &zero);
}

/* Sets the version and variant bits of RFC 4122 in 16 random bytes. */
void dfs_id_make_random(struct dfs_id *id);

/* "6fa459ea-ee8a-4ca4-894e-db77e160355e", lower case. */
void dfs_id_print(const struct dfs_id *id, char ret_text[DFS_ID_TEXT_BYTES]);

/* Exactly the 36 characters above (either case); false and *ret_id untouched otherwise. */
bool dfs_id_parse(const char *text, struct dfs_id *ret_id);

/* The first 36 characters, which must be there, are those that dfs_id_print makes: no capitals, so one id has one text. For what we have printed
 * ourselves; false and *ret_id untouched otherwise. */
bool dfs_id_parse_printed(const char *text, struct dfs_id *ret_id);

#endif
