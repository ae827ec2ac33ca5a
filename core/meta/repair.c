/*
 * repair.c - blocks and their copies under way: what something that has changed means for a block, and whose turn it is.
 */
#include "core/meta/repair_inside.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

enum level { LEVEL_WHOLE, LEVEL_UNDER, LEVEL_ONE, LEVEL_LOST };

static const uint8_t side_rights[META_PARK_SIDES] = {META_RIGHT_SOURCE, META_RIGHT_TARGET};

/* Life --------------------------------------------------------------------------------------------------- */

void meta_repair_init(struct meta_repair *repair, const struct meta_repair_policy *policy, struct meta_blockmap *map,
                      const struct dfs_keyring *ring)
{
    memset(repair, 0, sizeof *repair);
    repair->policy = *policy;
    repair->map = map;
    repair->ring = ring;
    meta_pool_init(&repair->queued, sizeof(struct meta_queued));
    dfs_list_init(&repair->all);
    dfs_list_init(&repair->free);
    dfs_list_init(&repair->wakes);
    dfs_list_init(&repair->troubles);
    dfs_heap_init(&repair->deadlines);
    dfs_heap_init(&repair->frees);
    dfs_map_init(&repair->trouble, offsetof(struct meta_trouble, block), sizeof(meta_block_no), 0);
}

void meta_repair_close(struct meta_repair *repair)
{
    dfs_heap_close(&repair->deadlines); /* before the items */
    dfs_heap_close(&repair->frees);
    dfs_list_each(at, &repair->troubles) dfs_free(dfs_container_of(at, struct meta_trouble, all));
    dfs_map_close(&repair->trouble);
    meta_pool_close(&repair->queued);
    for (uint32_t i = 0; i < repair->copyings_used; i++)
        dfs_free(repair->copyings[i]);
    dfs_free(repair->copyings);
    for (uint32_t i = 0; i < repair->nodes_room; i++)
        dfs_free(repair->nodes[i]);
    dfs_free(repair->nodes);
}

static struct meta_repair_node *node_need(struct meta_repair *repair, uint16_t index)
{
    uint32_t room = repair->nodes_room == 0 ? 16 : repair->nodes_room;

    DFS_ASSERT(index < DFS_NODES_MAX);
    while (room <= index)
        room *= 2;
    if (room != repair->nodes_room) {
        repair->nodes = dfs_realloc_array(repair->nodes, room, sizeof(struct meta_repair_node *));
        for (uint32_t i = repair->nodes_room; i < room; i++)
            repair->nodes[i] = NULL;
        repair->nodes_room = room;
    }
    if (repair->nodes[index] == NULL) {
        struct meta_repair_node *node = dfs_alloc_zero(sizeof *node);

        node->index = index;
        dfs_list_init(&node->copies[META_SOURCE]);
        dfs_list_init(&node->copies[META_TARGET]);
        dfs_list_init(&node->wake);
        dfs_heap_item_init(&node->timer);
        repair->nodes[index] = node;
    }
    return repair->nodes[index];
}

uint8_t meta_repair_rights_of(const struct meta_repair *repair, uint16_t index)
{
    const struct meta_repair_node *known = meta_repair_node(repair, index);

    return known == NULL ? 0 : known->rights;
}

/* What a block has --------------------------------------------------------------------------------------- */

struct view {
    uint32_t live;    /* not lost, as far as is known */
    uint32_t staying; /* of these, counted towards what is wanted */
    uint32_t doubted; /* of these, not to be relied on */
    uint32_t bad;     /* bad ones whose removal is not yet ordered */
    uint32_t wanted;
    uint32_t running;
};

static struct view view_of(const struct meta_repair *repair, meta_block_no number)
{
    const struct meta_block *block = meta_repair_block(repair, number);
    struct view view = {.wanted = block->file->copies_wanted, .running = block->mark & META_MARK_RUNNING};

    for (meta_copy_no no = meta_blockmap_first(repair->map, number); no != 0;
         no = meta_blockmap_next(repair->map, no)) {
        const struct meta_copy *copy = meta_blockmap_copy(repair->map, no);
        const uint8_t rights = meta_repair_rights_on(repair, copy);

        if ((copy->flags & META_COPY_EXCESS) != 0)
            continue;
        if ((copy->flags & META_COPY_BAD) != 0) {
            view.bad++;
            continue;
        }
        if ((rights & META_RIGHT_COUNTS) == 0)
            continue;
        view.live++;
        if ((rights & META_RIGHT_STAYS) == 0)
            continue;
        view.staying++;
        if ((copy->flags & META_COPY_DOUBTED) != 0)
            view.doubted++;
    }
    return view;
}

