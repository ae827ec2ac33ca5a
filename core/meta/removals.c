/*
 * removals.c - orders to remove, a batch at a time for each node. Each is looked at once more when it leaves:
 * what a file has by then is not removed.
 *
 * A batch that is not answered is sent again (a block that is gone already is no error). What waits for a
 * node that goes is forgotten: its next inventory names whatever nobody knows.
 */
#include "core/meta/nodes.h"

#include "core/base/mem.h"

/* Between an inventory that named more strays than were kept and the next one. */
#define RECALL_INTERVALS 5

static void arrange(struct dfs_meta *meta, struct meta_node *node)
{
    const bool waits = !dfs_list_empty(&node->removals) && dfs_list_empty(&node->removals_sent) &&
                       !dfs_heap_has(&node->removals_timer);

    meta->nodes_stirred = true;
    if (waits && !dfs_list_linked(&node->removing))
        dfs_list_push(&meta->nodes->removing, &node->removing);
    else if (!waits)
        dfs_list_remove(&node->removing);
}

static void removal_end(struct dfs_meta *meta, struct meta_node *node, struct meta_removal *removal)
{
    dfs_list_remove(&removal->link);
    node->removals_count--;
    meta->nodes->removals_count--;
    dfs_free(removal);
}

void meta_removal_add(struct dfs_meta *meta, struct meta_node *node, const struct dfs_block_id *block,
                      enum dfs_remove_reason reason)
{
    struct meta_removal *removal;

    if (!node->member.present)
        return;
    if (node->removals_count >= meta->config.bounds.removals_per_node) {
        node->removals_forgot = true;
        meta->nodes->counters.removals_forgotten++;
        return;
    }
    removal = dfs_alloc_zero(sizeof *removal);
    removal->block = *block;
    removal->reason = (uint8_t)reason;
    dfs_list_init(&removal->link);
    dfs_list_push(&node->removals, &removal->link);
    node->removals_count++;
    meta->nodes->removals_count++;
    arrange(meta, node);
}

static void drop_list(struct dfs_meta *meta, struct meta_node *node, struct dfs_list *list)
{
    struct dfs_list *link;

    while ((link = dfs_list_first(list)) != NULL)
        removal_end(meta, node, dfs_container_of(link, struct meta_removal, link));
}

void meta_removals_drop(struct dfs_meta *meta, struct meta_node *node)
{
    drop_list(meta, node, &node->removals);
    drop_list(meta, node, &node->removals_sent);
    node->removals_sent_count = 0;
    node->removals_forgot = false;
    dfs_heap_remove(&meta->nodes->removal_timers, &node->removals_timer);
    dfs_list_remove(&node->removing);
}

/* What was forgotten is named by the next inventory, which is asked for when what was remembered is done. */
static void recall(struct dfs_meta *meta, struct meta_node *node)
{
    if (!node->removals_forgot || node->removals_count > 0)
        return;
    node->removals_forgot = false;
    meta_node_ask_rejoin(meta, node, "more blocks are to be removed than were remembered: say what you have");
}

/* Of the whole inventory there may be nothing to remove, and there would not be in the next one either: it is asked for after a pause. */
void meta_removals_recall_later(struct dfs_meta *meta, struct meta_node *node)
{
    node->removals_forgot = true;
    if (node->removals_count == 0)
        dfs_heap_set(&meta->nodes->removal_timers, &node->removals_timer,
                     meta->fair + RECALL_INTERVALS * meta->config.heartbeat_interval_ns);
}

/* What was sent waits again, in front. */
static void take_back(struct meta_node *node)
{
    while (!dfs_list_empty(&node->removals_sent)) {
        struct dfs_list *link = node->removals_sent.prev;

        dfs_list_remove(link);
        dfs_list_push_front(&node->removals, link);
    }
    node->removals_sent_count = 0;
}

void meta_removals_resend(struct dfs_meta *meta, struct meta_node *node)
{
    take_back(node);
    dfs_heap_remove(&meta->nodes->removal_timers, &node->removals_timer);
    arrange(meta, node);
    recall(meta, node);
}

/* Is it still to be removed? Otherwise the map is set right. */
static bool still_holds(struct dfs_meta *meta, struct meta_node *node, const struct meta_removal *removal)
{
    const meta_block_no block = meta_block_find(meta, &removal->block);
    const meta_copy_no copy = block == 0 ? 0 : meta_blockmap_find(&meta->map, block, node->index);

    if (removal->reason == DFS_REMOVE_EXCESS || removal->reason == DFS_REMOVE_BAD)
        return copy != 0 && (meta_blockmap_copy(&meta->map, copy)->flags & META_COPY_EXCESS) != 0;
    if (block == 0)
        return removal->reason == DFS_REMOVE_DELETED || meta_uploads_find(&meta->uploads, &removal->block.file) == NULL;
    /* A file has it by now: it was committed, or restored. */
    if (copy == 0)
        meta_copy_here(meta, node, block, 0);
    return false;
}

