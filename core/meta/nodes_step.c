/*
 * nodes_step.c - what happens to nodes by the passing of time: evictions, warm-up, the brake, and walks over
 * a node's copies, a slice a step.
 */
#include "core/meta/nodes.h"

static dfs_duration_ns intervals(const struct dfs_meta *meta, uint64_t count)
{
    return count * meta->config.heartbeat_interval_ns;
}

/* Walks -------------------------------------------------------------------------------------------------- */

static void walk_set(struct dfs_meta *meta, struct meta_node *node, enum meta_walk walk)
{
    node->walk = walk;
    node->walk_at = meta_blockmap_node_first(&meta->map, node->index);
    if (!dfs_list_linked(&node->walking))
        dfs_list_push(&meta->nodes->walks, &node->walking);
}

void meta_walk_begin(struct dfs_meta *meta, struct meta_node *node, enum meta_walk walk, enum meta_repair_cause cause)
{
    if (walk == META_WALK_LOOK && node->walk == META_WALK_DROP)
        return; /* none of its copies counts any more */
    node->walk_cause = cause;
    if (walk == META_WALK_LOOK && (node->walk == META_WALK_SWEEP || node->walk == META_WALK_STRAYS)) {
        node->walk_again = true;
        return;
    }
    node->walk_again = walk == META_WALK_SWEEP && node->walk == META_WALK_LOOK;
    walk_set(meta, node, walk);
}

static void walk_end(struct meta_node *node)
{
    node->walk = META_WALK_NONE;
    node->walk_at = 0;
    dfs_list_remove(&node->walking);
}

void meta_walk_break_off(struct meta_node *node)
{
    if (node->walk != META_WALK_SWEEP && node->walk != META_WALK_STRAYS)
        return;
    /* What was to be looked at afterwards still is: the next sweep, or the end of this life, comes to it. */
    walk_end(node);
}

/* Each returns true when it has come to its end. */
static bool walk_drop(struct dfs_meta *meta, struct meta_node *node, uint32_t count)
{
    meta_copy_no no;

    while ((no = meta_blockmap_node_first(&meta->map, node->index)) != 0) {
        if (count-- == 0)
            return false;
        meta_copy_gone(meta, no, node->walk_cause);
    }
    return true;
}

static bool walk_look(struct dfs_meta *meta, struct meta_node *node, uint32_t count)
{
    while (node->walk_at != 0) {
        const meta_block_no block = meta_copy_block(&meta->map, node->walk_at);

        if (count-- == 0)
            return false;
        node->walk_at = meta_blockmap_copy(&meta->map, node->walk_at)->node_next;
        meta_repair_look(&meta->nodes->repair, block, node->walk_cause, meta->fair);
    }
    return true;
}

static bool walk_sweep(struct dfs_meta *meta, struct meta_node *node, uint32_t count)
{
    while (node->walk_at != 0) {
        const meta_copy_no no = node->walk_at;
        const struct meta_copy *copy = meta_blockmap_copy(&meta->map, no);
        const meta_block_no block = meta_copy_block(&meta->map, no);
        const bool seen = (copy->flags & META_COPY_SEEN) != 0;

        if (count-- == 0)
            return false;
        node->walk_at = copy->node_next;
        if (seen) {
            /* Orders of the older life are void, and what was verified then may have changed since. */
            meta_blockmap_flags(&meta->map, no, 0, META_COPY_SEEN | META_COPY_EXCESS | META_COPY_VERIFIED);
            meta_repair_look(&meta->nodes->repair, block, META_REPAIR_NEWS, meta->fair);
        } else {
            meta->nodes->counters.inventory_missing++;
            meta_copy_gone(meta, no, META_REPAIR_NEWS);
        }
    }
    return true;
}

static bool walk_strays(struct dfs_meta *meta, struct meta_node *node, uint32_t count)
{
    struct meta_inventory *inventory = node->inventory;

    while (inventory->strays_done < inventory->strays_count) {
        const struct meta_stray *stray = &inventory->strays[inventory->strays_done];

        if (count-- == 0)
            return false;
        inventory->strays_done++;
        meta_orphan_met(meta, node, &stray->block, stray->length_bytes, true);
    }
    return true;
}

static bool walk_go_on(struct dfs_meta *meta, struct meta_node *node, uint32_t count)
{
    switch (node->walk) {
    case META_WALK_NONE:
        return true;
    case META_WALK_DROP:
        return walk_drop(meta, node, count);
    case META_WALK_LOOK:
        return walk_look(meta, node, count);
    case META_WALK_SWEEP:
        if (walk_sweep(meta, node, count))
            node->walk = META_WALK_STRAYS;
        return false;
    case META_WALK_STRAYS:
        return walk_strays(meta, node, count);
    }
    dfs_unreachable("walk_go_on");
}