static bool is_missing(const struct view *view)
{
    return view->wanted > view->staying + view->running;
}

static void count_level(struct meta_repair *repair, enum level level, bool add)
{
    const uint64_t one = add ? 1 : UINT64_MAX; /* minus one */

    if (level != LEVEL_WHOLE)
        repair->under += one;
    if (level == LEVEL_ONE)
        repair->one_copy += one;
    if (level == LEVEL_LOST)
        repair->lost += one;
}

static void set_level(struct meta_repair *repair, struct meta_block *block, enum level level)
{
    const enum level before = (enum level)(block->mark >> META_MARK_LEVEL_SHIFT);

    if (level == before)
        return;
    count_level(repair, before, false);
    count_level(repair, level, true);
    block->mark = (uint8_t)((block->mark & META_MARK_RUNNING) | (uint32_t)level << META_MARK_LEVEL_SHIFT);
}

static enum level level_of(const struct view *view)
{
    if (view->live == 0)
        return LEVEL_LOST;
    if (view->live >= view->wanted)
        return LEVEL_WHOLE;
    return view->live == 1 ? LEVEL_ONE : LEVEL_UNDER;
}

/* Trouble ------------------------------------------------------------------------------------------------ */

static struct meta_trouble *trouble_of(const struct meta_repair *repair, meta_block_no block)
{
    return repair->trouble.count == 0 ? NULL : dfs_map_find(&repair->trouble, &block);
}

static struct meta_trouble *trouble_need(struct meta_repair *repair, meta_block_no block)
{
    struct meta_trouble *trouble = trouble_of(repair, block);

    if (trouble == NULL) {
        trouble = dfs_alloc_zero(sizeof *trouble);
        trouble->block = block;
        dfs_list_init(&trouble->all);
        dfs_list_push(&repair->troubles, &trouble->all);
        dfs_map_insert(&repair->trouble, trouble);
    }
    return trouble;
}

static void trouble_end(struct meta_repair *repair, meta_block_no block)
{
    struct meta_trouble *trouble = trouble_of(repair, block);

    if (trouble == NULL)
        return;
    dfs_map_remove(&repair->trouble, &block);
    dfs_list_remove(&trouble->all);
    dfs_free(trouble);
}

/* Nodes -------------------------------------------------------------------------------------------------- */

static uint32_t side_limit(const struct meta_repair *repair, int side)
{
    /* Under the brake one copy a node: what is left of the cluster has enough to do. */
    if (repair->held)
        return 1;
    return side == META_SOURCE ? repair->policy.per_source : repair->policy.per_target;
}

bool meta_repair_side_is_free(const struct meta_repair *repair, const struct meta_repair_node *node, int side,
                              dfs_time_ns now)
{
    if ((node->rights & side_rights[side]) == 0)
        return true;
    return node->running[side] < side_limit(repair, side) && now >= node->free_at[side];
}

/* Somebody whose turn it may be is parked there. */
static bool side_is_awaited(const struct meta_repair *repair, const struct meta_repair_node *node, int side)
{
    for (uint32_t level = 0; level < META_PARK_LEVELS; level++) {
        if (node->parked[side][level].count > 0 && (level == 0 || !repair->held))
            return true;
    }
    return false;
}

/* Wakes a node's waiters if there is room, or sets the alarm for the moment when its bandwidth allows. */
static void node_arrange(struct meta_repair *repair, struct meta_repair_node *node, dfs_time_ns now)
{
    repair->stirred = true;
    for (int side = 0; side < META_PARK_SIDES; side++) {
        if (!side_is_awaited(repair, node, side))
            continue;
        if (meta_repair_side_is_free(repair, node, side, now)) {
            if (!dfs_list_linked(&node->wake))
                dfs_list_push(&repair->wakes, &node->wake);
        } else if (node->running[side] < side_limit(repair, side)) {
            if (!dfs_heap_has(&node->timer) || dfs_heap_time(&repair->frees, &node->timer) > node->free_at[side])
                dfs_heap_set(&repair->frees, &node->timer, node->free_at[side]);
        }
    }
}