static void send_batch(struct dfs_meta *meta, struct meta_node *node)
{
    struct dfs_w_removal blocks[DFS_REMOVE_PAGE_MAX];
    struct dfs_m_remove_block message = {.blocks = blocks};

    /* The work of one step is bounded, whether they hold or not. */
    for (uint32_t left = meta->config.remove_page; left > 0 && !dfs_list_empty(&node->removals); left--) {
        struct dfs_list *link = dfs_list_pop(&node->removals);
        struct meta_removal *removal = dfs_container_of(link, struct meta_removal, link);

        dfs_list_push(&node->removals_sent, link);
        if (!still_holds(meta, node, removal)) {
            removal_end(meta, node, removal);
            continue;
        }
        blocks[message.blocks_count++] =
            (struct dfs_w_removal){.block = meta_block_to_wire(&removal->block), .reason = removal->reason};
        node->removals_sent_count++;
    }
    if (message.blocks_count == 0)
        return;
    node->removals_request = dfs_link_request(&node->peer->link);
    dfs_link_send(&node->peer->link, node->removals_request, DFS_MSG_REMOVE_BLOCK, &message);
    dfs_heap_set(&meta->nodes->removal_timers, &node->removals_timer, meta->fair + meta->config.request_timeout_ns);
}

static void removed(struct dfs_meta *meta, struct meta_node *node, const struct meta_removal *removal)
{
    const meta_block_no block = meta_block_find(meta, &removal->block);
    const meta_copy_no copy = block == 0 ? 0 : meta_blockmap_find(&meta->map, block, node->index);

    meta->nodes->counters.removals++;
    /* The node's own event may have come first, and a new copy after it. */
    if (copy != 0 && (meta_blockmap_copy(&meta->map, copy)->flags & META_COPY_EXCESS) != 0)
        meta_copy_gone(meta, copy, META_REPAIR_NEWS);
}

/* An excess copy that the node keeps is a copy as before. Anything else is ordered again after a pause:
 * true. */
static bool refused(struct dfs_meta *meta, struct meta_node *node, const struct meta_removal *removal,
                    enum dfs_status status)
{
    const meta_block_no block = meta_block_find(meta, &removal->block);
    const meta_copy_no copy = block == 0 ? 0 : meta_blockmap_find(&meta->map, block, node->index);

    meta->nodes->counters.removals_refused++;
    if (removal->reason != DFS_REMOVE_EXCESS || status != DFS_REFUSED)
        return true;
    if (copy != 0) {
        meta_blockmap_flags(&meta->map, copy, 0, META_COPY_EXCESS);
        meta_repair_look(&meta->nodes->repair, block, META_REPAIR_NEWS, meta->fair);
    }
    return false;
}

static struct meta_removal *find_sent(struct meta_node *node, const struct dfs_block_id *block)
{
    dfs_list_each(at, &node->removals_sent)
    {
        struct meta_removal *removal = dfs_container_of(at, struct meta_removal, link);

        if (dfs_id_equal(&removal->block.file, &block->file) && removal->block.index == block->index &&
            removal->block.generation == block->generation)
            return removal;
    }
    return NULL;
}

void meta_removals_done(struct dfs_meta *meta, struct meta_node *node, const struct dfs_m_remove_done *done)
{
    const dfs_duration_ns pause_ns = 5 * meta->config.heartbeat_interval_ns;
    bool again = false;

    node->unanswered = 0;
    for (uint32_t i = 0; i < done->blocks_count; i++) {
        const struct dfs_block_id id = meta_block_of_wire(&done->blocks[i].block);
        const enum dfs_status status = (enum dfs_status)done->blocks[i].status;
        /* Answers come in the order of the batch: it is the first. */
        struct meta_removal *removal = find_sent(node, &id);

        if (removal == NULL)
            continue;
        node->removals_sent_count--;
        if (status == DFS_OK || status == DFS_NOT_FOUND || status == DFS_BLOCK_MISSING) {
            removed(meta, node, removal);
        } else if (refused(meta, node, removal, status)) {
            dfs_list_remove(&removal->link);
            dfs_list_push(&node->removals, &removal->link);
            again = true;
            continue;
        }
        removal_end(meta, node, removal);
    }
    if (node->removals_sent_count == 0)
        dfs_heap_remove(&meta->nodes->removal_timers, &node->removals_timer);
    if (again)
        dfs_heap_set(&meta->nodes->removal_timers, &node->removals_timer, meta->fair + pause_ns);
    arrange(meta, node);
    recall(meta, node);
}

static bool may_be_told(const struct dfs_meta *meta, const struct meta_node *node)
{
    return (meta_repair_rights_of(&meta->nodes->repair, node->index) & META_RIGHT_SOURCE) != 0;
}

void meta_removals_step(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;
    struct dfs_heap_item *item;

    while ((item = dfs_heap_pop(&nodes->removal_timers, meta->fair)) != NULL) {
        struct meta_node *node = dfs_container_of(item, struct meta_node, removals_timer);

        const bool unanswered = node->removals_sent_count > 0;

        take_back(node);
        arrange(meta, node);
        node->unanswered = unanswered ? node->unanswered + 1 : 0;
        if (node->unanswered >= META_UNANSWERED_MAX)
            meta_node_cut(meta, node);
        else
            recall(meta, node);
    }
    if (meta_deletions_are_held(meta))
        return;
    dfs_list_each(at, &nodes->removing)
    {
        struct meta_node *node = dfs_container_of(at, struct meta_node, removing);

        if (!may_be_told(meta, node))
            continue;
        send_batch(meta, node);
        arrange(meta, node);
        recall(meta, node);
    }
}

dfs_time_ns meta_removals_deadline(const struct dfs_meta *meta)
{
    const struct meta_nodes *nodes = meta->nodes;

    if (!meta_deletions_are_held(meta)) {
        dfs_list_each(at, &nodes->removing)
        {
            /* Whole batches did not hold: more are waiting. */
            if (may_be_told(meta, dfs_container_of(at, struct meta_node, removing)))
                return meta->fair;
        }
    }
    return dfs_heap_next(&nodes->removal_timers);
}
