/*
 * trim.c - copies too many. One is removed only after the copies that stay, as many as wanted, were read and
 * found right just now: a plan that trusts the map could remove the last good copy (SeaweedFS #10719). Who
 * cannot be asked is neither trusted nor trimmed.
 */
#include "core/meta/nodes.h"

static struct meta_trim *trim_free(struct meta_nodes *nodes, uint32_t *ret_slot)
{
    for (uint32_t i = 0; i < DFS_META_MOST_trims; i++) {
        if (!nodes->trims[i].running) {
            *ret_slot = i;
            return &nodes->trims[i];
        }
    }
    return NULL;
}

static void trim_end(struct dfs_meta *meta, struct meta_trim *trim)
{
    const meta_block_no block = meta_block_find(meta, &trim->block);

    trim->running = false;
    meta->nodes->trims_running--;
    if (block != 0)
        meta_repair_trim_end(&meta->nodes->repair, block, meta->fair);
}

static void trim_give_up(struct dfs_meta *meta, struct meta_trim *trim)
{
    meta->nodes->counters.trims_given_up++;
    trim_end(meta, trim);
}

static bool nodes_can_verify(const struct dfs_meta *meta, const struct meta_trim_plan *plan)
{
    for (uint32_t i = 0; i < plan->keep_count; i++) {
        if (meta_node_at(meta, meta_blockmap_copy(&meta->map, plan->keep[i])->node)->verifying >=
            meta->config.bounds.verifies_per_node)
            return false;
    }
    return meta->nodes->verifies_running + plan->keep_count <= meta->config.bounds.verifies;
}

static void trim_begin(struct dfs_meta *meta, struct meta_trim *trim, uint32_t slot, meta_block_no block)
{
    struct meta_trim_plan plan;

    if (!meta_repair_trim_plan(&meta->nodes->repair, block, &plan)) {
        meta_repair_trim_end(&meta->nodes->repair, block, meta->fair); /* somebody is away: later */
        return;
    }
    if (!nodes_can_verify(meta, &plan)) {
        meta_repair_trim_back(&meta->nodes->repair, block);
        meta->nodes->trims_blocked = true; /* until a verification ends */
        return;
    }
    *trim = (struct meta_trim){.running = true, .keep_count = plan.keep_count};
    meta->nodes->trims_running++;
    meta_block_id(meta, block, &trim->block);
    for (uint32_t i = 0; i < plan.keep_count; i++) {
        struct meta_node *node = meta_node_at(meta, meta_blockmap_copy(&meta->map, plan.keep[i])->node);
        struct meta_verify *verify = meta_verify_ask(meta, node, block, META_VERIFY_TRIM);

        DFS_ASSERT(verify != NULL); /* nodes_can_verify, and a node that takes orders is connected */
        verify->trim = slot;
        trim->keep[i] = node->index;
        trim->incarnations[i] = node->member.incarnation;
    }
}

/* Was this copy read for the trim, in the life that its node still has? */
static bool was_read(const struct dfs_meta *meta, const struct meta_trim *trim, meta_copy_no copy)
{
    const struct meta_node *node = meta_node_at(meta, meta_blockmap_copy(&meta->map, copy)->node);

    for (uint32_t i = 0; i < trim->keep_count; i++) {
        if (trim->keep[i] == node->index && trim->incarnations[i] == node->member.incarnation)
            return true;
    }
    return false;
}

/*
 * What is there now, parted anew: those that were read stay, the others go. (Not by the plan of now: it prefers the
 * fullest node as a victim, and that may be another one by now.) false: one that was read is no longer there or good, or
 * not the wanted number was read.
 */
static bool part(const struct dfs_meta *meta, const struct meta_trim *trim, const struct meta_trim_plan *now,
                 struct meta_trim_plan *ret_plan)
{
    const meta_copy_no *lists[2] = {now->keep, now->victims};
    const uint32_t counts[2] = {now->keep_count, now->victims_count};

