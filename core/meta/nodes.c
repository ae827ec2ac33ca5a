/*
 * nodes.c - the table of nodes: records, ring, states; and what the client-facing half asks.
 */
#include "core/meta/nodes.h"

#include "core/base/mem.h"

/* Life --------------------------------------------------------------------------------------------------- */

void meta_nodes_init(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = dfs_alloc_zero(sizeof *nodes);
    const struct dfs_meta_config *config = &meta->config;
    const dfs_duration_ns calm_ns = 10 * config->heartbeat_interval_ns;
    const struct meta_repair_policy policy = {
        .grace_ns = config->repair_grace_ns,
        .backoff_ns = config->heartbeat_interval_ns,
        .trim_ns = config->repair_grace_ns > calm_ns ? config->repair_grace_ns : calm_ns,
        .timeout_ns = config->request_timeout_ns,
        .per_source = config->repair_per_source,
        .per_target = config->repair_per_target,
        .total = config->repair_total,
        .graces = config->bounds.graces,
        .bandwidth_bytes_per_s = config->repair_bandwidth_bytes_per_s,
    };

    meta->nodes = nodes;
    nodes->key_id = 1;
    nodes->key_due = DFS_NEVER;
    dfs_keyring_init(&nodes->ring, config->ring_weight_unit);
    meta_repair_init(&nodes->repair, &policy, &meta->map, &nodes->ring);
    dfs_heap_init(&nodes->timers);
    dfs_heap_init(&nodes->removal_timers);
    dfs_list_init(&nodes->walks);
    dfs_list_init(&nodes->removing);
    meta_copies_init(meta);
    meta_verify_init(meta);
}

static void node_free(struct dfs_meta *meta, struct meta_node *node)
{
    meta_inventory_free(node);
    meta_removals_drop(meta, node);
    dfs_mac_close(&node->heartbeat_mac);
    for (uint32_t i = 0; i < DFS_GRANT_KEYS_MAX; i++)
        dfs_mac_close(&node->grant_macs[i]);
    dfs_free(node);
}

void meta_nodes_close(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;

    if (nodes == NULL)
        return;
    meta_repair_close(&nodes->repair);
    meta_verify_close(meta);
    dfs_heap_close(&nodes->timers); /* before the nodes, whose items they hold */
    dfs_heap_close(&nodes->removal_timers);
    for (uint32_t i = 0; i < nodes->count; i++)
        node_free(meta, nodes->by_index[i]);
    for (uint32_t i = 0; i < nodes->zones_count; i++)
        dfs_free(nodes->zones[i]);
    dfs_keyring_close(&nodes->ring);
    dfs_free(nodes);
    meta->nodes = NULL;
}

/* The table ---------------------------------------------------------------------------------------------- */

