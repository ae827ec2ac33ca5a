#include "core/meta/repair.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

/* Expired graces that one tick puts in line. */
#define GRACES_A_TICK_MAX 4096

/* block->mark: copies under way in the low bits, the level that was counted above them. */
#define MARK_RUNNING 0x0fu
#define MARK_LEVEL_SHIFT 4

enum level { LEVEL_WHOLE, LEVEL_UNDER, LEVEL_ONE, LEVEL_LOST };

/* What was learned from the failed copies of one block. */
struct meta_trouble {
    struct dfs_list all;
    uint32_t attempts;
    meta_block_no block; /* the key */
    uint16_t avoid[META_PARK_SIDES];
};

static const uint8_t side_rights[META_PARK_SIDES] = {META_RIGHT_SOURCE, META_RIGHT_TARGET};

enum { SOURCE = 0, TARGET = 1 };

const char *meta_queue_words(enum meta_queue_name queue)
{
    static const char *const words_of[META_QUEUE_COUNT] = {
#define X(name, words) [META_QUEUE_##name] = (words),
        META_QUEUE_MAP(X)
#undef X
    };

    return words_of[queue];
}

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

static struct meta_repair_node *node_find(const struct meta_repair *repair, uint16_t index)
{
    return index < repair->nodes_room ? repair->nodes[index] : NULL;
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
        dfs_list_init(&node->copies[SOURCE]);
        dfs_list_init(&node->copies[TARGET]);
        dfs_list_init(&node->wake);
        dfs_heap_item_init(&node->timer);
        repair->nodes[index] = node;
    }
    return repair->nodes[index];
}

uint8_t meta_repair_rights_of(const struct meta_repair *repair, uint16_t index)
{
    const struct meta_repair_node *known = node_find(repair, index);

    return known == NULL ? 0 : known->rights;
}

/* Queues ------------------------------------------------------------------------------------------------- */

static struct meta_block *block_of(const struct meta_repair *repair, meta_block_no number)
{
    return meta_blockmap_block(repair->map, number);
}

/* Of a block that is in a queue. */
static struct meta_queued *queued_of(const struct meta_repair *repair, meta_block_no number)
{
    return meta_pool_at(&repair->queued, block_of(repair, number)->queued);
}

/* The due time of a parked block says where. */
static struct meta_queue *parked_at(const struct meta_repair *repair, dfs_time_ns due)
{
    return &repair->nodes[due & 0xffff]->parked[due >> 16 & 1][due >> 17];
}

static uint32_t parked_level(dfs_time_ns due)
{
    return (uint32_t)(due >> 17);
}

static struct meta_queue *queue_of(struct meta_repair *repair, meta_block_no number)
{
    const uint8_t queue = block_of(repair, number)->queue;

    return queue == META_QUEUE_PARKED ? parked_at(repair, queued_of(repair, number)->due) : &repair->queues[queue];
}

static void queue_leave(struct meta_repair *repair, meta_block_no number)
{
    struct meta_block *block = block_of(repair, number);
    const struct meta_queued *queued;
    struct meta_queue *queue;

    if (block->queue == META_QUEUE_NONE)
        return;
    queued = queued_of(repair, number);
    queue = queue_of(repair, number);
    if (block->queue == META_QUEUE_UNPLACED && repair->unplaced_left > 0 && queue->count == repair->unplaced_left)
        repair->unplaced_left--;
    if (queued->prev == 0)
        queue->first = queued->next;
    else
        queued_of(repair, queued->prev)->next = queued->next;
    if (queued->next == 0)
        queue->last = queued->prev;
    else
        queued_of(repair, queued->next)->prev = queued->prev;
    queue->count--;
    meta_pool_give(&repair->queued, block->queued);
    block->queued = 0;
    block->queue = META_QUEUE_NONE;
}

/* A block that is in no queue: its record. */
static struct meta_queued *queue_enter(struct meta_repair *repair, meta_block_no number, enum meta_queue_name name,
                                       dfs_time_ns due)
{
    struct meta_block *block = block_of(repair, number);

    DFS_ASSERT(block->queued == 0);
    block->queued = meta_pool_take(&repair->queued);
    block->queue = (uint8_t)name;
    queued_of(repair, number)->due = due;
    return queued_of(repair, number);
}

