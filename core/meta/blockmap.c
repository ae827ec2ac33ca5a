#include "core/meta/blockmap.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <string.h>

_Static_assert(sizeof(struct meta_block) == 48, "a block's share of memory is promised");
_Static_assert(sizeof(struct meta_copy) == 28, "a copy's share of memory is promised");

/* What counts as bad for copies_bad. */
#define COPY_NOT_GOOD (META_COPY_BAD | META_COPY_DOUBTED)

/* Pools -------------------------------------------------------------------------------------------------- */

static void pool_init(struct meta_pool *pool, size_t entry_bytes)
{
    *pool = (struct meta_pool){.entry_bytes = entry_bytes};
}

static void pool_close(struct meta_pool *pool)
{
    for (uint32_t i = 0; i < pool->chunks_count; i++)
        dfs_free(pool->chunks[i]);
    dfs_free(pool->chunks);
    *pool = (struct meta_pool){0};
}

/* A zeroed entry. *bytes grows by what had to be allocated. The free list's link is the last word of an
 * entry. */
static uint32_t pool_take(struct meta_pool *pool, uint64_t *bytes)
{
    uint32_t number = pool->free;

    if (number != 0) {
        uint8_t *entry = meta_pool_at(pool, number);

        memcpy(&pool->free, entry + pool->entry_bytes - sizeof(uint32_t), sizeof(uint32_t));
        memset(entry, 0, pool->entry_bytes);
        pool->count++;
        return number;
    }
    if (pool->used == pool->chunks_count * META_POOL_CHUNK) {
        if (pool->chunks_count == pool->chunks_room) {
            const uint32_t room = pool->chunks_room == 0 ? 8 : pool->chunks_room * 2;

            DFS_ASSERT(room <= UINT32_MAX / META_POOL_CHUNK); /* numbers have 32 bits */
            pool->chunks = dfs_realloc_array(pool->chunks, room, sizeof *pool->chunks);
            *bytes += (room - pool->chunks_room) * sizeof *pool->chunks;
            pool->chunks_room = room;
        }
        pool->chunks[pool->chunks_count++] = dfs_alloc_zero_array(META_POOL_CHUNK, pool->entry_bytes);
        *bytes += META_POOL_CHUNK * pool->entry_bytes;
    }
    pool->count++;
    return ++pool->used;
}

static void pool_give(struct meta_pool *pool, uint32_t number)
{
    uint8_t *entry = meta_pool_at(pool, number);

    memset(entry, 0, pool->entry_bytes);
    memcpy(entry + pool->entry_bytes - sizeof(uint32_t), &pool->free, sizeof(uint32_t));
    pool->free = number;
    pool->count--;
}

/* Life --------------------------------------------------------------------------------------------------- */

void meta_blockmap_init(struct meta_blockmap *map)
{
    *map = (struct meta_blockmap){0};
    pool_init(&map->blocks, sizeof(struct meta_block));
    pool_init(&map->copies, sizeof(struct meta_copy));
}

void meta_blockmap_close(struct meta_blockmap *map)
{
    pool_close(&map->blocks);
    pool_close(&map->copies);
    dfs_free(map->nodes);
    *map = (struct meta_blockmap){0};
}

/* Blocks ------------------------------------------------------------------------------------------------- */

void meta_blockmap_add(struct meta_blockmap *map, struct meta_file *file, const struct meta_extent *extents,
                       uint32_t count)
{
    DFS_ASSERT(file->blocks == NULL && file->blocks_count == 0);
    if (count == 0)
        return;
    file->blocks = dfs_alloc(count * sizeof *file->blocks);
    file->blocks_count = count;
    map->bytes += count * sizeof *file->blocks;
    for (uint32_t i = 0; i < count; i++) {
        const meta_block_no number = pool_take(&map->blocks, &map->bytes);
        struct meta_block *block = meta_blockmap_block(map, number);

        block->file = file;
        block->index = i;
        block->generation = extents[i].generation;
        block->length_bytes = extents[i].length_bytes;
        block->crc32c = extents[i].crc32c;
        file->blocks[i] = number;
    }
}

void meta_blockmap_drop(struct meta_blockmap *map, struct meta_file *file)
{
    for (uint32_t i = 0; i < file->blocks_count; i++) {
        struct meta_block *block = meta_blockmap_block(map, file->blocks[i]);

        while (block->copies != 0)
            meta_blockmap_remove(map, block->copies);
        DFS_ASSERT(block->copies_count == 0 && block->copies_bad == 0);
        pool_give(&map->blocks, file->blocks[i]);
    }
    map->bytes -= file->blocks_count * sizeof *file->blocks;
    dfs_free(file->blocks);
    file->blocks = NULL;
    file->blocks_count = 0;
}

/* Copies ------------------------------------------------------------------------------------------------- */

static struct meta_node_copies *node_copies(struct meta_blockmap *map, uint16_t node)
{
    DFS_ASSERT(node < DFS_NODES_MAX);
    if (node >= map->nodes_room) {
        uint32_t room = map->nodes_room == 0 ? 16 : map->nodes_room;

        while (room <= node)
            room *= 2;
        map->nodes = dfs_realloc_array(map->nodes, room, sizeof *map->nodes);
        memset(map->nodes + map->nodes_room, 0, (room - map->nodes_room) * sizeof *map->nodes);
        map->bytes += (room - map->nodes_room) * sizeof *map->nodes;
        map->nodes_room = room;
    }
    return &map->nodes[node];
}