/* The first place in by_id whose id is not below `id`. */
static uint32_t place_of(const struct meta_nodes *nodes, const struct dfs_id *id)
{
    uint32_t low = 0;
    uint32_t high = nodes->count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (dfs_id_compare(&nodes->by_index[nodes->by_id[middle]]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct meta_node *meta_node_by_id(const struct dfs_meta *meta, const struct dfs_id *id)
{
    const struct meta_nodes *nodes = meta->nodes;
    const uint32_t place = place_of(nodes, id);

    if (place == nodes->count)
        return NULL;
    struct meta_node *node = nodes->by_index[nodes->by_id[place]];

    return dfs_id_equal(&node->id, id) ? node : NULL;
}

static struct meta_node *node_add(struct meta_nodes *nodes, const struct dfs_id *id)
{
    const uint32_t place = place_of(nodes, id);
    struct meta_node *node = dfs_alloc_zero(sizeof *node);

    DFS_ASSERT(nodes->count < DFS_NODES_MAX);
    node->index = (uint16_t)nodes->count;
    node->id = *id;
    node->state = DFS_NODE_EVICTED;
    nodes->states[DFS_NODE_EVICTED]++;
    dfs_heap_item_init(&node->timer);
    dfs_heap_item_init(&node->removals_timer);
    dfs_list_init(&node->walking);
    dfs_list_init(&node->removals);
    dfs_list_init(&node->removals_sent);
    dfs_list_init(&node->removing);
    dfs_list_init(&node->verifies);
    memmove(nodes->by_id + place + 1, nodes->by_id + place, (nodes->count - place) * sizeof nodes->by_id[0]);
    nodes->by_id[place] = node->index;
    nodes->by_index[nodes->count++] = node;
    return node;
}

bool meta_zone_number(struct meta_nodes *nodes, struct dfs_text text, uint16_t *ret_zone)
{
    for (uint32_t i = 0; i < nodes->zones_count; i++) {
        if (dfs_text_equal(dfs_text_of(nodes->zones[i]), text)) {
            *ret_zone = (uint16_t)i;
            return true;
        }
    }
    if (nodes->zones_count == DFS_ZONES_MAX)
        return false;
    char *copy = dfs_alloc_zero(text.count + 1);

    if (text.count > 0)
        memcpy(copy, text.at, text.count);
    nodes->zones[nodes->zones_count] = copy;
    *ret_zone = (uint16_t)nodes->zones_count++;
    return true;
}

/* Records ------------------------------------------------------------------------------------------------ */

void meta_nodes_apply_node(struct dfs_meta *meta, const struct meta_r_node *record)
{
    struct meta_nodes *nodes = meta->nodes;
    struct meta_node *node =
        record->number < nodes->count ? nodes->by_index[record->number] : node_add(nodes, &record->node);

    /* Numbers are given in order and kept: a record that says otherwise is our own. */
    DFS_ASSERT(node->index == record->number && dfs_id_equal(&node->id, &record->node));
    node->boot = record->boot;
    node->addr = record->addr;
    node->capacity_bytes = record->capacity_bytes;
    node->member.draining = record->draining != 0;
    DFS_ASSERT(meta_zone_number(nodes, record->zone, &node->zone));
    if (record->incarnation > nodes->incarnation)
        nodes->incarnation = record->incarnation;
    if (meta_is_serving(meta))
        return; /* whoever appended it does the rest */
    node->member.incarnation = record->incarnation;
    node->expected = record->state != DFS_NODE_EVICTED && record->state != DFS_NODE_MAINTENANCE;
    /* For now the wall's time: meta_nodes_started makes fair time of it. */
    node->away_until = record->state == DFS_NODE_MAINTENANCE ? record->until_ms * DFS_MILLISECONDS : 0;
}

void meta_node_record(const struct dfs_meta *meta, const struct meta_node *node, struct meta_r_node *ret_record)
{
    *ret_record = (struct meta_r_node){
        .number = node->index,
        .node = node->id,
        .boot = node->boot,
        .incarnation = node->member.incarnation,
        .state = (uint8_t)node->state,
        .addr = node->addr,
        .zone = dfs_text_of(meta->nodes->zones[node->zone]),
        .capacity_bytes = node->capacity_bytes,
        .draining = node->member.draining,
    };
    /* A node that we have not met yet is still what it was. */
    if (node->expected)
        ret_record->state = DFS_NODE_SUSPECT;
    else if (node->away_until > 0)
        ret_record->state = DFS_NODE_MAINTENANCE;
    const dfs_time_ns until = node->state == DFS_NODE_MAINTENANCE ? node->member.until : node->away_until;

    if (ret_record->state == DFS_NODE_MAINTENANCE && until > meta->fair)
        ret_record->until_ms = (meta->wall + (until - meta->fair)) / DFS_MILLISECONDS;
}

bool meta_nodes_record_at(const struct dfs_meta *meta, uint32_t *cursor, struct meta_r_node *ret_record)
{
    if (*cursor >= meta->nodes->count)
        return false;
    meta_node_record(meta, meta->nodes->by_index[(*cursor)++], ret_record);
    return true;
}

void meta_nodes_apply_key(struct dfs_meta *meta, const struct meta_r_key *record)
{
    if (record->key_id > meta->nodes->key_id)
        meta->nodes->key_id = record->key_id;
}

bool meta_nodes_record_key(const struct dfs_meta *meta, struct meta_r_key *ret_record)
{
    *ret_record = (struct meta_r_key){.key_id = meta->nodes->key_id};
    return true;
}

/* States ------------------------------------------------------------------------------------------------- */

static uint8_t rights_of(const struct meta_node *node)
{
    const uint8_t orders = node->member.linked && node->peer != NULL ? META_RIGHT_SOURCE : 0;
    const uint8_t target = node->member.fenced ? 0 : META_RIGHT_TARGET;

    switch (node->state) {
    case DFS_NODE_JOINING:
        if (!node->counts)
            return 0;
        return node->member.draining ? META_RIGHT_COUNTS : META_RIGHT_COUNTS | META_RIGHT_STAYS;
    case DFS_NODE_ACTIVE:
        return META_RIGHT_COUNTS | META_RIGHT_STAYS | orders | target;
    case DFS_NODE_SUSPECT:
        return META_RIGHT_COUNTS | META_RIGHT_STAYS | orders;
    case DFS_NODE_DRAINING:
        return META_RIGHT_COUNTS | orders;
    case DFS_NODE_MAINTENANCE:
        return META_RIGHT_COUNTS | META_RIGHT_STAYS;
    case DFS_NODE_EVICTED:
        return 0;
    case DFS_NODE_STATE_COUNT:
        break;
    }
    dfs_unreachable("rights_of");
}

void meta_node_rights(struct dfs_meta *meta, struct meta_node *node)
{
    struct meta_nodes *nodes = meta->nodes;
    const uint8_t before = meta_repair_rights_of(&nodes->repair, node->index);
    const uint8_t rights = rights_of(node);

    if (rights == before)
        return;
    if ((before & META_RIGHT_TARGET) != 0)
        nodes->placeable--;
    if ((rights & META_RIGHT_TARGET) != 0)
        nodes->placeable++;
    meta_repair_rights(&nodes->repair, node->index, rights, meta->fair);
    if ((before & META_RIGHT_SOURCE) != 0 && (rights & META_RIGHT_SOURCE) == 0)
        meta_verify_node_lost(meta, node);
}

static void set_in_ring(struct dfs_meta *meta, struct meta_node *node)
{
    struct dfs_keyring *ring = &meta->nodes->ring;
    const bool in = meta_member_in_ring(node->state);

    if (in == dfs_keyring_has(ring, node->index))
        return;
    if (in)
        dfs_keyring_add(ring, node->index, &node->id, node->zone, node->capacity_bytes);
    else
        dfs_keyring_remove(ring, node->index);
}

static void trace_node(struct dfs_meta *meta, const struct meta_node *node, enum dfs_trace_kind kind, uint64_t b)
{
    const struct dfs_trace trace = {.kind = kind, .node = node->id, .a = node->member.incarnation, .b = b};

    dfs_trace_put(&meta->env, &trace);
}

static void append_record(struct dfs_meta *meta, struct meta_node *node)
{
    struct meta_r_node record;

    meta_node_record(meta, node, &record);
    meta_append_group(meta);
    meta_append(meta, META_RECORD_NODE, &record);
}

static void on_evicted(struct dfs_meta *meta, struct meta_node *node)
{
    trace_node(meta, node, DFS_TRACE_EVICTED, node->heard_mono);
    meta->nodes->counters.evictions++;
    node->member.present = false;
    if (node->counts)
        node->gone_at = dfs_time_max(meta->fair, 1);
    node->counts = false;
    node->flaps++;
    node->flaps_at = meta->fair;
    meta_inventory_free(node);
    meta_removals_drop(meta, node);
    meta_walk_begin(meta, node, META_WALK_DROP, META_REPAIR_LOSS);
    /* So that the next start of metadata does not wait for it. Nothing depends on the record: an evicted
     * node's incarnation is void either way. */
    append_record(meta, node);
    meta_node_ask_rejoin(meta, node, "evicted: two heartbeats in succession were missed");
    meta_brake_test(meta);
}

static void on_settled(struct dfs_meta *meta, struct meta_node *node)
{
    node->member.settled = true;
    trace_node(meta, node, DFS_TRACE_JOINED, 0);
    while (node->flaps > 0 && meta->fair - node->flaps_at >= META_FLAP_INTERVALS * meta->config.heartbeat_interval_ns) {
        node->flaps /= 2;
        node->flaps_at += META_FLAP_INTERVALS * meta->config.heartbeat_interval_ns;
    }
    meta_repair_flaps(&meta->nodes->repair, node->index, node->flaps);
    if (!node->counts) {
        /* It had been away: its good copies are adopted now. */
        node->counts = true;
        meta_walk_begin(meta, node, META_WALK_LOOK, META_REPAIR_NEWS);
    }
    meta_removals_resend(meta, node);
    meta_node_met(meta, node);
}

static void node_enter(struct dfs_meta *meta, struct meta_node *node, enum dfs_node_state next, const char *why)
{
    const enum dfs_node_state before = node->state;

    DFS_GATE(&meta->env, &meta_member_gate, node->state, next, why);
    meta->nodes->states[before]--;
    meta->nodes->states[next]++;
    set_in_ring(meta, node);
    if (next == DFS_NODE_EVICTED)
        on_evicted(meta, node);
    else if (next == DFS_NODE_SUSPECT)
        trace_node(meta, node, DFS_TRACE_SUSPECTED, 0);
    if (before == DFS_NODE_JOINING && (next == DFS_NODE_ACTIVE || next == DFS_NODE_DRAINING))
        on_settled(meta, node);
    meta_node_rights(meta, node);
    if ((before == DFS_NODE_DRAINING) != (next == DFS_NODE_DRAINING) && next != DFS_NODE_EVICTED)
        meta_walk_begin(meta, node, META_WALK_LOOK, META_REPAIR_NEWS);
}

static void set_timer(struct dfs_meta *meta, struct meta_node *node)
{
    dfs_time_ns at = meta_member_deadline(&node->member, meta->config.heartbeat_interval_ns, meta->fair);

    if (node->state == DFS_NODE_JOINING && node->counts)
        at = dfs_time_min(at, node->counts_until);
    if (at == DFS_NEVER)
        dfs_heap_remove(&meta->nodes->timers, &node->timer);
    else
        dfs_heap_set(&meta->nodes->timers, &node->timer, at);
}

void meta_node_refresh(struct dfs_meta *meta, struct meta_node *node, const char *why)
{
    const enum dfs_node_state next = meta_member_state(&node->member, meta->config.heartbeat_interval_ns, meta->fair);

    if (next != node->state)
        node_enter(meta, node, next, why);
    else
        meta_node_rights(meta, node);
    if (node->state == DFS_NODE_JOINING && node->counts && meta->fair >= node->counts_until) {
        node->counts = false;
        meta_node_rights(meta, node);
        meta_walk_begin(meta, node, META_WALK_LOOK, META_REPAIR_LOSS);
    }
    set_timer(meta, node);
}

/* An inventory that was broken off has left its marks: rare, so all at once. */
static void clear_marks(struct dfs_meta *meta, struct meta_node *node)
{
    meta_copy_no no = meta_blockmap_node_first(&meta->map, node->index);

    if (node->inventory == NULL || node->inventory->pages == 0)
        return;
    while (no != 0) {
        meta_blockmap_flags(&meta->map, no, 0, META_COPY_SEEN);
        no = meta_blockmap_copy(&meta->map, no)->node_next;
    }
}

void meta_node_begin(struct dfs_meta *meta, struct meta_node *node, struct meta_peer *peer, uint64_t incarnation)
{
    const enum dfs_node_state before = node->state;

    clear_marks(meta, node);
    meta_walk_break_off(node);
    meta_inventory_free(node);
    meta_removals_drop(meta, node);
    meta_member_join(&node->member, incarnation, meta->fair);
    node->inventory = dfs_alloc_zero(sizeof *node->inventory);
    node->counts = before == DFS_NODE_JOINING ? node->counts : before != DFS_NODE_EVICTED;
    node->counts_until = meta->fair + META_JOINING_INTERVALS * meta->config.heartbeat_interval_ns;
    node->rejoin_asked = false;
    node->rejoin_since = 0;
    node->applied = 0;
    node->digest = 0;
    node->heard_mono = meta->now;
    meta_node_keys_init(meta, node);
    meta_node_link(meta, node, peer);
    if (before == DFS_NODE_JOINING)
        node_enter(meta, node, DFS_NODE_JOINING, "join");
    meta_node_refresh(meta, node, "join");
}

void meta_nodes_peer_closed(struct dfs_meta *meta, struct meta_peer *peer)
{
    struct meta_node *node =
        peer->node == META_NODE_NONE || meta->nodes == NULL ? NULL : meta_node_at(meta, peer->node);

    if (node == NULL || node->peer != peer)
        return;
    node->peer = NULL;
    node->unlinked_at = dfs_time_max(meta->fair, 1);
    node->member.linked = false;
    if (!meta_is_serving(meta))
        return;
    const enum dfs_node_state before = node->state;

    meta_repair_end_from(&meta->nodes->repair, node->index, meta->fair);
    meta_removals_resend(meta, node);
    meta_node_refresh(meta, node, "closed");
    if (node->state == before)
        DFS_GATE_STAY(&meta->env, &meta_member_gate, before, "closed");
}

struct meta_node *meta_node_of_peer(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request)
{
    struct meta_node *node = peer->node == META_NODE_NONE ? NULL : meta_node_at(meta, peer->node);

    if (node != NULL && node->peer == peer && node->member.present && !node->member.opening)
        return node;
    dfs_link_send_status(&peer->link, request, DFS_STALE_INCARNATION, NULL);
    return NULL;
}

void meta_node_ask_rejoin(struct dfs_meta *meta, struct meta_node *node, const char *words)
{
    (void)meta;
    node->rejoin_asked = true;
    if (node->peer != NULL)
        dfs_link_send_status(&node->peer->link, 0, DFS_STALE_INCARNATION, words);
}

void meta_node_space(struct dfs_meta *meta, struct meta_node *node, uint64_t capacity_bytes, uint64_t free_bytes)
{
    const uint64_t ppb = meta->config.reserve_ppb;
    const uint64_t reserve = capacity_bytes / 1000000000 * ppb + capacity_bytes % 1000000000 * ppb / 1000000000;

    node->capacity_bytes = capacity_bytes;
    node->free_bytes = free_bytes;
    meta_repair_room(&meta->nodes->repair, node->index, free_bytes > reserve ? free_bytes - reserve : 0, meta->fair);
}

/* Copies ------------------------------------------------------------------------------------------------- */

struct dfs_block_id meta_block_of_wire(const struct dfs_w_block *block)
{
    return (struct dfs_block_id){.file = block->file, .index = block->index, .generation = block->generation};
}

struct dfs_w_block meta_block_to_wire(const struct dfs_block_id *block)
{
    return (struct dfs_w_block){.file = block->file, .index = block->index, .generation = block->generation};
}

/* A walk whose next copy leaves the map goes on with the one after it. */
static void walks_step_over(struct dfs_meta *meta, meta_copy_no copy)
{
    dfs_list_each(at, &meta->nodes->walks)
    {
        struct meta_node *node = dfs_container_of(at, struct meta_node, walking);

        if (node->walk_at == copy)
            node->walk_at = meta_blockmap_copy(&meta->map, copy)->node_next;
    }
}

void meta_copy_gone(struct dfs_meta *meta, meta_copy_no copy, enum meta_repair_cause cause)
{
    const meta_block_no block = meta_copy_block(&meta->map, copy);

    walks_step_over(meta, copy);
    meta_blockmap_remove(&meta->map, copy);
    meta_repair_look(&meta->nodes->repair, block, cause, meta->fair);
}

void meta_copy_here(struct dfs_meta *meta, struct meta_node *node, meta_block_no block, uint8_t flags)
{
    struct meta_repair *repair = &meta->nodes->repair;
    const struct meta_copying *copying;

    (void)meta_blockmap_put(&meta->map, block, node->index, flags);
    copying = meta_repair_find_to(repair, block, node->index);
    if (copying != NULL)
        meta_repair_finish(repair, copying, DFS_OK, meta->fair);
    else
        meta_repair_look(repair, block, META_REPAIR_NEWS, meta->fair);
}

void meta_copy_is_bad(struct dfs_meta *meta, struct meta_node *node, meta_block_no block, enum dfs_status status)
{
    meta_copy_no copy = meta_blockmap_find(&meta->map, block, node->index);
    struct dfs_trace trace = {.kind = DFS_TRACE_BLOCK_BAD, .status = status, .node = node->id};

    if (copy == 0)
        copy = meta_blockmap_put(&meta->map, block, node->index, 0);
    else if ((meta_blockmap_copy(&meta->map, copy)->flags & META_COPY_BAD) != 0)
        return;
    meta_blockmap_flags(&meta->map, copy, META_COPY_BAD, META_COPY_DOUBTED | META_COPY_VERIFIED);
    meta->nodes->counters.copies_bad++;
    meta_block_id(meta, block, &trace.block);
    dfs_trace_put(&meta->env, &trace);
    meta_repair_look(&meta->nodes->repair, block, META_REPAIR_NEWS, meta->fair);
}

void meta_nodes_block_committed(struct dfs_meta *meta, meta_block_no block)
{
    meta_repair_look(&meta->nodes->repair, block, META_REPAIR_NEWS, meta->fair);
}

void meta_nodes_block_changed(struct dfs_meta *meta, meta_block_no block)
{
    meta_repair_look(&meta->nodes->repair, block, META_REPAIR_NEWS, meta->fair);
}

void meta_nodes_block_dropped(struct dfs_meta *meta, meta_block_no block)
{
    meta_copy_no no = meta_blockmap_first(&meta->map, block);

    while (no != 0 && !dfs_list_empty(&meta->nodes->walks)) {
        walks_step_over(meta, no);
        no = meta_blockmap_next(&meta->map, no);
    }
    meta_repair_forget(&meta->nodes->repair, block, meta->fair);
}

void meta_nodes_order_removal(struct dfs_meta *meta, uint16_t index, const struct dfs_block_id *block,
                              enum dfs_remove_reason reason)
{
    meta_removal_add(meta, meta_node_at(meta, index), block, reason);
}

/* What the other half asks ------------------------------------------------------------------------------- */

struct place_rule {
    const struct dfs_meta *meta;
    const uint16_t *excluded;
    uint32_t excluded_count;
    uint32_t length_bytes;
};

static bool is_among(uint16_t index, const uint16_t *nodes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i] == index)
            return true;
    }
    return false;
}

