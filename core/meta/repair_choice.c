/*
 * repair_choice.c - who copies to whom, and whose copy is one too many: by zones, by what each has to do, by what has failed.
 */
#include "core/meta/repair_inside.h"

/* Copies -------------------------------------------------------------------------------------------------- */

/* Who has the block, or is getting it. */
struct around {
    const struct meta_repair *repair;
    const struct meta_block *block;
    uint16_t holders[META_COPIES_LOOKED_AT_MAX + DFS_REPLICAS_MAX]; /* their zones are used */
    uint16_t others[META_COPIES_LOOKED_AT_MAX]; /* bad or leaving: no target either, but their zones are free */
    uint32_t holders_count;
    uint32_t others_count;
    uint16_t avoid;
    bool limited; /* only targets that can take a copy now */
    dfs_time_ns now;
};

static void around_fill(struct around *around, const struct meta_repair *repair, meta_block_no number, dfs_time_ns now)
{
    const struct meta_block *block = meta_repair_block(repair, number);
    uint32_t seen = 0;

    around->repair = repair;
    around->block = block;
    around->holders_count = 0;
    around->others_count = 0;
    around->avoid = META_NODE_NONE;
    around->limited = false;
    around->now = now;
    for (meta_copy_no no = meta_blockmap_first(repair->map, number); no != 0 && seen < META_COPIES_LOOKED_AT_MAX;
         seen++, no = meta_blockmap_next(repair->map, no)) {
        const struct meta_copy *copy = meta_blockmap_copy(repair->map, no);
        const bool stays = (meta_repair_rights_on(repair, copy) & META_RIGHT_STAYS) != 0;

        if (stays && (copy->flags & (META_COPY_BAD | META_COPY_EXCESS)) == 0)
            around->holders[around->holders_count++] = copy->node;
        else
            around->others[around->others_count++] = copy->node;
    }
    uint32_t running = block->mark & META_MARK_RUNNING;

    for (const struct dfs_list *at = repair->all.next; running > 0 && at != &repair->all; at = at->next) {
        const struct meta_copying *copying = dfs_container_of_const(at, struct meta_copying, all);

        if (copying->block != number)
            continue;
        around->holders[around->holders_count++] = copying->node[META_TARGET];
        running--;
    }
}

static bool is_among(const uint16_t *nodes, uint32_t count, uint16_t node)
{
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i] == node)
            return true;
    }
    return false;
}

static bool may_be_target(void *ctx, uint16_t index)
{
    const struct around *around = ctx;
    const struct meta_repair_node *node = meta_repair_node(around->repair, index);

    if (node == NULL || (node->rights & META_RIGHT_TARGET) == 0 || index == around->avoid ||
        is_among(around->others, around->others_count, index))
        return false;
    if (!meta_repair_has_room(around->repair, index, around->block->length_bytes))
        return false;
    return !around->limited || meta_repair_side_is_free(around->repair, node, META_TARGET, around->now);
}

static uint16_t pick_target(struct around *around, bool limited, uint16_t avoid)
{
    const struct dfs_placement_rule rule = {
        .ctx = around, .eligible = may_be_target, .holders = around->holders, .holders_count = around->holders_count};
    const struct meta_block *block = around->block;
    uint16_t found[DFS_REPLICAS_MAX];

    around->limited = limited;
    around->avoid = avoid;
    const uint64_t hash = dfs_placement_hash(&block->file->id, block->index, block->generation);

    return dfs_placement_choose(around->repair->ring, hash, 1, &rule, found) == 0 ? META_NODE_NONE : found[0];
}

static bool zone_is_free(const struct around *around, uint16_t node)
{
    const struct dfs_keyring *ring = around->repair->ring;

    for (uint32_t i = 0; i < around->holders_count; i++) {
        const uint16_t holder = around->holders[i];

        if (dfs_keyring_has(ring, holder) && ring->members[holder].zone == ring->members[node].zone)
            return false;
    }
    return true;
}

uint16_t meta_repair_choose_target(const struct meta_repair *repair, meta_block_no number,
                                   const struct meta_trouble *trouble, dfs_time_ns now, uint16_t *ret_park)
{
    struct around filled;
    struct around *around = &filled;

    around_fill(around, repair, number, now);
    const uint16_t avoid = trouble == NULL ? META_NODE_NONE : trouble->avoid[META_TARGET];
    const uint16_t best = pick_target(around, false, META_NODE_NONE);
    uint16_t target;

    *ret_park = best;
    if (best == META_NODE_NONE)
        return META_NODE_NONE;
    /* A busy node in a zone of its own is better than an idle one beside another copy: then it is worth
     * waiting. */
    const bool spread = zone_is_free(around, best);

    target = pick_target(around, true, avoid);
    if (target != META_NODE_NONE && (!spread || zone_is_free(around, target)))
        return target;
    if (avoid == META_NODE_NONE)
        return META_NODE_NONE;
    /* The only one in such a zone has failed: it gets a few more tries before a worse place is taken. */
    if (target != META_NODE_NONE && trouble->attempts > META_TARGET_TRIES)
        return target;
    target = pick_target(around, true, META_NODE_NONE);
    return target != META_NODE_NONE && (!spread || zone_is_free(around, target)) ? target : META_NODE_NONE;
}