static void park(struct meta_repair *repair, meta_block_no number, uint16_t index, int side, uint32_t live,
                 dfs_time_ns now)
{
    const uint64_t level = meta_queue_level(live);

    meta_queue_leave(repair, number);
    meta_queue_append(repair, number, META_QUEUE_PARKED, (dfs_time_ns)index | (dfs_time_ns)side << 16 | level << 17);
    node_arrange(repair, repair->nodes[index], now);
}

/* Those without a place try again, but not all of them for every heartbeat that says of a little more
 * room. */
static void room_came_back(struct meta_repair *repair, dfs_time_ns now)
{
    if (repair->queues[META_QUEUE_UNPLACED].count == 0 || repair->unplaced_again)
        return;
    repair->stirred = true;
    repair->unplaced_again = true;
    repair->unplaced_at = dfs_time_max(repair->unplaced_at, now);
}

/* Copies under way --------------------------------------------------------------------------------------- */

static struct meta_copying *copying_of(struct dfs_list *link)
{
    return dfs_container_of(link, struct meta_copying, all);
}

static struct meta_copying *copying_take(struct meta_repair *repair)
{
    struct dfs_list *link = dfs_list_pop(&repair->free);

    if (link != NULL)
        return copying_of(link);
    if (repair->copyings_used == repair->copyings_room) {
        repair->copyings_room = repair->copyings_room == 0 ? 64 : 2 * repair->copyings_room;
        repair->copyings = dfs_realloc_array(repair->copyings, repair->copyings_room, sizeof(struct meta_copying *));
    }
    struct meta_copying *copying = dfs_alloc_zero(sizeof *copying);

    copying->slot = repair->copyings_used;
    dfs_list_init(&copying->all);
    dfs_list_init(&copying->of_node[META_SOURCE]);
    dfs_list_init(&copying->of_node[META_TARGET]);
    dfs_heap_item_init(&copying->timer);
    repair->copyings[repair->copyings_used++] = copying;
    return copying;
}

static dfs_duration_ns transfer_ns(uint64_t bytes, uint64_t bytes_per_s)
{
    return bytes / bytes_per_s * DFS_SECONDS + bytes % bytes_per_s * DFS_SECONDS / bytes_per_s;
}

static const struct meta_copying *copying_begin(struct meta_repair *repair, meta_block_no number, uint16_t source,
                                                uint16_t target, dfs_time_ns now)
{
    struct meta_block *block = meta_repair_block(repair, number);
    struct meta_copying *copying = copying_take(repair);
    const uint16_t nodes[META_PARK_SIDES] = {source, target};

    DFS_ASSERT((block->mark & META_MARK_RUNNING) < DFS_REPLICAS_MAX);
    block->mark++;
    copying->generation++;
    copying->block = number;
    copying->length_bytes = block->length_bytes;
    dfs_list_push(&repair->all, &copying->all);
    repair->running++;
    for (int side = 0; side < META_PARK_SIDES; side++) {
        struct meta_repair_node *node = repair->nodes[nodes[side]];

        copying->node[side] = nodes[side];
        dfs_list_push(&node->copies[side], &copying->of_node[side]);
        node->running[side]++;
        if (repair->policy.bandwidth_bytes_per_s > 0)
            node->free_at[side] = dfs_time_max(node->free_at[side], now) +
                                  transfer_ns(block->length_bytes, repair->policy.bandwidth_bytes_per_s);
    }
    repair->nodes[target]->receiving_bytes += block->length_bytes;
    dfs_heap_set(&repair->deadlines, &copying->timer,
                 now + repair->policy.timeout_ns + transfer_ns(block->length_bytes, META_COPY_SLOWEST_BYTES_PER_S));
    return copying;
}

/* The one end of every copy. The block is not looked at. */
static void copying_end(struct meta_repair *repair, struct meta_copying *copying, enum dfs_status status,
                        dfs_time_ns now)
{
    struct meta_block *block = meta_repair_block(repair, copying->block);

    DFS_ASSERT((block->mark & META_MARK_RUNNING) > 0 && repair->running > 0);
    repair->ended(repair->ctx, copying, status);
    block->mark--;
    repair->running--;
    repair->nodes[copying->node[META_TARGET]]->receiving_bytes -= copying->length_bytes;
    dfs_heap_remove(&repair->deadlines, &copying->timer);
    dfs_list_remove(&copying->all);
    for (int side = 0; side < META_PARK_SIDES; side++) {
        struct meta_repair_node *node = repair->nodes[copying->node[side]];

        dfs_list_remove(&copying->of_node[side]);
        node->running[side]--;
        node_arrange(repair, node, now);
    }
    copying->block = 0;
    dfs_list_push(&repair->free, &copying->all);
    room_came_back(repair, now);
}