static bool may_take(void *ctx, uint16_t index)
{
    const struct place_rule *rule = ctx;
    const struct meta_repair *repair = &rule->meta->nodes->repair;

    if (is_among(index, rule->excluded, rule->excluded_count))
        return false;
    return (meta_repair_rights_of(repair, index) & META_RIGHT_TARGET) != 0 &&
           meta_repair_has_room(repair, index, rule->length_bytes);
}

uint32_t meta_nodes_place(struct dfs_meta *meta, const struct dfs_block_id *block, uint32_t length_bytes,
                          uint32_t count, const uint16_t *excluded, uint32_t excluded_count, uint16_t *ret_nodes)
{
    struct place_rule rule = {
        .meta = meta, .excluded = excluded, .excluded_count = excluded_count, .length_bytes = length_bytes};
    const struct dfs_placement_rule placement = {.ctx = &rule, .eligible = may_take};
    const uint64_t hash = dfs_placement_hash(&block->file, block->index, block->generation);

    return dfs_placement_choose(&meta->nodes->ring, hash, count, &placement, ret_nodes);
}

uint32_t meta_nodes_with_room(const struct dfs_meta *meta, uint32_t length_bytes, const uint16_t *excluded,
                              uint32_t excluded_count)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < meta->nodes->count; i++) {
        const struct meta_node *node = meta->nodes->by_index[i];

        count += meta_member_in_ring(node->state) && !is_among(node->index, excluded, excluded_count) &&
                 (node->free_bytes == DFS_ROOM_NONE ||
                  meta_repair_has_room(&meta->nodes->repair, node->index, length_bytes));
    }
    return count;
}