    ret_plan->keep_count = 0;
    ret_plan->victims_count = 0;
    for (unsigned list = 0; list < 2; list++) {
        for (uint32_t i = 0; i < counts[list]; i++) {
            const meta_copy_no copy = lists[list][i];

            if (!was_read(meta, trim, copy))
                ret_plan->victims[ret_plan->victims_count++] = copy;
            else
                ret_plan->keep[ret_plan->keep_count++] = copy;
        }
    }
    return ret_plan->keep_count == trim->keep_count && ret_plan->keep_count == now->keep_count;
}

static void order_away(struct dfs_meta *meta, const struct dfs_block_id *block, meta_copy_no copy)
{
    struct meta_node *node = meta_node_at(meta, meta_blockmap_copy(&meta->map, copy)->node);
    const struct dfs_trace trace = {.kind = DFS_TRACE_TRIMMED, .node = node->id, .block = *block};

    meta_blockmap_flags(&meta->map, copy, META_COPY_EXCESS, 0);
    meta_removal_add(meta, node, block, DFS_REMOVE_EXCESS);
    meta->nodes->counters.trimmed++;
    dfs_trace_put(&meta->env, &trace);
}

static void trim_finish(struct dfs_meta *meta, struct meta_trim *trim)
{
    const meta_block_no block = meta_block_find(meta, &trim->block);
    struct meta_trim_plan now;
    struct meta_trim_plan plan;

    if (block == 0 || meta_deletions_are_held(meta) ||
        meta_blockmap_block(&meta->map, block)->queue != META_QUEUE_TRIMMING ||
        !meta_repair_trim_plan(&meta->nodes->repair, block, &now) || !part(meta, trim, &now, &plan)) {
        trim_give_up(meta, trim);
        return;
    }
    for (uint32_t i = 0; i < plan.keep_count; i++)
        meta_blockmap_flags(&meta->map, plan.keep[i], META_COPY_VERIFIED, 0);
    for (uint32_t i = 0; i < plan.victims_count; i++)
        order_away(meta, &trim->block, plan.victims[i]);
    trim_end(meta, trim);
}

void meta_trim_verified(struct dfs_meta *meta, uint32_t slot, uint16_t index, enum dfs_status status)
{
    struct meta_trim *trim = &meta->nodes->trims[slot];
    const meta_block_no block = meta_block_find(meta, &trim->block);

    trim->kept++;
    for (uint32_t i = 0; i < trim->keep_count; i++) {
        if (trim->keep[i] == index && status == DFS_OK)
            trim->verified |= UINT32_C(1) << i;
    }
    if (block != 0 && meta_blockmap_find(&meta->map, block, index) != 0) {
        if (status == DFS_BLOCK_CORRUPT || status == DFS_IO)
            meta_copy_is_bad(meta, meta_node_at(meta, index), block, status);
        else if (status == DFS_BLOCK_MISSING || status == DFS_NOT_FOUND)
            meta_copy_gone(meta, meta_blockmap_find(&meta->map, block, index), META_REPAIR_NEWS);
    }
    /* All answers are waited for, so that the slot is not given to another block while some are still to
     * come. */
    if (trim->kept < trim->keep_count)
        return;
    if (trim->verified == (UINT32_C(1) << trim->keep_count) - 1)
        trim_finish(meta, trim);
    else
        trim_give_up(meta, trim);
}

static bool can_begin(const struct dfs_meta *meta)
{
    return !meta_deletions_are_held(meta) && meta->nodes->trims_running < meta->config.bounds.trims &&
           !meta->nodes->trims_blocked;
}

void meta_trim_step(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;

    for (uint32_t left = meta->config.bounds.looks; left > 0 && can_begin(meta); left--) {
        const meta_block_no block = meta_repair_trim_next(&nodes->repair, meta->fair);
        uint32_t slot = 0;
        struct meta_trim *trim = trim_free(nodes, &slot);

        if (block == 0)
            return;
        DFS_ASSERT(trim != NULL);
        trim_begin(meta, trim, slot, block);
    }
}

dfs_time_ns meta_trim_deadline(const struct dfs_meta *meta)
{
    return can_begin(meta) ? meta_repair_trim_deadline(&meta->nodes->repair) : DFS_NEVER;
}