/* The newest copy of a block: the one that has got least far. */
static struct meta_copying *copying_newest(const struct meta_repair *repair, meta_block_no block)
{
    for (struct dfs_list *at = repair->all.prev; at != &repair->all; at = at->prev) {
        if (copying_of(at)->block == block)
            return copying_of(at);
    }
    dfs_unreachable("copying_newest");
}

const struct meta_copying *meta_repair_find(const struct meta_repair *repair, uint32_t slot, uint32_t generation)
{
    if (slot >= repair->copyings_used)
        return NULL;
    const struct meta_copying *copying = repair->copyings[slot];

    return copying->block != 0 && copying->generation == generation ? copying : NULL;
}

const struct meta_copying *meta_repair_find_to(const struct meta_repair *repair, meta_block_no block, uint16_t target)
{
    const struct meta_repair_node *node = meta_repair_node(repair, target);

    if (node == NULL || node->running[META_TARGET] == 0 ||
        (meta_repair_block(repair, block)->mark & META_MARK_RUNNING) == 0)
        return NULL;
    for (const struct dfs_list *at = node->copies[META_TARGET].next; at != &node->copies[META_TARGET]; at = at->next) {
        const struct meta_copying *copying = dfs_container_of_const(at, struct meta_copying, of_node[META_TARGET]);

        if (copying->block == block)
            return copying;
    }
    return NULL;
}

/* Look --------------------------------------------------------------------------------------------------- */

static void look_at_missing(struct meta_repair *repair, meta_block_no number, const struct view *view,
                            enum meta_repair_cause cause, dfs_time_ns now)
{
    const struct meta_block *block = meta_repair_block(repair, number);
    const enum meta_queue_name ready = meta_queue_ready(view->live);
    const bool urgent = view->live == 1;

    switch ((enum meta_queue_name)block->queue) {
    case META_QUEUE_GRACE:
    case META_QUEUE_AWAY:
        if (urgent)
            meta_queue_move(repair, number, ready, 0);
        return;
    case META_QUEUE_PARKED:
        if (meta_queue_parked_level(meta_repair_queued(repair, number)->due) != meta_queue_level(view->live))
            meta_queue_move(repair, number, ready, 0);
        return;
    case META_QUEUE_BACKOFF_0:
    case META_QUEUE_BACKOFF_1:
    case META_QUEUE_BACKOFF_2:
    case META_QUEUE_BACKOFF_3:
    case META_QUEUE_BACKOFF_4:
    case META_QUEUE_BACKOFF_5:
        if (cause == META_REPAIR_LOSS)
            meta_queue_move(repair, number, ready, 0);
        return;
    case META_QUEUE_READY_1:
    case META_QUEUE_READY_2:
    case META_QUEUE_READY_3:
    case META_QUEUE_READY_4:
    case META_QUEUE_READY_5:
    case META_QUEUE_READY_6:
    case META_QUEUE_READY_7:
    case META_QUEUE_READY_8:
    case META_QUEUE_UNPLACED: /* a node that held a bad copy may be a place now */
        meta_queue_move(repair, number, ready, 0);
        return;
    case META_QUEUE_NONE:
    case META_QUEUE_LOST:
    case META_QUEUE_RUNNING:
    case META_QUEUE_CLEAR:
    case META_QUEUE_EXCESS:
    case META_QUEUE_TRIMMING:
        if (urgent || cause == META_REPAIR_NEWS)
            meta_queue_move(repair, number, ready, 0);
        else if (cause == META_REPAIR_ABSENT && repair->away_until > now)
            meta_queue_move(repair, number, META_QUEUE_AWAY, 0);
        else if (repair->policy.grace_ns > 0)
            meta_queue_move(repair, number, META_QUEUE_GRACE, now + repair->policy.grace_ns);
        else
            meta_queue_move(repair, number, ready, 0);
        return;
    case META_QUEUE_COUNT:
        break;
    }
    dfs_unreachable("look_at_missing");
}