uint32_t meta_nodes_placeable(const struct dfs_meta *meta)
{
    return meta->nodes->placeable;
}

bool meta_nodes_find(const struct dfs_meta *meta, const struct dfs_id *id, uint16_t *ret_node)
{
    const struct meta_node *node = meta_node_by_id(meta, id);

    if (node == NULL)
        return false;
    *ret_node = node->index;
    return true;
}

const struct dfs_id *meta_nodes_id(const struct dfs_meta *meta, uint16_t index)
{
    return &meta_node_at(meta, index)->id;
}

enum dfs_node_state meta_nodes_state(const struct dfs_meta *meta, uint16_t index)
{
    return meta_node_at(meta, index)->state;
}

bool meta_nodes_serves(const struct dfs_meta *meta, uint16_t index)
{
    const struct meta_node *node = meta_node_at(meta, index);

    switch (node->state) {
    case DFS_NODE_ACTIVE:
    case DFS_NODE_SUSPECT:
    case DFS_NODE_DRAINING:
        return true;
    case DFS_NODE_JOINING:
        return node->member.told; /* the map agrees with its disk again */
    case DFS_NODE_MAINTENANCE:
    case DFS_NODE_EVICTED:
        return false;
    case DFS_NODE_STATE_COUNT:
        break;
    }
    dfs_unreachable("meta_nodes_serves");
}

