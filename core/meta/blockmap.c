#include "core/meta/blockmap.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <string.h>

_Static_assert(sizeof(struct meta_block) == 72, "a block's share of memory is promised");
_Static_assert(sizeof(struct meta_extra) == 20, "a further copy's share of memory is promised");
_Static_assert(META_COPIES_INLINE <= 4, "two bits of a copy's number name its place");

/* What counts as bad for copies_bad. */
#define COPY_NOT_GOOD (META_COPY_BAD | META_COPY_DOUBTED)

/* Life --------------------------------------------------------------------------------------------------- */

void meta_blockmap_init(struct meta_blockmap *map)
{
    *map = (struct meta_blockmap){.nodes = NULL};
    meta_pool_init(&map->blocks, sizeof(struct meta_block));
    meta_pool_init(&map->extras, sizeof(struct meta_extra));
}

void meta_blockmap_close(struct meta_blockmap *map)
{
    meta_pool_close(&map->blocks);
    meta_pool_close(&map->extras);
    dfs_free(map->nodes);
    meta_blockmap_init(map);
}

uint64_t meta_blockmap_bytes(const struct meta_blockmap *map)
{
    return meta_pool_bytes(&map->blocks) + meta_pool_bytes(&map->extras) +
           (uint64_t)map->nodes_room * sizeof *map->nodes + map->list_bytes;
}

/* Blocks ------------------------------------------------------------------------------------------------- */

static uint64_t list_bytes(const struct meta_file *file)
{
    return file->blocks_count > 1 ? file->blocks_count * sizeof *file->blocks.many : 0;
}

static meta_block_no block_add(struct meta_blockmap *map, struct meta_file *file, uint32_t index,
                               const struct meta_extent *extent)
{
    const meta_block_no number = meta_pool_take(&map->blocks);
    struct meta_block *block = meta_blockmap_block(map, number);

    DFS_ASSERT(number <= META_BLOCKS_MAX);
    block->file = file;
    block->index = index;
    block->generation = extent->generation;
    block->length_bytes = extent->length_bytes;
    block->crc32c = extent->crc32c;
    return number;
}

void meta_blockmap_add(struct meta_blockmap *map, struct meta_file *file, const struct meta_extent *extents,
                       uint32_t count)
{
    DFS_ASSERT(file->blocks_count == 0);
    if (count == 0)
        return;
    file->blocks_count = count;
    map->list_bytes += list_bytes(file);
    if (count == 1) {
        file->blocks.one = block_add(map, file, 0, extents);
        return;
    }
    file->blocks.many = dfs_alloc(count * sizeof *file->blocks.many);
    for (uint32_t i = 0; i < count; i++)
        file->blocks.many[i] = block_add(map, file, i, &extents[i]);
}

void meta_blockmap_drop(struct meta_blockmap *map, struct meta_file *file)
{
    for (uint32_t i = 0; i < file->blocks_count; i++) {
        const meta_block_no number = meta_file_at(file, i);
        const struct meta_block *block = meta_blockmap_block(map, number);
        meta_copy_no copy;

        while ((copy = meta_blockmap_first(map, number)) != 0)
            meta_blockmap_remove(map, copy);
        DFS_ASSERT(block->copies_count == 0 && block->copies_bad == 0);
        meta_pool_give(&map->blocks, number);
    }
    map->list_bytes -= list_bytes(file);
    if (file->blocks_count > 1)
        dfs_free(file->blocks.many);
    file->blocks.many = NULL;
    file->blocks_count = 0;
}

/* Copies ------------------------------------------------------------------------------------------------- */

/* The first copy of a block at or behind this place. */
static meta_copy_no first_from(const struct meta_blockmap *map, meta_block_no number, uint32_t place)
{
    const struct meta_block *block = meta_blockmap_block(map, number);

    for (; place < META_COPIES_INLINE; place++) {
        if (block->copies[place].here)
            return number << 2 | place;
    }
    return block->extra == 0 ? 0 : block->extra | META_COPY_EXTRA;
}

meta_copy_no meta_blockmap_first(const struct meta_blockmap *map, meta_block_no block)
{
    return first_from(map, block, 0);
}

meta_copy_no meta_blockmap_next(const struct meta_blockmap *map, meta_copy_no number)
{
    if ((number & META_COPY_EXTRA) == 0)
        return first_from(map, number >> 2, (number & 3) + 1);
    const uint32_t next = meta_blockmap_extra(map, number)->next;

    return next == 0 ? 0 : next | META_COPY_EXTRA;
}

static struct meta_node_copies *node_copies(struct meta_blockmap *map, uint16_t node)
{
    DFS_ASSERT(node < DFS_NODES_MAX);
    if (node >= map->nodes_room) {
        uint32_t room = map->nodes_room == 0 ? 16 : map->nodes_room;

        while (room <= node)
            room *= 2;
        map->nodes = dfs_realloc_array(map->nodes, room, sizeof *map->nodes);
        memset(map->nodes + map->nodes_room, 0, (room - map->nodes_room) * sizeof *map->nodes);
        map->nodes_room = room;
    }
    return &map->nodes[node];
}