void meta_repair_look(struct meta_repair *repair, meta_block_no number, enum meta_repair_cause cause, dfs_time_ns now)
{
    struct meta_block *block = meta_repair_block(repair, number);
    struct view view;

    if (!repair->settled)
        return;
    view = view_of(repair, number);
    set_level(repair, block, level_of(&view));

    /* A copy that came back makes one under way needless; the target's copy will be found too many if it
     * still arrives. */
    while (view.running > 0 && view.staying + view.running > view.wanted) {
        copying_end(repair, copying_newest(repair, number), DFS_ABORTED, now);
        view.running--;
    }
    if (view.live == 0) {
        meta_queue_move(repair, number, META_QUEUE_LOST, 0);
    } else if (is_missing(&view)) {
        look_at_missing(repair, number, &view, cause, now);
    } else if (view.running > 0) {
        meta_queue_move(repair, number, META_QUEUE_RUNNING, 0);
    } else {
        trouble_end(repair, number);
        if (view.bad > 0)
            meta_queue_move(repair, number, META_QUEUE_CLEAR, 0);
        else if (view.staying - view.doubted <= view.wanted)
            meta_queue_move(repair, number, META_QUEUE_NONE, 0);
        else if (block->queue != META_QUEUE_TRIMMING)
            meta_queue_move(repair, number, META_QUEUE_EXCESS, now + repair->policy.trim_ns);
    }
}

void meta_repair_forget(struct meta_repair *repair, meta_block_no number, dfs_time_ns now)
{
    struct meta_block *block = meta_repair_block(repair, number);

    while ((block->mark & META_MARK_RUNNING) > 0)
        copying_end(repair, copying_newest(repair, number), DFS_ABORTED, now);
    meta_queue_leave(repair, number);
    trouble_end(repair, number);
    set_level(repair, block, LEVEL_WHOLE);
}

/* A copy that ended for a reason that says nothing about its nodes. */
static void cancel(struct meta_repair *repair, struct meta_copying *copying, dfs_time_ns now)
{
    const meta_block_no block = copying->block;

    copying_end(repair, copying, DFS_ABORTED, now);
    meta_repair_look(repair, block, META_REPAIR_NEWS, now);
}

static void end_side(struct meta_repair *repair, struct meta_repair_node *node, int side, dfs_time_ns now)
{
    struct dfs_list *link;

    while ((link = dfs_list_first(&node->copies[side])) != NULL)
        cancel(repair, dfs_container_of(link, struct meta_copying, of_node[side]), now);
}

void meta_repair_rights(struct meta_repair *repair, uint16_t index, uint8_t rights, dfs_time_ns now)
{
    struct meta_repair_node *node = node_need(repair, index);
    const uint8_t gained = rights & (uint8_t)~node->rights;

    node->rights = rights;
    for (int side = 0; side < META_PARK_SIDES; side++) {
        if ((rights & side_rights[side]) == 0)
            end_side(repair, node, side, now);
    }
    if ((gained & (META_RIGHT_SOURCE | META_RIGHT_TARGET)) != 0)
        repair->unplaced_left = repair->queues[META_QUEUE_UNPLACED].count;
    node_arrange(repair, node, now);
}

void meta_repair_room(struct meta_repair *repair, uint16_t index, uint64_t room_bytes, dfs_time_ns now)
{
    struct meta_repair_node *node = node_need(repair, index);

    if (room_bytes > node->room_bytes)
        room_came_back(repair, now);
    node->room_bytes = room_bytes;
}

void meta_repair_flaps(struct meta_repair *repair, uint16_t index, uint32_t flaps)
{
    node_need(repair, index)->flaps = flaps;
}

bool meta_repair_has_room(const struct meta_repair *repair, uint16_t index, uint32_t length_bytes)
{
    const struct meta_repair_node *node = meta_repair_node(repair, index);

    return node != NULL && node->room_bytes >= node->receiving_bytes + length_bytes;
}

uint64_t meta_repair_receiving(const struct meta_repair *repair)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < repair->nodes_room; i++)
        bytes += repair->nodes[i] == NULL ? 0 : repair->nodes[i]->receiving_bytes;
    return bytes;
}

void meta_repair_end_from(struct meta_repair *repair, uint16_t index, dfs_time_ns now)
{
    struct meta_repair_node *node = meta_repair_node(repair, index);

    if (node != NULL)
        end_side(repair, node, META_SOURCE, now);
}

void meta_repair_hold(struct meta_repair *repair, bool held, dfs_time_ns now)
{
    repair->held = held;
    for (uint32_t i = 0; i < repair->nodes_room; i++) {
        if (repair->nodes[i] != NULL)
            node_arrange(repair, repair->nodes[i], now);
    }
}

void meta_repair_settle(struct meta_repair *repair)
{
    repair->settled = true;
}