bool meta_nodes_replica(const struct dfs_meta *meta, uint16_t index, struct dfs_w_replica *ret_replica)
{
    const struct meta_node *node = meta_node_at(meta, index);

    *ret_replica =
        (struct dfs_w_replica){.node = node->id, .incarnation = node->member.incarnation, .addr = node->addr};
    return node->member.present;
}

bool meta_nodes_is_present(const struct dfs_meta *meta, uint16_t index, uint64_t incarnation)
{
    const struct meta_node *node = meta_node_at(meta, index);

    /* Before its inventory is complete nothing that it said counts: the end of the inventory may still take
     * it back. */
    return node->member.present && node->member.told && node->member.incarnation == incarnation;
}

bool meta_nodes_is_warm(const struct dfs_meta *meta)
{
    return meta->nodes->warm;
}

bool meta_nodes_have_told(const struct dfs_meta *meta)
{
    return meta->nodes->warm && meta->nodes->states[DFS_NODE_JOINING] == 0;
}

bool meta_nodes_are_all_here(const struct dfs_meta *meta)
{
    const uint32_t *states = meta->nodes->states;

    return meta_nodes_have_told(meta) && states[DFS_NODE_EVICTED] == 0 && states[DFS_NODE_MAINTENANCE] == 0;
}

void meta_nodes_explain(const struct dfs_meta *meta, meta_block_no number, struct dfs_w_explain_block *ret_explain)
{
    const struct meta_nodes *nodes = meta->nodes;
    const struct meta_block *block = meta_blockmap_block(&meta->map, number);
    const enum meta_queue_name queue = (enum meta_queue_name)block->queue;
    const uint64_t rate = nodes->rate_per_s;

    if (!nodes->repair.settled) {
        ret_explain->why = dfs_text_of("metadata has just started and waits for the known nodes");
        ret_explain->queue = dfs_text_of("warm-up");
        return;
    }
    ret_explain->why = dfs_text_of(meta_queue_words(queue));
    ret_explain->queue = dfs_text_of(nodes->braked && queue >= META_QUEUE_READY_2 && queue <= META_QUEUE_READY_8
                                         ? "held by the brake: too many nodes went at once"
                                         : meta_queue_words(queue));
    ret_explain->position = meta_repair_position(&nodes->repair, number, 10000);
    if (queue >= META_QUEUE_READY_1 && queue <= META_QUEUE_READY_8 && rate > 0)
        ret_explain->eta_ms = ret_explain->position * block->length_bytes / rate * 1000;
}