meta_copy_no meta_blockmap_find(const struct meta_blockmap *map, meta_block_no block, uint16_t node)
{
    meta_copy_no number = meta_blockmap_first(map, block);

    while (number != 0 && meta_blockmap_copy(map, number)->node != node)
        number = meta_blockmap_next(map, number);
    return number;
}

void meta_blockmap_flags(struct meta_blockmap *map, meta_copy_no number, uint8_t set, uint8_t clear)
{
    struct meta_copy *copy = meta_blockmap_copy(map, number);
    struct meta_block *block = meta_blockmap_block(map, meta_copy_block(map, number));

    if ((copy->flags & COPY_NOT_GOOD) != 0)
        block->copies_bad--;
    copy->flags = (uint8_t)((copy->flags & ~clear) | set);
    if ((copy->flags & COPY_NOT_GOOD) != 0)
        block->copies_bad++;
}

/* The first free place of the block, or behind its extra ones. */
static meta_copy_no place_take(struct meta_blockmap *map, meta_block_no number)
{
    struct meta_block *block = meta_blockmap_block(map, number);
    uint32_t *link = &block->extra;

    for (uint32_t place = 0; place < META_COPIES_INLINE; place++) {
        if (!block->copies[place].here)
            return number << 2 | place;
    }
    while (*link != 0)
        link = &meta_blockmap_extra(map, *link)->next;
    *link = meta_pool_take(&map->extras);
    DFS_ASSERT(*link < META_COPY_EXTRA);
    meta_blockmap_extra(map, *link)->block = number;
    return *link | META_COPY_EXTRA;
}

static void place_give(struct meta_blockmap *map, meta_copy_no number)
{
    const uint32_t extra = number & ~META_COPY_EXTRA;
    uint32_t *link;

    if ((number & META_COPY_EXTRA) == 0) {
        *meta_blockmap_copy(map, number) = (struct meta_copy){.here = false};
        return;
    }
    link = &meta_blockmap_block(map, meta_copy_block(map, number))->extra;
    while (*link != extra) {
        DFS_ASSERT(*link != 0);
        link = &meta_blockmap_extra(map, *link)->next;
    }
    *link = meta_blockmap_extra(map, extra)->next;
    meta_pool_give(&map->extras, extra);
}

static meta_copy_no copy_add(struct meta_blockmap *map, meta_block_no block_number, uint16_t node)
{
    const meta_copy_no number = place_take(map, block_number);
    struct meta_copy *copy = meta_blockmap_copy(map, number);
    struct meta_block *block = meta_blockmap_block(map, block_number);
    struct meta_node_copies *of_node = node_copies(map, node);

    DFS_ASSERT(block->copies_count < UINT8_MAX); /* a copy a node, and placement never wants so many */
    block->copies_count++;
    map->copies_count++;
    *copy = (struct meta_copy){.here = true, .node = node, .node_next = of_node->first};
    if (of_node->first != 0)
        meta_blockmap_copy(map, of_node->first)->node_prev = number;
    of_node->first = number;
    of_node->count++;
    of_node->bytes += block->length_bytes;
    return number;
}

meta_copy_no meta_blockmap_put(struct meta_blockmap *map, meta_block_no block, uint16_t node, uint8_t flags)
{
    meta_copy_no number = meta_blockmap_find(map, block, node);

    if (number == 0)
        number = copy_add(map, block, node);
    meta_blockmap_flags(map, number, flags, 0);
    return number;
}

void meta_blockmap_remove(struct meta_blockmap *map, meta_copy_no number)
{
    const struct meta_copy *copy = meta_blockmap_copy(map, number);
    struct meta_block *block = meta_blockmap_block(map, meta_copy_block(map, number));
    struct meta_node_copies *of_node = node_copies(map, copy->node);

    DFS_ASSERT(copy->here && block->copies_count > 0);
    block->copies_count--;
    map->copies_count--;
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
    place_give(map, number);
}

/* Soundness ---------------------------------------------------------------------------------------------- */

static bool block_is_sound(const struct meta_blockmap *map, meta_block_no number, uint64_t *copies)
{
    const struct meta_block *block = meta_blockmap_block(map, number);
    uint32_t count = 0;
    uint32_t bad = 0;

    if (block->index >= block->file->blocks_count || meta_file_at(block->file, block->index) != number)
        return false;
    for (meta_copy_no at = meta_blockmap_first(map, number); at != 0; at = meta_blockmap_next(map, at)) {
        const struct meta_copy *copy = meta_blockmap_copy(map, at);

        if (!copy->here || meta_copy_block(map, at) != number || count > UINT8_MAX)
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
        bytes += meta_blockmap_block(map, meta_copy_block(map, at))->length_bytes;
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
    return blocks == map->blocks.count && of_blocks == map->copies_count && of_nodes == map->copies_count;
}