void meta_repair_away(struct meta_repair *repair, dfs_time_ns until)
{
    repair->away_until = until;
}

/* One block whose turn it is: true with an action, or it was moved to where it has to wait. */
static bool attempt(struct meta_repair *repair, meta_block_no number, dfs_time_ns now,
                    struct meta_repair_action *ret_action)
{
    const struct meta_trouble *trouble = trouble_of(repair, number);
    const struct view view = view_of(repair, number);
    uint16_t wait;

    if (view.live == 0 || !is_missing(&view)) {
        meta_repair_look(repair, number, META_REPAIR_NEWS, now);
        return false;
    }
    const uint16_t source = meta_repair_choose_source(repair, number, trouble, now, &wait);

    if (source == META_NODE_NONE && wait != META_NODE_NONE) {
        park(repair, number, wait, META_SOURCE, view.live, now);
        return false;
    }
    if (source == META_NODE_NONE) {
        meta_queue_move(repair, number, META_QUEUE_UNPLACED, 0);
        return false;
    }
    const uint16_t target = meta_repair_choose_target(repair, number, trouble, now, &wait);

    if (target == META_NODE_NONE && wait != META_NODE_NONE) {
        park(repair, number, wait, META_TARGET, view.live, now);
        return false;
    }
    if (target == META_NODE_NONE) {
        meta_queue_move(repair, number, META_QUEUE_UNPLACED, 0);
        /* In a cluster with as many nodes as copies a bad copy stands in the way of the good one. Removing it
         * takes no good copy away. */
        const meta_copy_no bad =
            repair->held ? 0 : meta_repair_bad_copy(repair, number, META_RIGHT_SOURCE | META_RIGHT_TARGET);

        *ret_action = (struct meta_repair_action){.verb = META_REPAIR_CLEAR, .block = number, .copy = bad};
        return bad != 0;
    }
    const struct meta_copying *copying = copying_begin(repair, number, source, target, now);

    *ret_action = (struct meta_repair_action){.verb = META_REPAIR_COPY, .block = number, .copying = copying};
    if (view.wanted == view.staying + view.running + 1)
        meta_queue_move(repair, number, META_QUEUE_RUNNING, 0);
    else
        meta_queue_move(repair, number, meta_queue_ready(view.live), 0);
    return true;
}

/* Next --------------------------------------------------------------------------------------------------- */

static bool has_looks(uint32_t *looks)
{
    if (*looks == 0)
        return false;
    --*looks;
    return true;
}

/* After a change of membership: those without a place go in line again, each once a round. */
static void unplaced_round(struct meta_repair *repair, uint32_t *looks)
{
    while (repair->unplaced_left > 0 && has_looks(looks)) {
        const meta_block_no number = repair->queues[META_QUEUE_UNPLACED].first;

        DFS_ASSERT(number != 0);
        const struct view view = view_of(repair, number);
        const uint32_t left = repair->unplaced_left - 1;

        meta_queue_move(repair, number, meta_queue_ready(view.live == 0 ? 1 : view.live), 0);
        repair->unplaced_left = left;
    }
}

/* The first waiter of a node that has room; 0: none, and the node is asleep again. */
static meta_block_no node_waiter(struct meta_repair *repair, struct meta_repair_node *node, dfs_time_ns now,
                                 uint32_t *ret_level)
{
    const uint32_t levels = repair->held ? 1 : META_PARK_LEVELS;

    for (uint32_t level = 0; level < levels; level++) {
        for (int side = 0; side < META_PARK_SIDES; side++) {
            if (node->parked[side][level].count > 0 && meta_repair_side_is_free(repair, node, side, now)) {
                *ret_level = level;
                return node->parked[side][level].first;
            }
        }
    }
    dfs_list_remove(&node->wake);
    node_arrange(repair, node, now); /* the other side may wait for its bandwidth */
    return 0;
}

/* The block whose turn it is: by live copies; among equals those who have waited for a node that is free
 * now. */
static meta_block_no next_block(struct meta_repair *repair, dfs_time_ns now)
{
    const enum meta_queue_name last = repair->held ? META_QUEUE_READY_1 : META_QUEUE_READY_8;
    struct dfs_list *link;
    uint32_t level = META_PARK_LEVELS;
    meta_block_no waiter = 0;

    while (waiter == 0 && (link = dfs_list_first(&repair->wakes)) != NULL)
        waiter = node_waiter(repair, dfs_container_of(link, struct meta_repair_node, wake), now, &level);
    for (uint32_t queue = META_QUEUE_READY_1; queue <= (uint32_t)last; queue++) {
        if (repair->queues[queue].count == 0)
            continue;
        if (waiter != 0 && level <= meta_queue_level(queue - META_QUEUE_READY_1 + 1))
            return waiter;
        return repair->queues[queue].first;
    }
    return waiter;
}