void meta_nodes_account(const struct dfs_meta *meta, struct dfs_meta_accounting *ret_accounting)
{
    ret_accounting->copies_running = meta->nodes->repair.running;
    ret_accounting->receiving_bytes = meta_repair_receiving(&meta->nodes->repair);
    ret_accounting->removals_waiting = meta->nodes->removals_count;
    for (uint32_t i = 0; i < meta->nodes->count; i++)
        ret_accounting->removals_waiting += meta->nodes->by_index[i]->removals_forgot;
    ret_accounting->blocks_under = meta->nodes->repair.under;
}

const struct dfs_keyring *dfs_meta_keyring(const struct dfs_meta *meta)
{
    return &meta->nodes->ring;
}

bool dfs_meta_node_at(const struct dfs_meta *meta, size_t index, struct dfs_meta_node_view *ret_view)
{
    const struct meta_node *node;

    if (index >= meta->nodes->count)
        return false;
    node = meta->nodes->by_index[meta->nodes->by_id[index]];
    *ret_view =
        (struct dfs_meta_node_view){.node = node->id, .incarnation = node->member.incarnation, .state = node->state};
    return true;
}

void meta_nodes_metrics(const struct dfs_meta *meta,
                        void (*emit)(void *ctx, const char *name, const char *help, uint64_t value), void *ctx)
{
    const struct meta_nodes *nodes = meta->nodes;
    const struct meta_nodes_counters *c = &nodes->counters;

    emit(ctx, "dfs_meta_nodes_joining", "Data servers that are joining.", nodes->states[DFS_NODE_JOINING]);
    emit(ctx, "dfs_meta_nodes_active", "Data servers that are active.", nodes->states[DFS_NODE_ACTIVE]);
    emit(ctx, "dfs_meta_nodes_suspect", "Data servers that missed a heartbeat or lost their connection.",
         nodes->states[DFS_NODE_SUSPECT]);
    emit(ctx, "dfs_meta_nodes_evicted", "Known data servers that are not members.", nodes->states[DFS_NODE_EVICTED]);
    emit(ctx, "dfs_meta_nodes_draining", "Data servers that are being emptied.", nodes->states[DFS_NODE_DRAINING]);
    emit(ctx, "dfs_meta_nodes_maintenance", "Data servers that left cleanly.", nodes->states[DFS_NODE_MAINTENANCE]);
    emit(ctx, "dfs_meta_warm", "1 when warm-up is over.", nodes->warm);
    emit(ctx, "dfs_meta_brake", "1 while repair is held because too many nodes went at once.", nodes->braked);
    emit(ctx, "dfs_meta_brakes_total", "Times the brake was pulled.", c->brakes);
    emit(ctx, "dfs_meta_blocks_one_copy", "Blocks with one live copy though more are wanted.", nodes->repair.one_copy);
    emit(ctx, "dfs_meta_blocks_lost", "Blocks without a live copy.", nodes->repair.lost);
    emit(ctx, "dfs_meta_copies_running", "Copies under way.", nodes->repair.running);
    emit(ctx, "dfs_meta_copies_total", "Copies made.", c->copies_done);
    emit(ctx, "dfs_meta_copies_failed_total", "Copies that failed.", c->copies_failed);
    emit(ctx, "dfs_meta_copies_cancelled_total", "Copies given up because they were not needed or a node went.",
         c->copies_cancelled);
    emit(ctx, "dfs_meta_copied_bytes_total", "Bytes of the copies made.", c->copied_bytes);
    emit(ctx, "dfs_meta_joins_total", "Joins accepted.", c->joins);
    emit(ctx, "dfs_meta_joins_refused_total", "Joins refused.", c->joins_refused);
    emit(ctx, "dfs_meta_superseded_total", "Processes told that another one took their identity.", c->superseded);
    emit(ctx, "dfs_meta_older_journal_total", "Joins refused: the node has seen a newer journal.", c->older_journal);
    emit(ctx, "dfs_meta_resumes_total", "Control connections taken up again.", c->resumes);
    emit(ctx, "dfs_meta_resumes_refused_total", "Resumes refused: the node had to join again.", c->resumes_refused);
    emit(ctx, "dfs_meta_inventories_total", "Complete inventories.", c->inventories);
    emit(ctx, "dfs_meta_inventories_bad_total", "Inventories that did not add up.", c->inventories_bad);
    emit(ctx, "dfs_meta_inventory_missing_total", "Copies that a complete inventory no longer named.",
         c->inventory_missing);
    emit(ctx, "dfs_meta_block_changes_total", "Changes told by data servers.", c->events);
    emit(ctx, "dfs_meta_changes_bad_total", "Changes with gaps: the node had to join again.", c->events_bad);
    emit(ctx, "dfs_meta_heartbeats_total", "Heartbeats accepted.", c->heartbeats);
    emit(ctx, "dfs_meta_heartbeats_repeated_total", "Repetitions of the newest heartbeat.", c->heartbeats_again);
    emit(ctx, "dfs_meta_heartbeats_late_total", "Late or replayed heartbeats, ignored.", c->heartbeats_late);
    emit(ctx, "dfs_meta_heartbeats_stale_total", "Heartbeats of ended incarnations, ignored.", c->heartbeats_stale);
    emit(ctx, "dfs_meta_heartbeats_forged_total", "Heartbeats with a wrong tag, ignored.", c->heartbeats_forged);
    emit(ctx, "dfs_meta_datagrams_bad_total", "Datagrams that are no heartbeat of a known node.", c->datagrams_bad);
    emit(ctx, "dfs_meta_controls_silent_total", "Control connections closed since nothing came through any more.",
         c->controls_silent);
    emit(ctx, "dfs_meta_digests_wrong_total", "Heartbeats whose digest differed: the node had to join again.",
         c->digests_wrong);
    emit(ctx, "dfs_meta_evictions_total", "Evictions.", c->evictions);
    emit(ctx, "dfs_meta_copies_bad_total", "Copies found bad.", c->copies_bad);
    emit(ctx, "dfs_meta_receipts_of_copies_bad_total", "Receipts of copies that did not verify.", c->receipts_bad);
    emit(ctx, "dfs_meta_orphans_total", "Blocks found that no file has.", c->orphans);
    emit(ctx, "dfs_meta_removals_waiting", "Removals not yet answered.", nodes->removals_count);
    emit(ctx, "dfs_meta_removals_total", "Removals done.", c->removals);
    emit(ctx, "dfs_meta_removals_refused_total", "Removals that a data server refused.", c->removals_refused);
    emit(ctx, "dfs_meta_removals_forgotten_total", "Removals left to the next inventory.", c->removals_forgotten);
    emit(ctx, "dfs_meta_verified_total", "Copies read on order and found right.", c->verified);
    emit(ctx, "dfs_meta_verify_failed_total", "Copies read on order that did not verify or gave no answer.",
         c->verify_failed);
    emit(ctx, "dfs_meta_doubts_dropped_total", "Readers' complaints dropped.", c->doubts_dropped);
    emit(ctx, "dfs_meta_trimmed_total", "Copies too many ordered away.", c->trimmed);
    emit(ctx, "dfs_meta_data_complaints_total", "Messages of ours that a data server refused.", c->complaints);
    emit(ctx, "dfs_meta_trims_given_up_total", "Trims given up because a kept copy was not confirmed.",
         c->trims_given_up);
}