bool meta_walk_slice(struct dfs_meta *meta, struct meta_node *node, uint32_t count)
{
    const enum meta_walk walk = node->walk;

    if (!walk_go_on(meta, node, count))
        return false;
    walk_end(node);
    if (node->walk_again) {
        node->walk_again = false;
        walk_set(meta, node, META_WALK_LOOK);
    }
    if (walk == META_WALK_STRAYS)
        meta_inventory_complete(meta, node); /* may begin a walk of its own */
    return node->walk == META_WALK_NONE;
}

static bool walks_step(struct dfs_meta *meta)
{
    struct dfs_list *link = dfs_list_first(&meta->nodes->walks);

    if (link == NULL)
        return false;
    struct meta_node *node = dfs_container_of(link, struct meta_node, walking);

    /* In turn: the loss of one large node must not hold up the joining of another. */
    if (!meta_walk_slice(meta, node, meta->config.bounds.walk_slice) && dfs_list_linked(&node->walking)) {
        dfs_list_remove(&node->walking);
        dfs_list_push(&meta->nodes->walks, &node->walking);
    }
    return !dfs_list_empty(&meta->nodes->walks);
}

/* The brake ---------------------------------------------------------------------------------------------- */

static bool went_lately(const struct dfs_meta *meta, const struct meta_node *node)
{
    return node->state == DFS_NODE_EVICTED && node->gone_at > 0 &&
           meta->fair - node->gone_at < intervals(meta, META_BRAKE_WINDOW_INTERVALS);
}

void meta_brake_test(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;
    const uint32_t live = nodes->count - nodes->states[DFS_NODE_EVICTED];
    uint32_t gone = 0;

    for (uint32_t i = 0; i < nodes->count; i++)
        gone += went_lately(meta, nodes->by_index[i]);
    if (!meta_brake_pulls(gone, live + gone, meta->config.brake_share_ppb, meta->config.brake_nodes))
        return;
    nodes->brake_until = meta->fair + intervals(meta, meta->config.brake_release_intervals);
    if (nodes->braked)
        return;
    nodes->braked = true;
    nodes->counters.brakes++;
    meta_repair_hold(&nodes->repair, true, meta->fair);
    const struct dfs_trace trace = {.kind = DFS_TRACE_BRAKE_ON, .a = gone, .b = live + gone};

    dfs_trace_put(&meta->env, &trace);
}

void meta_nodes_brake_release(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;
    const struct dfs_trace trace = {.kind = DFS_TRACE_BRAKE_OFF};

    if (!nodes->braked)
        return;
    nodes->braked = false;
    /* Those who went have been thought about: only new losses count from here on. */
    for (uint32_t i = 0; i < nodes->count; i++)
        nodes->by_index[i]->gone_at = 0;
    meta_repair_hold(&nodes->repair, false, meta->fair);
    dfs_trace_put(&meta->env, &trace);
}

bool meta_deletions_are_held(const struct dfs_meta *meta)
{
    return !meta->nodes->warm || meta->nodes->braked;
}

/* Warm-up ------------------------------------------------------------------------------------------------ */

static void set_away(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;
    dfs_time_ns until = 0;

    for (uint32_t i = 0; i < nodes->count; i++)
        until = dfs_time_max(until, nodes->by_index[i]->away_until);
    meta_repair_away(&nodes->repair, until);
}

void meta_nodes_started(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;

    meta->nodes_stirred = true;
    for (uint32_t i = 0; i < nodes->count; i++) {
        struct meta_node *node = nodes->by_index[i];

        nodes->expected += node->expected;
        if (node->away_until <= meta->wall)
            node->away_until = 0;
        else
            node->away_until = meta->fair + (node->away_until - meta->wall);
    }
    nodes->warm_until = meta->fair + intervals(meta, meta->config.warmup_intervals);
    nodes->rate_at = meta->fair;
    nodes->key_signing = nodes->key_id;
    if (meta->config.key_lifetime_ns > 0)
        nodes->key_due = dfs_time_add(meta->fair, meta->config.key_lifetime_ns / 2);
    set_away(meta);
}

void meta_node_met(struct dfs_meta *meta, struct meta_node *node)
{
    struct meta_nodes *nodes = meta->nodes;

    if (node->expected) {
        node->expected = false;
        nodes->expected--;
    }
    if (node->away_until > 0) {
        node->away_until = 0;
        set_away(meta);
    }
}