static bool next_clear(struct meta_repair *repair, struct meta_repair_action *ret_action)
{
    const meta_block_no number = repair->queues[META_QUEUE_CLEAR].first;
    const meta_copy_no bad = meta_repair_bad_copy(repair, number, META_RIGHT_SOURCE);

    /* The caller flags it and looks again: the next bad copy, or whole. One whose node takes no orders waits
     * until that changes. */
    meta_queue_move(repair, number, bad == 0 ? META_QUEUE_UNPLACED : META_QUEUE_NONE, 0);
    *ret_action = (struct meta_repair_action){.verb = META_REPAIR_CLEAR, .block = number, .copy = bad};
    return bad != 0;
}

bool meta_repair_next(struct meta_repair *repair, dfs_time_ns now, uint32_t *looks,
                      struct meta_repair_action *ret_action)
{
    unplaced_round(repair, looks);
    while (!repair->held && repair->queues[META_QUEUE_CLEAR].count > 0 && has_looks(looks)) {
        if (next_clear(repair, ret_action))
            return true;
    }
    while (repair->running < repair->policy.total) {
        const meta_block_no number = next_block(repair, now);

        if (number == 0 || !has_looks(looks))
            return false;
        if (attempt(repair, number, now, ret_action))
            return true;
    }
    return false;
}

void meta_repair_finish(struct meta_repair *repair, const struct meta_copying *ended, enum dfs_status status,
                        dfs_time_ns now)
{
    struct meta_copying *copying = repair->copyings[ended->slot];
    const meta_block_no number = copying->block;
    const uint16_t source = copying->node[META_SOURCE];
    const uint16_t target = copying->node[META_TARGET];

    DFS_ASSERT(copying == ended && number != 0);
    copying_end(repair, copying, status, now);
    const struct meta_block *block = meta_repair_block(repair, number);
    const struct view view = view_of(repair, number);

    if (status != DFS_OK)
        repair->failures++;
    if (status == DFS_OK || view.live == 0 || !is_missing(&view)) {
        meta_repair_look(repair, number, META_REPAIR_NEWS, now);
        return;
    }
    struct meta_trouble *trouble = trouble_need(repair, number);
    /* Who has too much to do now has failed at nothing: nothing is learnt, the first back-off is enough. */
    const bool busy = status == DFS_UNAVAILABLE;
    const uint32_t attempts = busy ? 0 : trouble->attempts;
    const uint32_t step = attempts < META_BACKOFF_STEPS ? attempts : META_BACKOFF_STEPS - 1;

    trouble->attempts += !busy;
    trouble->avoid[META_SOURCE] = source;
    trouble->avoid[META_TARGET] = target;
    if (block->queue == META_QUEUE_RUNNING || meta_queue_is_ready(block->queue) || block->queue == META_QUEUE_PARKED ||
        block->queue == META_QUEUE_UNPLACED)
        meta_queue_move(repair, number, (enum meta_queue_name)(META_QUEUE_BACKOFF_0 + step),
                        now + (repair->policy.backoff_ns << step));
}

/* Time --------------------------------------------------------------------------------------------------- */

static void put_in_line(struct meta_repair *repair, meta_block_no number, dfs_time_ns now)
{
    const struct view view = view_of(repair, number);

    if (view.live == 0 || !is_missing(&view)) {
        /* Its nodes' rights have changed, the walk that tells us is under way. */
        meta_queue_move(repair, number, META_QUEUE_NONE, 0);
        meta_repair_look(repair, number, META_REPAIR_NEWS, now);
    } else {
        meta_queue_move(repair, number, meta_queue_ready(view.live), 0);
    }
}