meta_copy_no meta_blockmap_find(const struct meta_blockmap *map, meta_block_no block, uint16_t node)
{
    meta_copy_no number = meta_blockmap_block(map, block)->copies;

    while (number != 0 && meta_blockmap_copy(map, number)->node != node)
        number = meta_blockmap_copy(map, number)->next;
    return number;
}

void meta_blockmap_flags(struct meta_blockmap *map, meta_copy_no number, uint8_t set, uint8_t clear)
{
    struct meta_copy *copy = meta_blockmap_copy(map, number);
    struct meta_block *block = meta_blockmap_block(map, copy->block);

    if ((copy->flags & COPY_NOT_GOOD) != 0)
        block->copies_bad--;
    copy->flags = (uint8_t)((copy->flags & ~clear) | set);
    if ((copy->flags & COPY_NOT_GOOD) != 0)
        block->copies_bad++;
}

static meta_copy_no copy_add(struct meta_blockmap *map, meta_block_no block_number, uint16_t node)
{
    const meta_copy_no number = pool_take(&map->copies, &map->bytes);
    struct meta_copy *copy = meta_blockmap_copy(map, number);
    struct meta_block *block = meta_blockmap_block(map, block_number);
    struct meta_node_copies *of_node = node_copies(map, node);
    meta_copy_no *link = &block->copies;

    DFS_ASSERT(block->copies_count < UINT8_MAX); /* a copy a node, and placement never wants so many */
    while (*link != 0)
        link = &meta_blockmap_copy(map, *link)->next;
    *link = number;
    block->copies_count++;
    copy->block = block_number;
    copy->node = node;
    copy->node_next = of_node->first;
    if (of_node->first != 0)
        meta_blockmap_copy(map, of_node->first)->node_prev = number;
    of_node->first = number;
    of_node->count++;
    of_node->bytes += block->length_bytes;
    return number;
}

meta_copy_no meta_blockmap_put(struct meta_blockmap *map, meta_block_no block, uint16_t node, uint8_t flags,
                               uint64_t change)
{
    meta_copy_no number = meta_blockmap_find(map, block, node);

    if (number == 0)
        number = copy_add(map, block, node);
    meta_blockmap_flags(map, number, flags, 0);
    struct meta_copy *copy = meta_blockmap_copy(map, number);

    if (change > meta_copy_change(copy)) {
        copy->change_high = (uint32_t)(change >> 32);
        copy->change_low = (uint32_t)change;
    }
    return number;
}

void meta_blockmap_remove(struct meta_blockmap *map, meta_copy_no number)
{
    struct meta_copy *copy = meta_blockmap_copy(map, number);
    struct meta_block *block = meta_blockmap_block(map, copy->block);
    struct meta_node_copies *of_node = node_copies(map, copy->node);
    meta_copy_no *link = &block->copies;

    while (*link != number) {
        DFS_ASSERT(*link != 0);
        link = &meta_blockmap_copy(map, *link)->next;
    }
    *link = copy->next;
    block->copies_count--;
    if ((copy->flags & COPY_NOT_GOOD) != 0)
        block->copies_bad--;
    if (copy->node_prev != 0)
        meta_blockmap_copy(map, copy->node_prev)->node_next = copy->node_next;
    else
        of_node->first = copy->node_next;
    if (copy->node_next != 0)
        meta_blockmap_copy(map, copy->node_next)->node_prev = copy->node_prev;
    of_node->count--;
    of_node->bytes -= block->length_bytes;
    pool_give(&map->copies, number);
}

/* Soundness ---------------------------------------------------------------------------------------------- */

static bool block_is_sound(const struct meta_blockmap *map, meta_block_no number, uint64_t *copies)
{
    const struct meta_block *block = meta_blockmap_block(map, number);
    uint32_t count = 0;
    uint32_t bad = 0;

    if (block->index >= block->file->blocks_count || block->file->blocks[block->index] != number)
        return false;
    for (meta_copy_no at = block->copies; at != 0; at = meta_blockmap_copy(map, at)->next) {
        const struct meta_copy *copy = meta_blockmap_copy(map, at);

        if (copy->block != number || count > UINT8_MAX)
            return false;
        count++;
        bad += (copy->flags & COPY_NOT_GOOD) != 0;
    }
    *copies += count;
    return count == block->copies_count && bad == block->copies_bad;
}

static bool node_is_sound(const struct meta_blockmap *map, uint16_t node, uint64_t *copies)
{
    const struct meta_node_copies of_node = meta_blockmap_node(map, node);
    uint64_t bytes = 0;
    uint32_t count = 0;
    meta_copy_no prev = 0;

    for (meta_copy_no at = of_node.first; at != 0; at = meta_blockmap_copy(map, at)->node_next) {
        const struct meta_copy *copy = meta_blockmap_copy(map, at);

        if (copy->node != node || copy->node_prev != prev || count == of_node.count)
            return false;
        bytes += meta_blockmap_block(map, copy->block)->length_bytes;
        count++;
        prev = at;
    }
    *copies += count;
    return count == of_node.count && bytes == of_node.bytes;
}

bool meta_blockmap_is_sound(const struct meta_blockmap *map)
{
    uint64_t of_blocks = 0;
    uint64_t of_nodes = 0;
    uint32_t blocks = 0;

    for (uint32_t i = 1; i <= map->blocks.used; i++) {
        if (meta_blockmap_block(map, i)->file == NULL)
            continue;
        blocks++;
        if (!block_is_sound(map, i, &of_blocks))
            return false;
    }
    for (uint32_t i = 0; i < map->nodes_room; i++) {
        if (!node_is_sound(map, (uint16_t)i, &of_nodes))
            return false;
    }
    return blocks == map->blocks.count && of_blocks == map->copies.count && of_nodes == map->copies.count;
}
