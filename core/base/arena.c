#include "core/base/arena.h"

#include "core/base/mem.h"

#include <stdalign.h>
#include <string.h>

#define ARENA_ALIGNMENT alignof(max_align_t)
#define ARENA_CHUNK_BYTES_MIN 4096 /* most messages fit into one */

struct dfs_arena_chunk {
    struct dfs_arena_chunk *next;
    size_t capacity;
    alignas(max_align_t) uint8_t bytes[];
};

void dfs_arena_init(struct dfs_arena *arena, size_t bytes_max)
{
    *arena = (struct dfs_arena){.bytes_max = bytes_max};
}

void dfs_arena_close(struct dfs_arena *arena)
{
    struct dfs_arena_chunk *chunk = arena->chunks;

    while (chunk != NULL) {
        struct dfs_arena_chunk *next = chunk->next;

        dfs_free(chunk);
        chunk = next;
    }
    *arena = (struct dfs_arena){0};
}

/* A chunk for at least `bytes`, twice as large as the one before, so that a long list takes few. */
static void add_chunk(struct dfs_arena *arena, size_t bytes)
{
    size_t capacity = arena->chunks == NULL ? ARENA_CHUNK_BYTES_MIN : 2 * arena->chunks->capacity;
    struct dfs_arena_chunk *chunk;

    if (capacity > arena->bytes_max)
        capacity = arena->bytes_max;
    if (capacity < bytes)
        capacity = bytes;
    chunk = dfs_alloc(sizeof *chunk + capacity);
    *chunk = (struct dfs_arena_chunk){.next = arena->chunks, .capacity = capacity};
    arena->chunks = chunk;
    arena->next = chunk->bytes;
    arena->left = capacity;
    arena->first_bytes = chunk->next == NULL ? capacity : 0;
}

void *dfs_arena_take_raw(struct dfs_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    void *taken;

    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - ARENA_ALIGNMENT)
        return NULL;
    bytes = (bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (bytes > arena->bytes_max - arena->used)
        return NULL;
    if (arena->chunks == NULL || bytes > arena->left)
        add_chunk(arena, bytes);
    taken = arena->next;
    arena->next += bytes;
    arena->left -= bytes;
    arena->used += bytes;
    return taken;
}

void *dfs_arena_take(struct dfs_arena *arena, size_t count, size_t size)
{
    void *taken = dfs_arena_take_raw(arena, count, size);

    if (taken != NULL)
        memset(taken, 0, count * size);
    return taken;
}

void dfs_arena_reset(struct dfs_arena *arena)
{
    struct dfs_arena_chunk *largest = NULL;

    if (arena->first_bytes > 0) { /* as nearly always */
        arena->next -= arena->used;
        arena->left = arena->first_bytes;
        arena->used = 0;
        return;
    }
    arena->used = 0;
    if (arena->chunks == NULL)
        return;
    while (arena->chunks != NULL) {
        struct dfs_arena_chunk *chunk = arena->chunks;

        arena->chunks = chunk->next;
        if (largest == NULL || chunk->capacity > largest->capacity) {
            dfs_free(largest);
            largest = chunk;
        } else {
            dfs_free(chunk);
        }
    }
    largest->next = NULL;
    arena->chunks = largest;
    arena->next = largest->bytes;
    arena->left = largest->capacity;
    arena->first_bytes = largest->capacity;
}
