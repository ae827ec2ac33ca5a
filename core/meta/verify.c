/*
 * verify.c - orders to read a whole copy and say whether it verifies: for readers' complaints, and before
 * anything is trimmed.
 */
#include "core/meta/nodes.h"

#include "core/base/mem.h"

void meta_verify_init(struct dfs_meta *meta)
{
    dfs_list_init(&meta->nodes->verifies_free);
    dfs_list_init(&meta->nodes->doubts);
    dfs_heap_init(&meta->nodes->verify_timers);
}

void meta_verify_close(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;
    struct dfs_list *link;

    dfs_heap_close(&nodes->verify_timers); /* before the items */
    while ((link = dfs_list_pop(&nodes->doubts)) != NULL)
        dfs_free(dfs_container_of(link, struct meta_doubt, link));
    for (uint32_t i = 0; i < nodes->verifies_used; i++)
        dfs_free(nodes->verifies[i]);
    dfs_free(nodes->verifies);
}

/* Orders ------------------------------------------------------------------------------------------------- */

static struct meta_verify *verify_take(struct meta_nodes *nodes)
{
    struct dfs_list *link = dfs_list_pop(&nodes->verifies_free);

    if (link != NULL)
        return dfs_container_of(link, struct meta_verify, free);
    if (nodes->verifies == NULL)
        nodes->verifies = dfs_alloc_zero_array(DFS_META_MOST_verifies, sizeof(struct meta_verify *));
    DFS_ASSERT(nodes->verifies_used < DFS_META_MOST_verifies);
    struct meta_verify *verify = dfs_alloc_zero(sizeof *verify);

    verify->slot = nodes->verifies_used;
    dfs_list_init(&verify->of_node);
    dfs_list_init(&verify->free);
    dfs_heap_item_init(&verify->timer);
    nodes->verifies[nodes->verifies_used++] = verify;
    return verify;
}

struct meta_verify *meta_verify_ask(struct dfs_meta *meta, struct meta_node *node, meta_block_no number,
                                    enum meta_verify_kind kind)
{
    struct meta_nodes *nodes = meta->nodes;
    const struct meta_block *block = meta_blockmap_block(&meta->map, number);
    struct meta_verify *verify;
    struct dfs_m_verify message = {.length_bytes = block->length_bytes, .crc32c = block->crc32c};

    if (node->verifying >= meta->config.bounds.verifies_per_node ||
        nodes->verifies_running >= meta->config.bounds.verifies || node->peer == NULL)
        return NULL;
    verify = verify_take(nodes);
    verify->generation++;
    verify->kind = kind;
    verify->node = node->index;
    verify->running = true;
    meta_block_id(meta, number, &verify->block);
    dfs_list_push(&node->verifies, &verify->of_node);
    node->verifying++;
    nodes->verifies_running++;
    dfs_heap_set(&nodes->verify_timers, &verify->timer, meta->fair + meta->config.request_timeout_ns);

    message.block = meta_block_to_wire(&verify->block);
    meta_order_id(meta, verify->slot, verify->generation, &message.operation);
    dfs_link_send(&node->peer->link, dfs_link_request(&node->peer->link), DFS_MSG_VERIFY, &message);
    return verify;
}

/* Doubts ------------------------------------------------------------------------------------------------- */

static void doubt_add(struct dfs_meta *meta, const struct dfs_block_id *block, uint16_t node, uint32_t tries,
                      dfs_duration_ns wait_ns)
{
    struct meta_nodes *nodes = meta->nodes;
    struct meta_doubt *doubt = dfs_alloc_zero(sizeof *doubt);
    struct dfs_list *before = &nodes->doubts;

    *doubt = (struct meta_doubt){.block = *block, .node = node, .tries = tries, .due = meta->fair + wait_ns};
    dfs_list_init(&doubt->link);
    /* New ones are due at once: in front of those that wait for another try. */
    while (before->prev != &nodes->doubts && dfs_container_of(before->prev, struct meta_doubt, link)->due > doubt->due)
        before = before->prev;
    dfs_list_insert(before, &doubt->link);
    nodes->doubts_count++;
}

void meta_nodes_block_doubted(struct dfs_meta *meta, meta_block_no number, uint16_t index, enum dfs_status status)
{
    const meta_copy_no copy = meta_blockmap_find(&meta->map, number, index);
    struct dfs_block_id id;

    (void)status;
    if (copy == 0 || (meta_blockmap_copy(&meta->map, copy)->flags & (META_COPY_ASKED | META_COPY_BAD)) != 0)
        return;
    if (meta->nodes->doubts_count >= meta->config.bounds.doubts) {
        meta->nodes->counters.doubts_dropped++;
        meta_blockmap_flags(&meta->map, copy, 0, META_COPY_DOUBTED);
        return;
    }
    meta_block_id(meta, number, &id);
    meta_blockmap_flags(&meta->map, copy, META_COPY_ASKED, 0);
    doubt_add(meta, &id, index, 0, 0);
    meta_repair_look(&meta->nodes->repair, number, META_REPAIR_NEWS, meta->fair);
}

/* The copy in question, or 0: there is nothing to ask any more. */
static meta_copy_no doubted_copy(const struct dfs_meta *meta, const struct dfs_block_id *block, uint16_t node)
{
    const meta_block_no number = meta_block_find(meta, block);
    const meta_copy_no copy = number == 0 ? 0 : meta_blockmap_find(&meta->map, number, node);

    return copy != 0 && (meta_blockmap_copy(&meta->map, copy)->flags & META_COPY_ASKED) != 0 ? copy : 0;
}

