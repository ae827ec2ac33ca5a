/*
 * sample.h - a value for every message, made from its layout: every field set, every list with two entries, every number within bounds. The same
 * on every machine, so that goldens and truncation tests cover whatever the schema holds.
 */
#ifndef DFS_TESTS_SUPPORT_SAMPLE_H
#define DFS_TESTS_SUPPORT_SAMPLE_H

#include "core/base/arena.h"
#include "core/wire/message.h"

/* Fills `value` (a struct of `layout`); lists come from `arena`, texts are static. */
void sample_fill(const struct dfs_layout *layout, void *value, struct dfs_arena *arena, uint64_t seed);

/* Where a field's bytes stand in the encoding of a sample. */
struct sample_place {
    const struct dfs_field *field;
    size_t begin; /* of the field's bytes (for texts and lists: of the count) */
    size_t end;
};

/* Places of all fields, those of parts and list entries included, in wire order; returns how many. */
size_t sample_places(const struct dfs_layout *layout, const void *value, struct sample_place *places,
                     size_t places_max);

#endif