static void warm_up_end(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;

    nodes->warm = true;
    meta_repair_settle(&nodes->repair);
    nodes->sweep_at = 1;
    for (uint32_t i = 0; i < nodes->count; i++) {
        struct meta_node *node = nodes->by_index[i];
        struct meta_r_node record;

        if (!node->expected)
            continue;
        node->expected = false;
        if (node->state != DFS_NODE_EVICTED)
            continue; /* it is joining just now */
        node->gone_at = dfs_time_max(meta->fair, 1);
        meta_node_record(meta, node, &record);
        meta_append_group(meta);
        meta_append(meta, META_RECORD_NODE, &record);
    }
    nodes->expected = 0;
    dfs_trace_note(&meta->env, DFS_OK, "warm-up is over");
    meta_brake_test(meta);
}

/* Every block is looked at once: what no node has told of by now is missing. */
static bool sweep_step(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;

    if (nodes->sweep_at == 0)
        return false;
    for (uint32_t left = meta->config.bounds.walk_slice; left > 0; left--) {
        if (nodes->sweep_at > meta->map.blocks.used) {
            nodes->sweep_at = 0;
            return false;
        }
        const meta_block_no block = nodes->sweep_at++;

        if (meta_blockmap_block(&meta->map, block)->file != NULL)
            meta_repair_look(&nodes->repair, block, META_REPAIR_ABSENT, meta->fair);
    }
    return true;
}

/* The step ----------------------------------------------------------------------------------------------- */

static void rate_step(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;
    const dfs_duration_ns passed = meta->fair - nodes->rate_at;

    if (passed < intervals(meta, META_RATE_INTERVALS))
        return;
    nodes->rate_per_s = nodes->rate_bytes / (passed / DFS_MILLISECONDS + 1) * 1000;
    nodes->rate_bytes = 0;
    nodes->rate_at = meta->fair;
}

/* In fair time. */
static dfs_time_ns next_deadline(const struct dfs_meta *meta)
{
    const struct meta_nodes *nodes = meta->nodes;
    dfs_time_ns fair = dfs_heap_next(&nodes->timers);

    if (!nodes->warm)
        fair = dfs_time_min(fair, nodes->warm_until);
    if (nodes->braked)
        fair = dfs_time_min(fair, nodes->brake_until);
    fair = dfs_time_min(fair, nodes->key_due);
    fair = dfs_time_min(fair, meta_repair_deadline(&nodes->repair));
    fair = dfs_time_min(fair, meta_verify_deadline(meta));
    fair = dfs_time_min(fair, meta_trim_deadline(meta));
    return dfs_time_min(fair, meta_removals_deadline(meta));
}

static dfs_time_ns wake_at(const struct dfs_meta *meta)
{
    const struct meta_nodes *nodes = meta->nodes;
    dfs_time_ns mono = meta_mono(meta, nodes->next);

    /* A stall of ours is seen only by a step that was asked for and came late: so one is asked for often
     * while others are being judged. */
    if (nodes->count > nodes->states[DFS_NODE_EVICTED])
        mono = dfs_time_min(mono, meta->now + meta->config.heartbeat_interval_ns / 4);
    /* What is overdue already is our own bounded work, not a stall. */
    return dfs_time_max(mono, meta->now);
}

/* Looks at everything. Returns whether there is more to do at once. */
static bool look(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;
    struct dfs_heap_item *item;
    bool more = false;

    while ((item = dfs_heap_pop(&nodes->timers, meta->fair)) != NULL)
        meta_node_refresh(meta, dfs_container_of(item, struct meta_node, timer), "timeout");
    if (!nodes->warm && (nodes->expected == 0 || meta->fair >= nodes->warm_until))
        warm_up_end(meta);
    if (nodes->braked && meta->fair >= nodes->brake_until)
        meta_nodes_brake_release(meta);
    rate_step(meta);
    meta_nodes_keys_step(meta);
    more |= walks_step(meta);
    more |= sweep_step(meta);
    more |= meta_copies_step(meta);
    meta_verify_step(meta);
    meta_trim_step(meta);
    meta_removals_step(meta);
    return more;
}

dfs_time_ns meta_nodes_step(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;

    /* Nearly all steps of a busy server are about files and change nothing for nodes. */
    if (!meta->nodes_stirred && !nodes->repair.stirred && meta->fair < nodes->due)
        return wake_at(meta);
    meta->nodes_stirred = false;
    nodes->repair.stirred = false;
    if (look(meta)) {
        meta->nodes_stirred = true;
        return meta->now;
    }
    nodes->next = next_deadline(meta);
    nodes->due = dfs_time_min(nodes->next, dfs_time_add(nodes->rate_at, intervals(meta, META_RATE_INTERVALS)));
    return wake_at(meta);
}