static void queue_append(struct meta_repair *repair, meta_block_no number, enum meta_queue_name name, dfs_time_ns due)
{
    struct meta_queued *queued = queue_enter(repair, number, name, due);
    struct meta_queue *queue = queue_of(repair, number);

    queued->prev = queue->last;
    if (queue->last == 0)
        queue->first = number;
    else
        queued_of(repair, queue->last)->next = number;
    queue->last = number;
    queue->count++;
}

/* To the end of a queue; nothing when it is in that one already. */
static void queue_move(struct meta_repair *repair, meta_block_no number, enum meta_queue_name to, dfs_time_ns due)
{
    if (block_of(repair, number)->queue == to)
        return;
    queue_leave(repair, number);
    if (to != META_QUEUE_NONE)
        queue_append(repair, number, to, due);
}

static enum meta_queue_name ready_queue(uint32_t live)
{
    DFS_ASSERT(live > 0);
    return (enum meta_queue_name)(META_QUEUE_READY_1 + (live < 8 ? live : 8) - 1);
}

static uint32_t level_of_live(uint32_t live)
{
    return (live < META_PARK_LEVELS ? live : META_PARK_LEVELS) - 1;
}

static bool is_ready(uint8_t queue)
{
    return queue >= META_QUEUE_READY_1 && queue <= META_QUEUE_READY_8;
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

static uint8_t rights_of(const struct meta_repair *repair, const struct meta_copy *copy)
{
    return meta_repair_rights_of(repair, copy->node);
}

static struct view view_of(const struct meta_repair *repair, meta_block_no number)
{
    const struct meta_block *block = block_of(repair, number);
    struct view view = {.wanted = block->file->copies_wanted, .running = block->mark & MARK_RUNNING};

    for (meta_copy_no no = meta_blockmap_first(repair->map, number); no != 0;
         no = meta_blockmap_next(repair->map, no)) {
        const struct meta_copy *copy = meta_blockmap_copy(repair->map, no);
        const uint8_t rights = rights_of(repair, copy);

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
    const enum level before = (enum level)(block->mark >> MARK_LEVEL_SHIFT);

    if (level == before)
        return;
    count_level(repair, before, false);
    count_level(repair, level, true);
    block->mark = (uint8_t)((block->mark & MARK_RUNNING) | (uint32_t)level << MARK_LEVEL_SHIFT);
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
    return side == SOURCE ? repair->policy.per_source : repair->policy.per_target;
}

/* Can it take one more copy on this side? A node that has lost the right says yes, so that nobody waits for
 * it. */
static bool side_is_free(const struct meta_repair *repair, const struct meta_repair_node *node, int side,
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
    for (int side = 0; side < META_PARK_SIDES; side++) {
        if (!side_is_awaited(repair, node, side))
            continue;
        if (side_is_free(repair, node, side, now)) {
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
    const uint64_t level = level_of_live(live);

    queue_leave(repair, number);
    queue_append(repair, number, META_QUEUE_PARKED, (dfs_time_ns)index | (dfs_time_ns)side << 16 | level << 17);
    node_arrange(repair, repair->nodes[index], now);
}

/* Those without a place try again, but not all of them for every heartbeat that says of a little more
 * room. */
static void room_came_back(struct meta_repair *repair, dfs_time_ns now)
{
    if (repair->queues[META_QUEUE_UNPLACED].count == 0 || repair->unplaced_again)
        return;
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
    dfs_list_init(&copying->of_node[SOURCE]);
    dfs_list_init(&copying->of_node[TARGET]);
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
    struct meta_block *block = block_of(repair, number);
    struct meta_copying *copying = copying_take(repair);
    const uint16_t nodes[META_PARK_SIDES] = {source, target};

    DFS_ASSERT((block->mark & MARK_RUNNING) < DFS_REPLICAS_MAX);
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
    struct meta_block *block = block_of(repair, copying->block);

    DFS_ASSERT((block->mark & MARK_RUNNING) > 0 && repair->running > 0);
    repair->ended(repair->ctx, copying, status);
    block->mark--;
    repair->running--;
    repair->nodes[copying->node[TARGET]]->receiving_bytes -= copying->length_bytes;
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
    const struct meta_repair_node *node = node_find(repair, target);

    if (node == NULL || node->running[TARGET] == 0 || (block_of(repair, block)->mark & MARK_RUNNING) == 0)
        return NULL;
    for (const struct dfs_list *at = node->copies[TARGET].next; at != &node->copies[TARGET]; at = at->next) {
        const struct meta_copying *copying = dfs_container_of_const(at, struct meta_copying, of_node[TARGET]);

        if (copying->block == block)
            return copying;
    }
    return NULL;
}

/* Look --------------------------------------------------------------------------------------------------- */

static void look_at_missing(struct meta_repair *repair, meta_block_no number, const struct view *view,
                            enum meta_repair_cause cause, dfs_time_ns now)
{
    const struct meta_block *block = block_of(repair, number);
    const enum meta_queue_name ready = ready_queue(view->live);
    const bool urgent = view->live == 1;

    switch ((enum meta_queue_name)block->queue) {
    case META_QUEUE_GRACE:
    case META_QUEUE_AWAY:
        if (urgent)
            queue_move(repair, number, ready, 0);
        return;
    case META_QUEUE_PARKED:
        if (parked_level(queued_of(repair, number)->due) != level_of_live(view->live))
            queue_move(repair, number, ready, 0);
        return;
    case META_QUEUE_BACKOFF_0:
    case META_QUEUE_BACKOFF_1:
    case META_QUEUE_BACKOFF_2:
    case META_QUEUE_BACKOFF_3:
    case META_QUEUE_BACKOFF_4:
    case META_QUEUE_BACKOFF_5:
        if (cause == META_REPAIR_LOSS)
            queue_move(repair, number, ready, 0);
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
        queue_move(repair, number, ready, 0);
        return;
    case META_QUEUE_NONE:
    case META_QUEUE_LOST:
    case META_QUEUE_RUNNING:
    case META_QUEUE_CLEAR:
    case META_QUEUE_EXCESS:
    case META_QUEUE_TRIMMING:
        if (urgent || cause == META_REPAIR_NEWS)
            queue_move(repair, number, ready, 0);
        else if (cause == META_REPAIR_ABSENT && repair->away_until > now)
            queue_move(repair, number, META_QUEUE_AWAY, 0);
        else if (repair->policy.grace_ns > 0)
            queue_move(repair, number, META_QUEUE_GRACE, now + repair->policy.grace_ns);
        else
            queue_move(repair, number, ready, 0);
        return;
    case META_QUEUE_COUNT:
        break;
    }
    dfs_unreachable("look_at_missing");
}

void meta_repair_look(struct meta_repair *repair, meta_block_no number, enum meta_repair_cause cause, dfs_time_ns now)
{
    struct meta_block *block = block_of(repair, number);
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
        queue_move(repair, number, META_QUEUE_LOST, 0);
    } else if (is_missing(&view)) {
        look_at_missing(repair, number, &view, cause, now);
    } else if (view.running > 0) {
        queue_move(repair, number, META_QUEUE_RUNNING, 0);
    } else {
        trouble_end(repair, number);
        if (view.bad > 0)
            queue_move(repair, number, META_QUEUE_CLEAR, 0);
        else if (view.staying - view.doubted <= view.wanted)
            queue_move(repair, number, META_QUEUE_NONE, 0);
        else if (block->queue != META_QUEUE_TRIMMING)
            queue_move(repair, number, META_QUEUE_EXCESS, now + repair->policy.trim_ns);
    }
}

void meta_repair_forget(struct meta_repair *repair, meta_block_no number, dfs_time_ns now)
{
    struct meta_block *block = block_of(repair, number);

    while ((block->mark & MARK_RUNNING) > 0)
        copying_end(repair, copying_newest(repair, number), DFS_ABORTED, now);
    queue_leave(repair, number);
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
    const struct meta_repair_node *node = node_find(repair, index);

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
    struct meta_repair_node *node = node_find(repair, index);

    if (node != NULL)
        end_side(repair, node, SOURCE, now);
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

/* Choice ------------------------------------------------------------------------------------------------- */

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
    const struct meta_block *block = block_of(repair, number);
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
        const bool stays = (rights_of(repair, copy) & META_RIGHT_STAYS) != 0;

        if (stays && (copy->flags & (META_COPY_BAD | META_COPY_EXCESS)) == 0)
            around->holders[around->holders_count++] = copy->node;
        else
            around->others[around->others_count++] = copy->node;
    }
    uint32_t running = block->mark & MARK_RUNNING;

    for (const struct dfs_list *at = repair->all.next; running > 0 && at != &repair->all; at = at->next) {
        const struct meta_copying *copying = dfs_container_of_const(at, struct meta_copying, all);

        if (copying->block != number)
            continue;
        around->holders[around->holders_count++] = copying->node[TARGET];
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
    const struct meta_repair_node *node = node_find(around->repair, index);

    if (node == NULL || (node->rights & META_RIGHT_TARGET) == 0 || index == around->avoid ||
        is_among(around->others, around->others_count, index))
        return false;
    if (!meta_repair_has_room(around->repair, index, around->block->length_bytes))
        return false;
    return !around->limited || side_is_free(around->repair, node, TARGET, around->now);
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

/* The target, or META_NODE_NONE and *ret_park: the node to wait for (META_NODE_NONE: there is no place at
 * all). */
static uint16_t choose_target(struct around *around, const struct meta_trouble *trouble, uint16_t *ret_park)
{
    const uint16_t avoid = trouble == NULL ? META_NODE_NONE : trouble->avoid[TARGET];
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

/* The source with least to do; the one that failed only if there is no other. META_NODE_NONE and *ret_park as
 * above. */
static uint16_t choose_source(const struct meta_repair *repair, meta_block_no number,
                              const struct meta_trouble *trouble, dfs_time_ns now, uint16_t *ret_park)
{
    const uint16_t avoid = trouble == NULL ? META_NODE_NONE : trouble->avoid[SOURCE];
    const struct meta_repair_node *best = NULL;
    const struct meta_repair_node *busy = NULL;

    for (meta_copy_no no = meta_blockmap_first(repair->map, number); no != 0;
         no = meta_blockmap_next(repair->map, no)) {
        const struct meta_copy *copy = meta_blockmap_copy(repair->map, no);
        const struct meta_repair_node *node = node_find(repair, copy->node);

        if ((copy->flags & (META_COPY_BAD | META_COPY_DOUBTED | META_COPY_EXCESS)) != 0 || node == NULL ||
            (node->rights & META_RIGHT_SOURCE) == 0 || (node->rights & META_RIGHT_COUNTS) == 0)
            continue;
        if (!side_is_free(repair, node, SOURCE, now)) {
            if (busy == NULL || node->running[SOURCE] < busy->running[SOURCE])
                busy = node;
        } else if (best == NULL || best->index == avoid ||
                   (node->index != avoid && node->running[SOURCE] < best->running[SOURCE])) {
            best = node;
        }
    }
    *ret_park = busy == NULL ? META_NODE_NONE : busy->index;
    return best == NULL ? META_NODE_NONE : best->index;
}

/* A bad copy (its removal not yet ordered) on a node with these rights; 0: none. */
static meta_copy_no bad_copy(const struct meta_repair *repair, meta_block_no number, uint8_t rights)
{
    for (meta_copy_no no = meta_blockmap_first(repair->map, number); no != 0;
         no = meta_blockmap_next(repair->map, no)) {
        const struct meta_copy *copy = meta_blockmap_copy(repair->map, no);

        if ((copy->flags & META_COPY_BAD) != 0 && (copy->flags & META_COPY_EXCESS) == 0 &&
            (rights_of(repair, copy) & rights) == rights)
            return no;
    }
    return 0;
}

/* One block whose turn it is: true with an action, or it was moved to where it has to wait. */
static bool attempt(struct meta_repair *repair, meta_block_no number, dfs_time_ns now,
                    struct meta_repair_action *ret_action)
{
    const struct meta_trouble *trouble = trouble_of(repair, number);
    const struct view view = view_of(repair, number);
    struct around around;
    uint16_t wait;

    if (view.live == 0 || !is_missing(&view)) {
        meta_repair_look(repair, number, META_REPAIR_NEWS, now);
        return false;
    }
    const uint16_t source = choose_source(repair, number, trouble, now, &wait);

    if (source == META_NODE_NONE && wait != META_NODE_NONE) {
        park(repair, number, wait, SOURCE, view.live, now);
        return false;
    }
    if (source == META_NODE_NONE) {
        queue_move(repair, number, META_QUEUE_UNPLACED, 0);
        return false;
    }
    around_fill(&around, repair, number, now);
    const uint16_t target = choose_target(&around, trouble, &wait);

    if (target == META_NODE_NONE && wait != META_NODE_NONE) {
        park(repair, number, wait, TARGET, view.live, now);
        return false;
    }
    if (target == META_NODE_NONE) {
        queue_move(repair, number, META_QUEUE_UNPLACED, 0);
        /* In a cluster with as many nodes as copies a bad copy stands in the way of the good one. Removing it
         * takes no good copy away. */
        const meta_copy_no bad = repair->held ? 0 : bad_copy(repair, number, META_RIGHT_SOURCE | META_RIGHT_TARGET);

        *ret_action = (struct meta_repair_action){.verb = META_REPAIR_CLEAR, .block = number, .copy = bad};
        return bad != 0;
    }
    const struct meta_copying *copying = copying_begin(repair, number, source, target, now);

    *ret_action = (struct meta_repair_action){.verb = META_REPAIR_COPY, .block = number, .copying = copying};
    if (view.wanted == view.staying + view.running + 1)
        queue_move(repair, number, META_QUEUE_RUNNING, 0);
    else
        queue_move(repair, number, ready_queue(view.live), 0);
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

        queue_move(repair, number, ready_queue(view.live == 0 ? 1 : view.live), 0);
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
            if (node->parked[side][level].count > 0 && side_is_free(repair, node, side, now)) {
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
        if (waiter != 0 && level <= level_of_live(queue - META_QUEUE_READY_1 + 1))
            return waiter;
        return repair->queues[queue].first;
    }
    return waiter;
}

static bool next_clear(struct meta_repair *repair, struct meta_repair_action *ret_action)
{
    const meta_block_no number = repair->queues[META_QUEUE_CLEAR].first;
    const meta_copy_no bad = bad_copy(repair, number, META_RIGHT_SOURCE);

    /* The caller flags it and looks again: the next bad copy, or whole. One whose node takes no orders waits
     * until that changes. */
    queue_move(repair, number, bad == 0 ? META_QUEUE_UNPLACED : META_QUEUE_NONE, 0);
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
    const uint16_t source = copying->node[SOURCE];
    const uint16_t target = copying->node[TARGET];

    DFS_ASSERT(copying == ended && number != 0);
    copying_end(repair, copying, status, now);
    const struct meta_block *block = block_of(repair, number);
    const struct view view = view_of(repair, number);

    if (status != DFS_OK)
        repair->failures++;
    if (status == DFS_OK || view.live == 0 || !is_missing(&view)) {
        meta_repair_look(repair, number, META_REPAIR_NEWS, now);
        return;
    }
    struct meta_trouble *trouble = trouble_need(repair, number);
    const uint32_t step = trouble->attempts < META_BACKOFF_STEPS ? trouble->attempts : META_BACKOFF_STEPS - 1;

    trouble->attempts++;
    trouble->avoid[SOURCE] = source;
    trouble->avoid[TARGET] = target;
    if (block->queue == META_QUEUE_RUNNING || is_ready(block->queue) || block->queue == META_QUEUE_PARKED ||
        block->queue == META_QUEUE_UNPLACED)
        queue_move(repair, number, (enum meta_queue_name)(META_QUEUE_BACKOFF_0 + step),
                   now + (repair->policy.backoff_ns << step));
}

/* Time --------------------------------------------------------------------------------------------------- */

/* The queues whose blocks wait for a time: in each the first is due first. */
static bool is_timed(uint32_t queue)
{
    return queue == META_QUEUE_GRACE || (queue >= META_QUEUE_BACKOFF_0 && queue <= META_QUEUE_BACKOFF_5);
}

static dfs_time_ns queue_due(const struct meta_repair *repair, uint32_t queue)
{
    const meta_block_no first = repair->queues[queue].first;

    if (first == 0)
        return DFS_NEVER;
    return queue == META_QUEUE_AWAY ? repair->away_until : queued_of(repair, first)->due;
}

static void put_in_line(struct meta_repair *repair, meta_block_no number, dfs_time_ns now)
{
    const struct view view = view_of(repair, number);

    if (view.live == 0 || !is_missing(&view)) {
        /* Its nodes' rights have changed, the walk that tells us is under way. */
        queue_move(repair, number, META_QUEUE_NONE, 0);
        meta_repair_look(repair, number, META_REPAIR_NEWS, now);
    } else {
        queue_move(repair, number, ready_queue(view.live), 0);
    }
}

void meta_repair_tick(struct meta_repair *repair, dfs_time_ns now)
{
    struct dfs_heap_item *item;
    uint32_t left = GRACES_A_TICK_MAX;

    while ((item = dfs_heap_pop(&repair->deadlines, now)) != NULL) {
        const struct meta_copying *copying = dfs_container_of(item, struct meta_copying, timer);

        repair->overdue(repair->ctx, copying);
        meta_repair_finish(repair, copying, DFS_TIMEOUT, now);
    }
    while ((item = dfs_heap_pop(&repair->frees, now)) != NULL)
        node_arrange(repair, dfs_container_of(item, struct meta_repair_node, timer), now);
    for (uint32_t queue = META_QUEUE_GRACE; queue <= META_QUEUE_BACKOFF_5 && repair->queued.count > 0; queue++) {
        while (left > 0 && (is_timed(queue) || queue == META_QUEUE_AWAY) && queue_due(repair, queue) <= now) {
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
        next = dfs_time_min(next, queue_due(repair, queue));
    if (repair->unplaced_again)
        next = dfs_time_min(next, repair->unplaced_at);
    return next;
}

/* Trimming ----------------------------------------------------------------------------------------------- */

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
    const struct meta_block *block = block_of(repair, number);
    const uint8_t needed = META_RIGHT_COUNTS | META_RIGHT_STAYS | META_RIGHT_SOURCE;
    const uint32_t wanted = block->file->copies_wanted;
    meta_copy_no left[META_COPIES_LOOKED_AT_MAX];
    uint32_t count = 0;

    for (meta_copy_no no = meta_blockmap_first(repair->map, number); no != 0 && count < META_COPIES_LOOKED_AT_MAX;
         no = meta_blockmap_next(repair->map, no)) {
        const struct meta_copy *copy = meta_blockmap_copy(repair->map, no);

        if ((copy->flags & (META_COPY_BAD | META_COPY_DOUBTED | META_COPY_EXCESS)) == 0 &&
            (rights_of(repair, copy) & needed) == needed)
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

dfs_time_ns meta_repair_trim_deadline(const struct meta_repair *repair)
{
    return queue_due(repair, META_QUEUE_EXCESS);
}

meta_block_no meta_repair_trim_next(struct meta_repair *repair, dfs_time_ns now)
{
    const meta_block_no number = repair->queues[META_QUEUE_EXCESS].first;

    if (number == 0 || queue_due(repair, META_QUEUE_EXCESS) > now)
        return 0;
    queue_move(repair, number, META_QUEUE_TRIMMING, 0);
    return number;
}

void meta_repair_trim_back(struct meta_repair *repair, meta_block_no number)
{
    struct meta_queue *queue = &repair->queues[META_QUEUE_EXCESS];

    DFS_ASSERT(block_of(repair, number)->queue == META_QUEUE_TRIMMING);
    queue_leave(repair, number);
    queue_enter(repair, number, META_QUEUE_EXCESS, 0)->next = queue->first;
    if (queue->first == 0)
        queue->last = number;
    else
        queued_of(repair, queue->first)->prev = number;
    queue->first = number;
    queue->count++;
}

void meta_repair_trim_end(struct meta_repair *repair, meta_block_no number, dfs_time_ns now)
{
    if (block_of(repair, number)->queue == META_QUEUE_TRIMMING)
        queue_move(repair, number, META_QUEUE_NONE, 0);
    meta_repair_look(repair, number, META_REPAIR_NEWS, now);
}

/* For people and tests ----------------------------------------------------------------------------------- */

uint64_t meta_repair_position(const struct meta_repair *repair, meta_block_no number, uint64_t at_most)
{
    const struct meta_block *block = block_of(repair, number);
    uint64_t position = 1;

    if (block->queue == META_QUEUE_NONE)
        return 0;
    if (is_ready(block->queue)) {
        for (uint32_t queue = META_QUEUE_READY_1; queue < block->queue; queue++)
            position += repair->queues[queue].count;
    }
    for (meta_block_no at = queued_of(repair, number)->prev; at != 0 && at_most > 0; at_most--) {
        position++;
        at = queued_of(repair, at)->prev;
    }
    return position;
}

static bool queue_is_sound(const struct meta_repair *repair, const struct meta_queue *queue, uint32_t name)
{
    meta_block_no previous = 0;
    uint32_t count = 0;

    for (meta_block_no at = queue->first; at != 0; at = queued_of(repair, at)->next) {
        const struct meta_block *block = block_of(repair, at);

        if (block->file == NULL || block->queue != name || queued_of(repair, at)->prev != previous ||
            count++ > queue->count)
            return false;
        if (name == META_QUEUE_PARKED && parked_at(repair, queued_of(repair, at)->due) != queue)
            return false;
        previous = at;
    }
    return count == queue->count && queue->last == previous;
}

bool meta_repair_is_sound(const struct meta_repair *repair)
{
    uint64_t levels[4] = {0};
    uint64_t queued = 0;
    uint64_t in_queues = 0;
    uint32_t running = 0;
    uint32_t sides[META_PARK_SIDES] = {0};

    for (uint32_t queue = META_QUEUE_NONE + 1; queue < META_QUEUE_COUNT; queue++) {
        in_queues += repair->queues[queue].count;
        if (!queue_is_sound(repair, &repair->queues[queue], queue))
            return false;
    }
    for (uint32_t i = 0; i < repair->nodes_room; i++) {
        const struct meta_repair_node *node = repair->nodes[i];

        for (int side = 0; node != NULL && side < META_PARK_SIDES; side++) {
            sides[side] += node->running[side];
            for (uint32_t level = 0; level < META_PARK_LEVELS; level++) {
                in_queues += node->parked[side][level].count;
                if (!queue_is_sound(repair, &node->parked[side][level], META_QUEUE_PARKED))
                    return false;
            }
        }
    }
    for (meta_block_no no = 1; no <= repair->map->blocks.used; no++) {
        const struct meta_block *block = block_of(repair, no);

        if (block->file == NULL)
            continue;
        levels[block->mark >> MARK_LEVEL_SHIFT]++;
        running += block->mark & MARK_RUNNING;
        queued += block->queue != META_QUEUE_NONE;
        if ((block->queued != 0) != (block->queue != META_QUEUE_NONE))
            return false;
    }
    return queued == in_queues && queued == repair->queued.count && running == repair->running &&
           sides[SOURCE] == running && sides[TARGET] == running && repair->lost == levels[LEVEL_LOST] &&
           repair->one_copy == levels[LEVEL_ONE] &&
           repair->under == levels[LEVEL_UNDER] + levels[LEVEL_ONE] + levels[LEVEL_LOST] &&
           repair->unplaced_left <= repair->queues[META_QUEUE_UNPLACED].count;
}