static void doubt_resolved(struct dfs_meta *meta, const struct meta_verify *verify, enum dfs_status status)
{
    const meta_copy_no copy = doubted_copy(meta, &verify->block, verify->node);
    const dfs_duration_ns pause_ns = 2 * meta->config.heartbeat_interval_ns;
    meta_block_no block;

    if (copy == 0)
        return;
    block = meta_copy_block(&meta->map, copy);
    if (status == DFS_OK) {
        meta_blockmap_flags(&meta->map, copy, META_COPY_VERIFIED, META_COPY_DOUBTED | META_COPY_ASKED);
        meta_repair_look(&meta->nodes->repair, block, META_REPAIR_NEWS, meta->fair);
        return;
    }
    if (status == DFS_BLOCK_MISSING || status == DFS_NOT_FOUND) {
        meta_copy_gone(meta, copy, META_REPAIR_NEWS);
        return;
    }
    if (status == DFS_BLOCK_CORRUPT || status == DFS_IO) {
        meta_blockmap_flags(&meta->map, copy, 0, META_COPY_ASKED);
        meta_copy_is_bad(meta, meta_node_at(meta, verify->node), block, status);
        return;
    }
    /* No answer, or not now. */
    if (verify->tries + 1 < META_DOUBT_TRIES) {
        doubt_add(meta, &verify->block, verify->node, verify->tries + 1, pause_ns << verify->tries);
        return;
    }
    /* It cannot be told. The copy counts as before, and the next reader may complain again. */
    meta->nodes->counters.doubts_dropped++;
    meta_blockmap_flags(&meta->map, copy, 0, META_COPY_DOUBTED | META_COPY_ASKED);
    meta_repair_look(&meta->nodes->repair, block, META_REPAIR_NEWS, meta->fair);
}

static void doubts_step(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;
    const dfs_duration_ns pause_ns = meta->config.heartbeat_interval_ns;

    for (uint32_t left = nodes->doubts_count; left > 0; left--) {
        struct meta_doubt *doubt = dfs_container_of(nodes->doubts.next, struct meta_doubt, link);
        const struct meta_doubt asked = *doubt;
        const meta_copy_no copy = doubted_copy(meta, &doubt->block, doubt->node);
        struct meta_verify *verify = NULL;

        if (doubt->due > meta->fair)
            return;
        dfs_list_remove(&doubt->link);
        nodes->doubts_count--;
        dfs_free(doubt);
        if (copy == 0)
            continue;
        if ((meta_repair_rights_of(&nodes->repair, asked.node) & META_RIGHT_SOURCE) != 0)
            verify = meta_verify_ask(meta, meta_node_at(meta, asked.node), meta_copy_block(&meta->map, copy),
                                     META_VERIFY_DOUBT);
        if (verify != NULL)
            verify->tries = asked.tries;
        else
            doubt_add(meta, &asked.block, asked.node, asked.tries, pause_ns); /* busy or away: not counted as a try */
    }
}

/* Ends --------------------------------------------------------------------------------------------------- */

void meta_verify_end(struct dfs_meta *meta, struct meta_verify *verify, enum dfs_status status)
{
    struct meta_nodes *nodes = meta->nodes;
    struct meta_node *node = meta_node_at(meta, verify->node);

    DFS_ASSERT(verify->running && node->verifying > 0);
    verify->running = false;
    node->verifying--;
    nodes->verifies_running--;
    nodes->trims_blocked = false;
    dfs_list_remove(&verify->of_node);
    dfs_heap_remove(&nodes->verify_timers, &verify->timer);
    if (status == DFS_OK)
        nodes->counters.verified++;
    else
        nodes->counters.verify_failed++;
    if (verify->kind == META_VERIFY_DOUBT)
        doubt_resolved(meta, verify, status);
    else
        meta_trim_verified(meta, verify->trim, verify->node, status);
    dfs_list_push(&nodes->verifies_free, &verify->free);
}

void meta_verify_node_lost(struct dfs_meta *meta, struct meta_node *node)
{
    struct dfs_list *link;

    while ((link = dfs_list_first(&node->verifies)) != NULL)
        meta_verify_end(meta, dfs_container_of(link, struct meta_verify, of_node), DFS_UNREACHABLE);
}

void meta_verify_step(struct dfs_meta *meta)
{
    struct dfs_heap_item *item;

    while ((item = dfs_heap_pop(&meta->nodes->verify_timers, meta->fair)) != NULL) {
        struct meta_verify *verify = dfs_container_of(item, struct meta_verify, timer);

        meta_control_sound(meta, meta_node_at(meta, verify->node));
        meta_verify_end(meta, verify, DFS_TIMEOUT);
    }
    doubts_step(meta);
}

dfs_time_ns meta_verify_deadline(const struct dfs_meta *meta)
{
    const struct meta_nodes *nodes = meta->nodes;
    dfs_time_ns next = dfs_heap_next(&nodes->verify_timers);

    if (nodes->doubts_count > 0)
        next = dfs_time_min(next, dfs_container_of(nodes->doubts.next, struct meta_doubt, link)->due);
    return next;
}