void meta_repair_tick(struct meta_repair *repair, dfs_time_ns now)
{
    struct dfs_heap_item *item;
    uint32_t left = repair->policy.graces;

    while ((item = dfs_heap_pop(&repair->deadlines, now)) != NULL) {
        const struct meta_copying *copying = dfs_container_of(item, struct meta_copying, timer);

        repair->overdue(repair->ctx, copying);
        meta_repair_finish(repair, copying, DFS_TIMEOUT, now);
    }
    while ((item = dfs_heap_pop(&repair->frees, now)) != NULL)
        node_arrange(repair, dfs_container_of(item, struct meta_repair_node, timer), now);
    for (uint32_t queue = META_QUEUE_GRACE; queue <= META_QUEUE_BACKOFF_5 && repair->queued.count > 0; queue++) {
        while (left > 0 && (meta_queue_is_timed(queue) || queue == META_QUEUE_AWAY) &&
               meta_queue_due(repair, queue) <= now) {
            put_in_line(repair, repair->queues[queue].first, now);
            left--;
        }
    }
    if (repair->unplaced_again && now >= repair->unplaced_at) {
        repair->unplaced_again = false;
        repair->unplaced_at = now + repair->policy.backoff_ns;
        repair->unplaced_left = repair->queues[META_QUEUE_UNPLACED].count;
    }
}

dfs_time_ns meta_repair_deadline(const struct meta_repair *repair)
{
    dfs_time_ns next = dfs_time_min(dfs_heap_next(&repair->deadlines), dfs_heap_next(&repair->frees));

    for (uint32_t queue = META_QUEUE_GRACE; queue <= META_QUEUE_BACKOFF_5 && repair->queued.count > 0; queue++)
        next = dfs_time_min(next, meta_queue_due(repair, queue));
    if (repair->unplaced_again)
        next = dfs_time_min(next, repair->unplaced_at);
    return next;
}

/* Trimming ----------------------------------------------------------------------------------------------- */

dfs_time_ns meta_repair_trim_deadline(const struct meta_repair *repair)
{
    return meta_queue_due(repair, META_QUEUE_EXCESS);
}

meta_block_no meta_repair_trim_next(struct meta_repair *repair, dfs_time_ns now)
{
    const meta_block_no number = repair->queues[META_QUEUE_EXCESS].first;

    if (number == 0 || meta_queue_due(repair, META_QUEUE_EXCESS) > now)
        return 0;
    meta_queue_move(repair, number, META_QUEUE_TRIMMING, 0);
    return number;
}

void meta_repair_trim_end(struct meta_repair *repair, meta_block_no number, dfs_time_ns now)
{
    if (meta_repair_block(repair, number)->queue == META_QUEUE_TRIMMING)
        meta_queue_move(repair, number, META_QUEUE_NONE, 0);
    meta_repair_look(repair, number, META_REPAIR_NEWS, now);
}

/* For people and tests ----------------------------------------------------------------------------------- */

bool meta_repair_is_sound(const struct meta_repair *repair)
{
    uint64_t levels[4] = {0};
    uint64_t queued = 0;
    uint64_t in_queues = 0;
    uint32_t running = 0;
    uint32_t sides[META_PARK_SIDES] = {0};

    for (uint32_t queue = META_QUEUE_NONE + 1; queue < META_QUEUE_COUNT; queue++) {
        in_queues += repair->queues[queue].count;
        if (!meta_queue_is_sound(repair, &repair->queues[queue], queue))
            return false;
    }
    for (uint32_t i = 0; i < repair->nodes_room; i++) {
        const struct meta_repair_node *node = repair->nodes[i];

        for (int side = 0; node != NULL && side < META_PARK_SIDES; side++) {
            sides[side] += node->running[side];
            for (uint32_t level = 0; level < META_PARK_LEVELS; level++) {
                in_queues += node->parked[side][level].count;
                if (!meta_queue_is_sound(repair, &node->parked[side][level], META_QUEUE_PARKED))
                    return false;
            }
        }
    }
    for (meta_block_no no = 1; no <= repair->map->blocks.used; no++) {
        const struct meta_block *block = meta_repair_block(repair, no);

        if (block->file == NULL)
            continue;
        levels[block->mark >> META_MARK_LEVEL_SHIFT]++;
        running += block->mark & META_MARK_RUNNING;
        queued += block->queue != META_QUEUE_NONE;
        if ((block->queued != 0) != (block->queue != META_QUEUE_NONE))
            return false;
    }
    return queued == in_queues && queued == repair->queued.count && running == repair->running &&
           sides[META_SOURCE] == running && sides[META_TARGET] == running && repair->lost == levels[LEVEL_LOST] &&
           repair->one_copy == levels[LEVEL_ONE] &&
           repair->under == levels[LEVEL_UNDER] + levels[LEVEL_ONE] + levels[LEVEL_LOST] &&
           repair->unplaced_left <= repair->queues[META_QUEUE_UNPLACED].count;
}
