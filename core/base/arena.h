/*
 * arena.h - bump memory for the lists of one decoded message: taken in pieces, given back at once.
 */
#ifndef DFS_CORE_BASE_ARENA_H
#define DFS_CORE_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct dfs_arena_chunk;

/* Where the next piece comes from stands here and not in the chunk: a reset touches none of its memory. */
struct dfs_arena {
    uint8_t *next;                  /* in the newest chunk */
    size_t left;                    /* bytes of it behind that */
    size_t used;                    /* bytes handed out since the last reset */
    size_t first_bytes;             /* of the only chunk; 0: there is none, or more than one */
    struct dfs_arena_chunk *chunks; /* the newest first */
    size_t bytes_max;
};

void dfs_arena_init(struct dfs_arena *arena, size_t bytes_max);
void dfs_arena_close(struct dfs_arena *arena);

/* Zeroed, aligned for any type; NULL when bytes_max would be passed. count * size is checked for overflow. */
void *dfs_arena_take(struct dfs_arena *arena, size_t count, size_t size);

/* The same with undefined contents, for who fills all of it. */
void *dfs_arena_take_raw(struct dfs_arena *arena, size_t count, size_t size);

/* All memory taken is void; the largest chunk is kept for the next message. */
void dfs_arena_reset(struct dfs_arena *arena);

#endif