uint16_t meta_repair_choose_source(const struct meta_repair *repair, meta_block_no number,
                                   const struct meta_trouble *trouble, dfs_time_ns now, uint16_t *ret_park)
{
    const uint16_t avoid = trouble == NULL ? META_NODE_NONE : trouble->avoid[META_SOURCE];
    const struct meta_repair_node *best = NULL;
    const struct meta_repair_node *busy = NULL;

    for (meta_copy_no no = meta_blockmap_first(repair->map, number); no != 0;
         no = meta_blockmap_next(repair->map, no)) {
        const struct meta_copy *copy = meta_blockmap_copy(repair->map, no);
        const struct meta_repair_node *node = meta_repair_node(repair, copy->node);

        if ((copy->flags & (META_COPY_BAD | META_COPY_DOUBTED | META_COPY_EXCESS)) != 0 || node == NULL ||
            (node->rights & META_RIGHT_SOURCE) == 0 || (node->rights & META_RIGHT_COUNTS) == 0)
            continue;
        if (!meta_repair_side_is_free(repair, node, META_SOURCE, now)) {
            if (busy == NULL || node->running[META_SOURCE] < busy->running[META_SOURCE])
                busy = node;
        } else if (best == NULL || best->index == avoid ||
                   (node->index != avoid && node->running[META_SOURCE] < best->running[META_SOURCE])) {
            best = node;
        }
    }
    *ret_park = busy == NULL ? META_NODE_NONE : busy->index;
    return best == NULL ? META_NODE_NONE : best->index;
}

meta_copy_no meta_repair_bad_copy(const struct meta_repair *repair, meta_block_no number, uint8_t rights)
{
    for (meta_copy_no no = meta_blockmap_first(repair->map, number); no != 0;
         no = meta_blockmap_next(repair->map, no)) {
        const struct meta_copy *copy = meta_blockmap_copy(repair->map, no);

        if ((copy->flags & META_COPY_BAD) != 0 && (copy->flags & META_COPY_EXCESS) == 0 &&
            (meta_repair_rights_on(repair, copy) & rights) == rights)
            return no;
    }
    return 0;
}

/* Trimming ------------------------------------------------------------------------------------------------ */

static uint16_t zone_of(const struct meta_repair *repair, uint16_t node)
{
    return dfs_keyring_has(repair->ring, node) ? repair->ring->members[node].zone : 0;
}

/* Is `a` the better victim of the two? */
static bool victim_before(const struct meta_repair *repair, const meta_copy_no *left, uint32_t count, uint32_t a,
                          uint32_t b)
{
    const uint16_t nodes[2] = {meta_blockmap_copy(repair->map, left[a])->node,
                               meta_blockmap_copy(repair->map, left[b])->node};
    bool alone[2] = {true, true};

    for (uint32_t i = 0; i < count; i++) {
        const uint16_t zone = zone_of(repair, meta_blockmap_copy(repair->map, left[i])->node);

        for (uint32_t k = 0; k < 2; k++) {
            if (i != (k == 0 ? a : b) && zone == zone_of(repair, nodes[k]))
                alone[k] = false;
        }
    }
    if (alone[0] != alone[1])
        return alone[1];
    const struct meta_repair_node *first = repair->nodes[nodes[0]];
    const struct meta_repair_node *second = repair->nodes[nodes[1]];

    if (first->flaps != second->flaps)
        return first->flaps > second->flaps;
    return first->room_bytes < second->room_bytes;
}

bool meta_repair_trim_plan(const struct meta_repair *repair, meta_block_no number, struct meta_trim_plan *ret_plan)
{
    const struct meta_block *block = meta_repair_block(repair, number);
    const uint8_t needed = META_RIGHT_COUNTS | META_RIGHT_STAYS | META_RIGHT_SOURCE;
    const uint32_t wanted = block->file->copies_wanted;
    meta_copy_no left[META_COPIES_LOOKED_AT_MAX];
    uint32_t count = 0;

    for (meta_copy_no no = meta_blockmap_first(repair->map, number); no != 0 && count < META_COPIES_LOOKED_AT_MAX;
         no = meta_blockmap_next(repair->map, no)) {
        const struct meta_copy *copy = meta_blockmap_copy(repair->map, no);

        if ((copy->flags & (META_COPY_BAD | META_COPY_DOUBTED | META_COPY_EXCESS)) == 0 &&
            (meta_repair_rights_on(repair, copy) & needed) == needed)
            left[count++] = no;
    }
    if (count <= wanted)
        return false;
    ret_plan->victims_count = 0;
    while (count > wanted) {
        uint32_t victim = 0;

        for (uint32_t i = 1; i < count; i++) {
            if (!victim_before(repair, left, count, victim, i))
                victim = i;
        }
        ret_plan->victims[ret_plan->victims_count++] = left[victim];
        count--;
        for (uint32_t i = victim; i < count; i++)
            left[i] = left[i + 1];
    }
    ret_plan->keep_count = count;
    for (uint32_t i = 0; i < count; i++)
        ret_plan->keep[i] = left[i];
    return true;
}
