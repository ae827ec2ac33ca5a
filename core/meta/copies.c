/*
 * copies.c - repair's decisions carried out: COPY orders, signed for both ends, and what became of them.
 */
#include "core/meta/nodes.h"

/* Operation ids: slot, generation, epoch. A stale answer finds nobody. */
void meta_order_id(const struct dfs_meta *meta, uint32_t slot, uint32_t generation, struct dfs_id *ret_id)
{
    struct dfs_wr w = dfs_wr_make(ret_id->bytes, sizeof ret_id->bytes);

    dfs_wr_be(&w, slot, 4);
    dfs_wr_be(&w, generation, 4);
    dfs_wr_be(&w, meta->epoch, 8);
}

bool meta_order_id_parse(const struct dfs_meta *meta, const struct dfs_id *id, uint32_t *ret_slot,
                         uint32_t *ret_generation)
{
    struct dfs_rd r = dfs_rd_make(id->bytes, sizeof id->bytes);

    *ret_slot = (uint32_t)dfs_rd_be(&r, 4);
    *ret_generation = (uint32_t)dfs_rd_be(&r, 4);
    return dfs_rd_be(&r, 8) == meta->epoch;
}

static void trace_copy(struct dfs_meta *meta, const struct meta_copying *copying, enum dfs_trace_kind kind,
                       enum dfs_status status)
{
    struct dfs_trace trace = {.kind = kind,
                              .status = status,
                              .node = meta_node_at(meta, copying->node[1])->id,
                              .node2 = meta_node_at(meta, copying->node[0])->id,
                              .a = status == DFS_OK ? copying->length_bytes : 0};

    meta_block_id(meta, copying->block, &trace.block);
    dfs_trace_put(&meta->env, &trace);
}

static void on_ended(void *ctx, const struct meta_copying *copying, enum dfs_status status)
{
    struct dfs_meta *meta = ctx;
    struct meta_nodes_counters *counters = &meta->nodes->counters;

    if (status == DFS_OK) {
        counters->copies_done++;
        counters->copied_bytes += copying->length_bytes;
        meta->nodes->rate_bytes += copying->length_bytes;
    } else if (status == DFS_ABORTED) {
        counters->copies_cancelled++;
    } else {
        counters->copies_failed++;
    }
    trace_copy(meta, copying, DFS_TRACE_REPAIR_DONE, status);
}

static void on_overdue(void *ctx, const struct meta_copying *copying)
{
    struct dfs_meta *meta = ctx;

    meta_control_sound(meta, meta_node_at(meta, copying->node[0]));
}

void meta_copies_init(struct dfs_meta *meta)
{
    meta->nodes->repair.ended = on_ended;
    meta->nodes->repair.overdue = on_overdue;
    meta->nodes->repair.ctx = meta;
}

static void send_copy(struct dfs_meta *meta, const struct meta_copying *copying)
{
    struct meta_node *source = meta_node_at(meta, copying->node[0]);
    struct meta_node *target = meta_node_at(meta, copying->node[1]);
    const struct meta_block *block = meta_blockmap_block(&meta->map, copying->block);
    struct dfs_block_id id;
    struct dfs_m_copy copy = {.target_addr = target->addr};
    struct dfs_w_order *order = &copy.order;

    meta_block_id(meta, copying->block, &id);
    meta_order_id(meta, copying->slot, copying->generation, &copy.operation);
    order->block = meta_block_to_wire(&id);
    order->length_bytes = block->length_bytes;
    order->crc32c = block->crc32c;
    order->source = source->id;
    order->source_incarnation = source->member.incarnation;
    order->target = target->id;
    order->target_incarnation = target->member.incarnation;
    order->epoch = meta->epoch;
    order->key_id = meta->nodes->key_signing;
    dfs_order_sign_source(order, meta_node_mac(meta, source, order->key_id));
    dfs_order_sign_target(order, meta_node_mac(meta, target, order->key_id));
    trace_copy(meta, copying, DFS_TRACE_REPAIR_STARTED, DFS_OK);
    DFS_ASSERT(source->peer != NULL); /* who has the right to be a source is connected */
    dfs_link_send(&source->peer->link, dfs_link_request(&source->peer->link), DFS_MSG_COPY, &copy);
}

static void clear_bad(struct dfs_meta *meta, const struct meta_repair_action *action)
{
    struct meta_node *node = meta_node_at(meta, meta_blockmap_copy(&meta->map, action->copy)->node);
    struct dfs_block_id id;

    meta_block_id(meta, action->block, &id);
    meta_blockmap_flags(&meta->map, action->copy, META_COPY_EXCESS, 0);
    meta_removal_add(meta, node, &id, DFS_REMOVE_BAD);
    meta_repair_look(&meta->nodes->repair, action->block, META_REPAIR_NEWS, meta->fair);
}

bool meta_copies_step(struct dfs_meta *meta)
{
    struct meta_repair *repair = &meta->nodes->repair;
    struct meta_repair_action action;
    uint32_t looks = meta->config.bounds.looks;

    if (!repair->settled)
        return false;
    meta_repair_tick(repair, meta->fair);
    while (meta_repair_next(repair, meta->fair, &looks, &action)) {
        if (action.verb == META_REPAIR_COPY)
            send_copy(meta, action.copying);
        else
            clear_bad(meta, &action);
    }
    return looks == 0;
}
